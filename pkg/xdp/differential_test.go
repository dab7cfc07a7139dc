package xdp

import (
	"encoding/hex"
	"math/rand/v2"
	"net/netip"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/xdp/xdptest"
)

// packetsEnv says how many random packets TestDifferential sends; without it as
// many as take a few seconds.
const packetsEnv = "LVSD_XDP_PACKETS"

// largestTest is what the kernel takes in a test run: a page less what it needs
// of it itself.
const largestTest = 3000

// TestDifferential holds the program against the same rules in Go: on random
// packets, each judged and then received, with buckets that fill and empty
// meanwhile, and with VIPs that change.
func TestDifferential(t *testing.T) {
	want, _ := strconv.Atoi(os.Getenv(packetsEnv))
	seed := uint64(time.Now().UnixNano())
	d := differ{random: rand.New(rand.NewPCG(seed, 1)), kernel: newGuard(t), model: xdptest.New()}
	d.setUp(t)
	begin := time.Now()
	n := 0
	for ; n < want || want == 0 && time.Since(begin) < 6*time.Second; n++ {
		if n%2000 == 0 {
			d.change(t)
		}
		if !d.step(t) {
			t.Fatalf("packet %d of seed %d", n, seed)
		}
	}
	d.compareCounters(t)
	t.Logf("%d packets, 0 differences, seed %d: %v", n, seed, d.reasons)
}

type differ struct {
	random  *rand.Rand
	kernel  *Guard
	model   *xdptest.Guard
	now     uint64 // nanoseconds after epoch
	reasons [lvs.GuardReasons]int
}

func (d *differ) apply(t *testing.T, c lvs.GuardChange) {
	t.Helper()
	apply(t, d.kernel, c)
	if err := d.model.Apply(c); err != nil {
		t.Fatal(err)
	}
}

func (d *differ) setUp(t *testing.T) {
	d.apply(t, lvs.GuardSet{Settings: lvs.GuardSettings{Enforce: true}})
}

// change makes the lists and the VIPs others: limits, ports, the answers of the
// host.
func (d *differ) change(t *testing.T) {
	d.apply(t, lvs.GuardPrefixes{List: lvs.AllowList, Prefixes: prefixes(
		pick(d, "10.1.0.0/16", "10.1.0.1/32"), pick(d, "2001:db9:a::/48", "2001:db8:8::1/128"), "198.51.100.9/32")})
	d.apply(t, lvs.GuardPrefixes{List: lvs.BlockList, Prefixes: prefixes(
		pick(d, "10.0.0.0/8", "198.51.100.7/32", "0.0.0.0/0"), "198.51.100.8/31", pick(d, "2001:db9::/32", "2001:db8:7::8/128", "fe80::/10"))})
	for _, addr := range randomVIPs {
		v := lvs.GuardVIP{Shared: d.chance(3), Limits: d.limits(), Ports: map[lvs.GuardPort]lvs.GuardLimits{}}
		for _, p := range []lvs.GuardPort{web, dns, sig, {Protocol: lvs.TCP}, {}} {
			if d.chance(2) && (p.Port != 0 || d.chance(3)) {
				v.Ports[p] = d.limits()
			}
		}
		c := addVIP(addr, v).(lvs.GuardVIPChange)
		c.Verb = pick(d, lvs.Set, lvs.Set, lvs.Delete)
		d.apply(t, c)
	}
}

// step judges a packet both ways, and has both receive it.
func (d *differ) step(t *testing.T) bool {
	b := d.frame()
	if d.chance(16) {
		d.now += d.random.Uint64N(200_000_000)
		d.kernel.at(t, d.now)
	}
	got, err := d.kernel.Test(b)
	want := d.model.Test(b, epoch+d.now)
	if err != nil || got != want {
		t.Errorf("got %s, %v, want %s:\n%s", got, err, want, hex.Dump(b))
		return false
	}
	verdict, err := d.kernel.objects.Guard.Run(&ebpf.RunOptions{Data: b})
	d.model.Receive(b, epoch+d.now)
	if err != nil || (verdict == xdpDrop) != want.Dropped {
		t.Errorf("received with %d, %v, want %s:\n%s", verdict, err, want, hex.Dump(b))
		return false
	}
	if want.Reason < lvs.GuardReasons {
		d.reasons[want.Reason]++
	}
	return true
}

func (d *differ) compareCounters(t *testing.T) {
	got, err := d.kernel.Counters()
	if err != nil {
		t.Fatal(err)
	}
	same := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	if diff := cmp.Diff(d.model.Counters(), got.Packets, same); diff != "" {
		t.Errorf("counters (-want +got):\n%s", diff)
	}
}

var (
	randomVIPs    = []string{vip4, shared4, vip6, "2001:db8::2"}
	randomSources = []string{
		client4, "198.51.100.8", "198.51.100.9", "10.1.0.1", "10.2.0.1", "192.0.2.200", "127.0.0.1", "0.0.0.1", "239.1.1.1", "255.255.255.255",
	}
	randomSources6 = []string{
		client6, "2001:db8:7::8", "2001:db8:8::1", "2001:db9::1", "2001:db9:a::1", "fe80::1", "::", "::1", "ff02::1", "::ffff:1.2.3.4",
	}
)

func (d *differ) chance(n int) bool { return d.random.IntN(n) == 0 }

func pick[T any](d *differ, list ...T) T { return list[d.random.IntN(len(list))] }

func (d *differ) limits() lvs.GuardLimits {
	return lvs.GuardLimits{SourceSYNs: d.rate(), SourcePackets: d.rate(), SYNs: d.rate(), Packets: d.rate(), Fragments: d.rate()}
}

func (d *differ) rate() lvs.Rate {
	if d.chance(2) {
		return lvs.Rate{}
	}
	return lvs.Rate{PerSecond: pick[uint32](d, 1, 3, 50, 999, 1_000_000_000), Burst: pick[uint32](d, 0, 1, 5, 300)}
}

// frame is one that is mostly good, then perhaps with bytes changed, then
// perhaps cut.
func (d *differ) frame() []byte {
	f := frame{target: pick(d, randomVIPs...), source: client4}
	sources := randomSources
	if netip.MustParseAddr(f.target).Is6() {
		sources = randomSources6
	}
	f.source = sources[0]
	if d.chance(3) {
		f.source = pick(d, append(sources, randomVIPs[0], randomVIPs[2])...)
		if netip.MustParseAddr(f.source).Is4() != netip.MustParseAddr(f.target).Is4() {
			f.source = sources[1]
		}
	}
	f.tags = pick(d, nil, nil, nil, []uint16{0x8100}, []uint16{0x88a8, 0x8100}, []uint16{0x8100, 0x8100, 0x8100})
	f.protocol, f.payload = d.transport(f)
	if d.chance(4) {
		f.options = d.random.IntN(11)
		f.fragment = pick[uint16](d, 0x2000, 0x4000, 0x2001, 0x0001, 0x00b9, 0x1fff)
		f.extensions = d.extensions()
		f.hops = pick[uint8](d, 1, 255)
	}
	if d.chance(16) {
		f.cutTotal = d.random.IntN(9) - 2
	}
	b := f.bytes()
	b = b[:min(len(b), largestTest)]
	for d.chance(4) {
		at := 12 + d.random.IntN(len(b)-12)
		b[at] = byte(d.random.IntN(256))
	}
	if d.chance(8) {
		b = b[:ethernetHeader+d.random.IntN(len(b)-ethernetHeader+1)]
	}
	return b
}

func (d *differ) port() uint16 {
	return pick[uint16](d, 80, 53, 2905, 80, 53, 0, 81, 1023, 1024, 40000)
}

func (d *differ) transport(f frame) (protocol uint8, payload []byte) {
	switch d.random.IntN(10) {
	case 0, 1, 2, 3:
		flags := pick[uint8](d, flagSYN, flagSYN, flagACK, flagSYN|flagACK, byte(d.random.IntN(256)))
		return 6, tcpHeader(d.port(), d.port(), flags)
	case 4, 5:
		return 17, udpHeader(d.port(), d.port(), d.random.IntN(20))
	case 6:
		return 132, sctpHeader(d.port(), d.port())
	case 7, 8:
		inner := frame{source: f.target, target: f.source, protocol: 6, payload: tcpHeader(d.port(), d.port(), flagACK)}
		if d.chance(4) {
			inner.source = f.source
		}
		return pick[uint8](d, 1, 58), icmpHeader(pick[uint8](d, 0, 1, 2, 3, 5, 8, 11, 128, 133, 135, 137, 138), packetIn(inner))
	}
	return byte(d.random.IntN(256)), make([]byte, d.random.IntN(40))
}

func (d *differ) extensions() []extension {
	var all []extension
	for d.chance(2) {
		switch d.random.IntN(4) {
		case 0:
			all = append(all, fragmentHeader(pick[uint16](d, 0, 1, 0x100, 0x101, 8, 0xfff8)))
		case 1:
			all = append(all, extension{43, []byte{0, byte(d.random.IntN(3)), 0, 0, 0, 0, 0}})
		case 2:
			all = append(all, extension{51, append([]byte{4}, make([]byte, 22)...)})
		default:
			all = append(all, optionsHeader(pick[uint8](d, 0, 60, 135, 139, 140), pick[uint8](d, 0, 1, 9, 120)))
		}
	}
	if d.chance(20) {
		all = slicesOf(7+d.random.IntN(4), optionsHeader(60, 0))
	}
	return all
}
