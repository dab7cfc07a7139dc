//go:build bench

package xdp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// liveFrames is BPF_F_TEST_XDP_LIVE_FRAMES (Linux 5.18): what passes a test run
// goes on as if a driver had received it.
const liveFrames = 1 << 1

// TestAgainstIptables has the same floods dropped by the guard, and by the
// same rules of iptables in its earliest table, raw, with ipset and hashlimit. All begin where
// a driver has a packet: iptables behind a program that passes everything.
func TestAgainstIptables(t *testing.T) {
	list := million()
	run(t, "ip", "link", "set", "lo", "up")
	g := benchGuard(t)
	apply(t, g, lvs.GuardPrefixes{List: lvs.BlockList, Prefixes: list})
	hosts, strangers := blockedHosts(list), unlisted(list)
	blocked, limited := from(syn4(), hosts[0].String()), segment(syn4(), 40000, 443, flagSYN)
	drop, pass := dropping(t), theirProgram(t, "pass")
	cases := []struct {
		name       string
		f          frame
		before     func(next *ebpf.Program) *ebpf.Program
		drop, ours time.Duration
	}{
		{name: "blocked, one source, a million prefixes", f: blocked, before: directly},
		{name: fmt.Sprintf("blocked, %d sources", len(hosts)), f: blocked, before: scattering(t, hosts)},
		{name: fmt.Sprintf("to no port, %d others", len(strangers)), f: segment(syn4(), 1, 81, flagSYN), before: scattering(t, strangers)},
		{name: "over the limit of SYNs of a source", f: limited, before: directly},
	}
	for i := range cases {
		c := &cases[i]
		c.drop, c.ours = live(t, c.before(drop), c.f), live(t, c.before(g.objects.Guard), c.f)
	}
	sameByIptables(t, list)
	t.Logf("%-41s  %8s  %8s  %s", "ns beyond a program that drops everything", "guard", "iptables", "ratio")
	for _, c := range cases {
		ours, theirs := c.ours-c.drop, live(t, c.before(pass), c.f)-c.drop
		t.Logf("%-41s  %8d  %8d  %5.1f", c.name, ours.Nanoseconds(), theirs.Nanoseconds(), float64(theirs)/float64(ours))
	}
}

// blockedHosts are some single addresses of a list.
func blockedHosts(list lvs.PrefixSet) []netip.Addr {
	var hosts []netip.Addr
	for p := range list.All() {
		if p.Bits() == 32 && len(hosts) < 1<<16 {
			hosts = append(hosts, p.Addr())
		}
	}
	return hosts
}

// unlisted are as many addresses that are not on the list.
func unlisted(list lvs.PrefixSet) []netip.Addr {
	random := rand.New(rand.NewPCG(7, 8))
	listed := coverOf(list)
	var all []netip.Addr
	for len(all) < 1<<16 {
		a := netip.AddrFrom4([4]byte{byte(11 + random.IntN(100)), byte(random.Uint32()), byte(random.Uint32()), byte(random.Uint32())})
		if !listed.has(a) {
			all = append(all, a)
		}
	}
	return all
}

func directly(next *ebpf.Program) *ebpf.Program { return next }

// scattering gives each frame the address of a host, by chance, before the next
// program sees it: so that what it looks up is not always in the processor's cache.
func scattering(t *testing.T, hosts []netip.Addr) func(next *ebpf.Program) *ebpf.Program {
	t.Helper()
	type patch struct {
		Source   [4]byte
		Checksum [2]byte // of the header with it
		_        [2]byte
	}
	patches := newMap(t, &ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: uint32(len(hosts))})
	for i, h := range hosts {
		data := from(syn4(), h.String()).bytes()
		checksum(data[14:34])
		if err := patches.Put(uint32(i), patch{Source: h.As4(), Checksum: [2]byte(data[24:26])}); err != nil {
			t.Fatal(err)
		}
	}
	return func(next *ebpf.Program) *ebpf.Program {
		after := newMap(t, &ebpf.MapSpec{Type: ebpf.ProgramArray, KeySize: 4, ValueSize: 4, MaxEntries: 1})
		if err := after.Put(uint32(0), next); err != nil {
			t.Fatal(err)
		}
		return newProgram(t, asm.Instructions{
			asm.Mov.Reg(asm.R6, asm.R1),
			asm.FnGetPrandomU32.Call(),
			asm.Mod.Imm32(asm.R0, int32(len(hosts))),
			asm.StoreMem(asm.RFP, -4, asm.R0, asm.Word),
			asm.LoadMapPtr(asm.R1, patches.FD()),
			asm.Mov.Reg(asm.R2, asm.RFP),
			asm.Add.Imm(asm.R2, -4),
			asm.FnMapLookupElem.Call(),
			asm.JEq.Imm(asm.R0, 0, "next"),
			asm.LoadMem(asm.R2, asm.R6, 0, asm.Word), // data
			asm.LoadMem(asm.R3, asm.R6, 4, asm.Word), // its end
			asm.Mov.Reg(asm.R4, asm.R2),
			asm.Add.Imm(asm.R4, 34),
			asm.JGT.Reg(asm.R4, asm.R3, "next"),
			asm.LoadMem(asm.R4, asm.R0, 0, asm.Word),
			asm.StoreMem(asm.R2, 26, asm.R4, asm.Word),
			asm.LoadMem(asm.R4, asm.R0, 4, asm.Half),
			asm.StoreMem(asm.R2, 24, asm.R4, asm.Half),
			asm.Mov.Reg(asm.R1, asm.R6).WithSymbol("next"),
			asm.LoadMapPtr(asm.R2, after.FD()),
			asm.Mov.Imm(asm.R3, 0),
			asm.FnTailCall.Call(),
			asm.Mov.Imm(asm.R0, xdpDrop),
			asm.Return(),
		})
	}
}

func newMap(t *testing.T, spec *ebpf.MapSpec) *ebpf.Map {
	t.Helper()
	m, err := ebpf.NewMap(spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func newProgram(t *testing.T, instructions asm.Instructions) *ebpf.Program {
	t.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, AttachType: ebpf.AttachXDP, License: "GPL", Instructions: instructions})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// sameRules are the guard's rules for benchGuard's VIP, in the guard's order.
const sameRules = `*raw
:GUARD - [0:0]
-A PREROUTING -d 192.0.2.1 -j GUARD
-A GUARD -m set --match-set allow src -j RETURN
-A GUARD -m set --match-set block src -j DROP
-A GUARD -s 0.0.0.0/8 -j DROP
-A GUARD -s 127.0.0.0/8 -j DROP
-A GUARD -s 224.0.0.0/4 -j DROP
-A GUARD -s 255.255.255.255 -j DROP
-A GUARD -m set --match-set vips src -j DROP
-A GUARD -p tcp --tcp-flags FIN,SYN,RST,PSH,ACK,URG NONE -j DROP
-A GUARD -p tcp --tcp-flags SYN,FIN SYN,FIN -j DROP
-A GUARD -p tcp --tcp-flags SYN,RST SYN,RST -j DROP
-A GUARD -p tcp --sport 0 -j DROP
-A GUARD -m set ! --match-set ports dst,dst -j DROP
-A GUARD -p tcp --syn -m hashlimit --hashlimit-name source-syns --hashlimit-mode srcip --hashlimit-above 10/sec --hashlimit-burst 10 -j DROP
-A GUARD -m hashlimit --hashlimit-name source-packets --hashlimit-mode srcip --hashlimit-above 1000000/sec --hashlimit-burst 1000000 -j DROP
-A GUARD -p tcp --syn -m hashlimit --hashlimit-name syns --hashlimit-mode dstip,dstport --hashlimit-above 1000000/sec --hashlimit-burst 1000000 -j DROP
-A GUARD -m hashlimit --hashlimit-name packets --hashlimit-mode dstip,dstport --hashlimit-above 1000000/sec --hashlimit-burst 1000000 -j DROP
COMMIT
`

// sameByIptables makes the rules, with sets for what are maps in the guard.
func sameByIptables(t *testing.T, list lvs.PrefixSet) {
	t.Helper()
	var sets bytes.Buffer
	fmt.Fprint(&sets, "create allow hash:net\nadd allow 10.1.0.0/16\nadd allow 10.3.0.0/24\n")
	fmt.Fprint(&sets, "create vips hash:ip\nadd vips 192.0.2.1\n")
	fmt.Fprint(&sets, "create ports hash:ip,port\nadd ports 192.0.2.1,tcp:80\nadd ports 192.0.2.1,tcp:443\nadd ports 192.0.2.1,udp:53\n")
	fmt.Fprint(&sets, "create block hash:net hashsize 1048576 maxelem 2000000\n")
	for p := range list.All() {
		fmt.Fprintf(&sets, "add block %s\n", p)
	}
	feed(t, &sets, "ipset", "restore")
	feed(t, strings.NewReader(sameRules), "iptables-legacy-restore")
}

func feed(t *testing.T, input io.Reader, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdin = input
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", name, err, out)
	}
}

func dropping(t *testing.T) *ebpf.Program {
	return newProgram(t, asm.Instructions{asm.Mov.Imm(asm.R0, xdpDrop), asm.Return()})
}

// live gives the processor's time for a frame, the best of several rounds.
func live(t *testing.T, p *ebpf.Program, f frame) time.Duration {
	t.Helper()
	const frames = 500_000
	data := f.bytes()
	checksum(data[14:34])
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	best := time.Hour
	for range 5 {
		begin := processorTime(t)
		if _, err := p.Run(&ebpf.RunOptions{Data: data, Repeat: frames, Flags: liveFrames}); err != nil {
			t.Fatal(err)
		}
		best = min(best, (processorTime(t)-begin)/frames)
	}
	return best
}

// processorTime is what this thread has used, in the kernel and outside.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &r); err != nil {
		t.Fatal(err)
	}
	return time.Duration(r.Stime.Nano() + r.Utime.Nano())
}

// checksum writes that of an IPv4 header (RFC 791).
func checksum(header []byte) {
	binary.BigEndian.PutUint16(header[10:], 0)
	sum := uint32(0)
	for i := 0; i < len(header); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(header[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(header[10:], ^uint16(sum))
}
