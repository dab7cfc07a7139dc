//go:build bench

package xdp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
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
	var host netip.Prefix
	for p := range list.All() {
		if p.Bits() == 32 {
			host = p
		}
	}
	run(t, "ip", "link", "set", "lo", "up")
	g := benchGuard(t)
	apply(t, g, lvs.GuardPrefixes{List: lvs.BlockList, Prefixes: list})
	blocked, limited := from(syn4(), host.Addr().String()), segment(syn4(), 40000, 443, flagSYN)
	pass := theirProgram(t, "pass")
	nothing := live(t, dropping(t), blocked)
	guardBlock, guardLimit := live(t, g.objects.Guard, blocked), live(t, g.objects.Guard, limited)

	sameByIptables(t, list)
	tableBlock, tableLimit := live(t, pass, blocked), live(t, pass, limited)

	t.Logf("%-41s  %8s  %8s  %s", "ns beyond a program that drops everything", "guard", "iptables", "ratio")
	for _, c := range []struct {
		name         string
		ours, theirs time.Duration
	}{{"blocked, of a million prefixes", guardBlock, tableBlock}, {"over the limit of SYNs of a source", guardLimit, tableLimit}} {
		ours, theirs := c.ours-nothing, c.theirs-nothing
		t.Logf("%-41s  %8d  %8d  %5.1f", c.name, ours.Nanoseconds(), theirs.Nanoseconds(), float64(theirs)/float64(ours))
	}
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
	t.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.XDP, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, xdpDrop), asm.Return()},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
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
