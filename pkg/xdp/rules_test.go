package xdp

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/lvsd/lvsd/pkg/lvs"
)

const (
	vip4, vip6       = "192.0.2.1", "2001:db8::1"
	shared4          = "192.0.2.2"
	every4           = "192.0.2.3"
	client4, client6 = "198.51.100.7", "2001:db8:7::7"
	protoGRE         = 47
)

var (
	web = lvs.GuardPort{Protocol: lvs.TCP, Port: 80}
	dns = lvs.GuardPort{Protocol: lvs.UDP, Port: 53}
	sig = lvs.GuardPort{Protocol: lvs.SCTP, Port: 2905}
)

// ruled is a guard with something of everything.
func ruled(t testing.TB) *Guard {
	g := newGuard(t)
	apply(t, g,
		lvs.GuardSet{Settings: lvs.GuardSettings{Enforce: true}},
		addVIP(vip4, lvs.GuardVIP{Ports: ports(web, dns, sig)}),
		addVIP(vip6, lvs.GuardVIP{Ports: ports(web, dns, sig)}),
		addVIP(shared4, lvs.GuardVIP{Shared: true, Ports: ports(web)}),
		addVIP(every4, lvs.GuardVIP{Ports: ports(lvs.GuardPort{})}),
		lvs.GuardPrefixes{List: lvs.AllowList, Prefixes: prefixes("10.1.0.0/16", "2001:db9:a::/48")},
		lvs.GuardPrefixes{List: lvs.BlockList, Prefixes: prefixes("10.0.0.0/8", "203.0.113.9/32", "2001:db9::/32", "2001:db8:b::1/128")},
	)
	return g
}

// syn4 and its like are good packets to begin with.
func syn4() frame {
	return frame{source: client4, target: vip4, protocol: 6, payload: tcpHeader(40000, 80, flagSYN)}
}

func syn6() frame {
	return frame{source: client6, target: vip6, protocol: 6, payload: tcpHeader(40000, 80, flagSYN)}
}

func with(f frame, change func(*frame)) frame {
	change(&f)
	return f
}

func from(f frame, source string) frame {
	f.source = source
	return f
}

func carrying(f frame, protocol uint8, payload []byte) frame {
	f.protocol, f.payload = protocol, payload
	return f
}

func segment(f frame, source, target uint16, flags uint8) frame {
	return carrying(f, 6, tcpHeader(source, target, flags))
}

func errorAbout(f frame, kind uint8, inner frame) frame {
	protocol := uint8(1)
	if f.target == vip6 {
		protocol = 58
	}
	return carrying(f, protocol, icmpHeader(kind, packetIn(inner)))
}

func TestRules(t *testing.T) {
	sent4 := frame{source: vip4, target: client4, protocol: 6, payload: tcpHeader(80, 40000, flagACK)}
	sent6 := frame{source: vip6, target: client6, protocol: 6, payload: tcpHeader(80, 40000, flagACK)}
	const (
		passed      = lvs.GuardPassed
		badHeader   = lvs.GuardBadHeader
		badFragment = lvs.GuardBadFragment
		badSource   = lvs.GuardBadSource
	)
	tests := []struct {
		name string
		f    frame
		want lvs.GuardReason
	}{
		{"syn", syn4(), passed},
		{"syn, ipv6", syn6(), passed},
		{"datagram", carrying(syn4(), 17, udpHeader(40000, 53, 20)), passed},
		{"sctp", carrying(syn6(), 132, sctpHeader(40000, 2905)), passed},
		{"to another address", with(syn4(), func(f *frame) { f.target = "192.0.2.99" }), lvs.GuardNotVIP},
		{"to another address, ipv6", with(syn6(), func(f *frame) { f.target = "2001:db8::99" }), lvs.GuardNotVIP},
		{"to a VIP as an IPv4-mapped address", with(syn6(), func(f *frame) { f.target = "::ffff:" + vip4 }), lvs.GuardNotVIP},
		{"vrrp", frame{source: client4, target: "224.0.0.18", protocol: 112, payload: make([]byte, 20)}, lvs.GuardNotVIP},

		{"vlan", with(syn4(), func(f *frame) { f.tags = []uint16{0x8100} }), passed},
		{"vlan, port closed", with(segment(syn4(), 1, 81, flagSYN), func(f *frame) { f.tags = []uint16{0x8100} }), lvs.GuardUndeclared},
		{"qinq, port closed", with(segment(syn6(), 1, 81, flagSYN), func(f *frame) { f.tags = []uint16{0x88a8, 0x8100} }), lvs.GuardUndeclared},
		{"three tags", with(segment(syn4(), 1, 81, flagSYN), func(f *frame) { f.tags = []uint16{0x88a8, 0x8100, 0x8100} }), lvs.GuardNotVIP},
		{"options", with(syn4(), func(f *frame) { f.options = 10 }), passed},
		{"options, port closed", with(segment(syn4(), 1, 81, flagSYN), func(f *frame) { f.options = 3 }), lvs.GuardUndeclared},
		{"extension headers", with(syn6(), func(f *frame) { f.extensions = []extension{optionsHeader(0, 0), optionsHeader(60, 3)} }), passed},
		{"extension headers, port closed", with(segment(syn6(), 1, 81, flagSYN), func(f *frame) {
			f.extensions = []extension{optionsHeader(0, 1), optionsHeader(60, 0), optionsHeader(135, 0), optionsHeader(139, 0), optionsHeader(140, 2)}
		}), lvs.GuardUndeclared},
		{"authentication header, port closed", with(segment(syn6(), 1, 81, flagSYN), func(f *frame) {
			f.extensions = []extension{{51, append([]byte{4}, make([]byte, 22)...)}}
		}), lvs.GuardUndeclared},
		{"eight extension headers", with(syn6(), func(f *frame) { f.extensions = slicesOf(8, optionsHeader(60, 0)) }), passed},
		{"nine extension headers", with(syn6(), func(f *frame) { f.extensions = slicesOf(9, optionsHeader(60, 0)) }), badHeader},
		{"extensions of more than 2 kB", with(syn6(), func(f *frame) { f.extensions = []extension{optionsHeader(60, 255)} }), badHeader},
		{"extension longer than the packet", with(syn6(), func(f *frame) { f.extensions = []extension{{60, append([]byte{9}, make([]byte, 6)...)}} }), badHeader},
		{"routing header", with(syn6(), func(f *frame) { f.extensions = []extension{{43, []byte{0, 4, 0, 0, 0, 0, 0}}} }), passed},
		{"routing header of type 0", with(syn6(), func(f *frame) { f.extensions = []extension{{43, []byte{0, 0, 0, 0, 0, 0, 0}}} }), badHeader},
		{"no next header", carrying(syn6(), 59, nil), passed},

		{"allowed", from(segment(syn4(), 1, 81, flagSYN), "10.1.2.3"), lvs.GuardAllowed},
		{"allowed, ipv6", from(segment(syn6(), 1, 81, flagSYN), "2001:db9:a::5"), lvs.GuardAllowed},
		{"blocked", from(syn4(), "10.2.2.3"), lvs.GuardBlocked},
		{"blocked, one address", from(syn4(), "203.0.113.9"), lvs.GuardBlocked},
		{"beside a blocked address", from(syn4(), "203.0.113.8"), passed},
		{"blocked, ipv6", from(syn6(), "2001:db8:b::1"), lvs.GuardBlocked},
		{"blocked sender of rubbish", with(from(syn4(), "10.2.2.3"), func(f *frame) { f.cutTotal = 30 }), lvs.GuardBlocked},

		{"total length below the header's", with(syn4(), func(f *frame) { f.cutTotal = 21 }), badHeader},
		{"total length above the frame's", with(syn4(), func(f *frame) { f.cutTotal = -1 }), badHeader},
		{"total length of the kernel's own big packets", with(syn4(), func(f *frame) { f.cutTotal = 40 }), passed},
		{"payload above the frame's", with(syn6(), func(f *frame) { f.cutTotal = -1 }), badHeader},
		{"padding behind the packet", carrying(syn4(), 6, append(tcpHeader(1, 80, flagSYN), make([]byte, 6)...)), passed},
		{"tcp header beyond the packet", with(carrying(syn4(), 6, append(tcpHeader(1, 80, flagSYN), 0)), func(f *frame) { f.cutTotal = 2 }), badHeader},
		{"tcp header too short", carrying(syn4(), 6, edit(tcpHeader(1, 80, flagSYN), 12, 0x40)), badHeader},
		{"tcp options beyond the packet", carrying(syn4(), 6, edit(tcpHeader(1, 80, flagSYN), 12, 0x60)), badHeader},
		{"udp length too small", carrying(syn4(), 17, edit(udpHeader(1, 53, 4), 5, 7)), badHeader},
		{"udp length too large", carrying(syn4(), 17, edit(udpHeader(1, 53, 4), 5, 13)), badHeader},
		{"udp length 0", carrying(syn4(), 17, edit(udpHeader(1, 53, 4), 5, 0)), badHeader},
		{"udp jumbogram", carrying(syn6(), 17, edit(udpHeader(1, 53, 4), 5, 0)), passed},
		{"sctp cut", carrying(syn4(), 132, sctpHeader(1, 2905)[:11]), badHeader},

		{"syn and fin", segment(syn4(), 1, 80, flagSYN|flagFIN), lvs.GuardBadFlags},
		{"syn and rst", segment(syn6(), 1, 80, flagSYN|flagRST), lvs.GuardBadFlags},
		{"no flags", segment(syn4(), 1, 80, 0), lvs.GuardBadFlags},
		{"no flags but those of ecn", segment(syn4(), 1, 80, 0xc0), lvs.GuardBadFlags},
		{"syn with ecn", segment(syn4(), 1, 80, flagSYN|0xc0), passed},
		{"fin", segment(syn4(), 1, 80, flagFIN|flagACK), passed},

		{"from a VIP", from(syn4(), shared4), badSource},
		{"from itself", from(syn6(), vip6), badSource},
		{"from this network", from(syn4(), "0.1.2.3"), badSource},
		{"from loopback", from(syn4(), "127.0.0.1"), badSource},
		{"from multicast", from(syn4(), "224.0.0.1"), badSource},
		{"from broadcast", from(syn4(), "255.255.255.255"), badSource},
		{"from class e", from(syn4(), "240.0.0.1"), passed},
		{"from nowhere, ipv6", from(syn6(), "::"), badSource},
		{"from loopback, ipv6", from(syn6(), "::1"), badSource},
		{"from multicast, ipv6", from(syn6(), "ff02::1"), badSource},
		{"from an IPv4-mapped address", from(syn6(), "::ffff:198.51.100.7"), badSource},
		{"from link-local", from(syn6(), "fe80::1"), passed},

		{"to port 0", segment(syn4(), 1, 0, flagSYN), lvs.GuardBadPort},
		{"from port 0", segment(syn4(), 0, 80, flagSYN), lvs.GuardBadPort},
		{"datagram from port 0", carrying(syn4(), 17, udpHeader(0, 53, 0)), passed},
		{"datagram to port 0", carrying(syn6(), 17, udpHeader(1, 0, 0)), lvs.GuardBadPort},
		{"sctp from port 0", carrying(syn4(), 132, sctpHeader(0, 2905)), lvs.GuardBadPort},

		{"port of another protocol", carrying(syn4(), 17, udpHeader(1, 80, 0)), lvs.GuardUndeclared},
		{"answer to a VIP that opens no connections", segment(syn4(), 443, 50000, flagACK), lvs.GuardUndeclared},
		{"answer to the host's connection", with(segment(syn4(), 443, 50000, flagSYN|flagACK), toShared), passed},
		{"datagram to the host", with(carrying(syn4(), 17, udpHeader(53, 50000, 9)), toShared), passed},
		{"syn to the host", with(segment(syn4(), 443, 50000, flagSYN), toShared), lvs.GuardUndeclared},
		{"answer to a port below 1024", with(segment(syn4(), 443, 1023, flagACK), toShared), lvs.GuardUndeclared},
		{"any port of a mark's service", with(segment(syn4(), 1, 4711, flagSYN), toEvery), passed},
		{"any protocol of a mark's service", with(carrying(syn4(), protoGRE, make([]byte, 4)), toEvery), passed},

		{"first fragment", with(syn4(), func(f *frame) { f.fragment = 0x2000 }), passed},
		{"first fragment, port closed", with(segment(syn4(), 1, 81, flagSYN), func(f *frame) { f.fragment = 0x2000 }), lvs.GuardUndeclared},
		{"first fragment of a large datagram", with(carrying(syn4(), 17, edit(udpHeader(1, 53, 16), 4, 4)), func(f *frame) { f.fragment = 0x2000 }), passed},
		{"first fragment without the whole header", with(carrying(syn4(), 6, tcpHeader(1, 80, flagSYN)[:16]), func(f *frame) { f.fragment = 0x2000 }), badFragment},
		{"later fragment", with(carrying(syn4(), 6, make([]byte, 16)), func(f *frame) { f.fragment = 0x2010 }), passed},
		{"last fragment", with(carrying(syn4(), 17, make([]byte, 3)), func(f *frame) { f.fragment = 0x0010 }), passed},
		{"later fragment over the flags", with(carrying(syn4(), 6, make([]byte, 16)), func(f *frame) { f.fragment = 0x0001 }), badFragment},
		{"fragment beyond the end", with(carrying(syn4(), 17, make([]byte, 16)), func(f *frame) { f.fragment = 0x1fff }), badFragment},
		{"do not fragment", with(syn4(), func(f *frame) { f.fragment = 0x4000 }), passed},
		{"first fragment, ipv6", with(segment(syn6(), 1, 81, flagSYN), func(f *frame) { f.extensions = []extension{fragmentHeader(1)} }), lvs.GuardUndeclared},
		{"first fragment without the whole header, ipv6", with(carrying(syn6(), 17, udpHeader(1, 53, 0)[:7]), func(f *frame) {
			f.extensions = []extension{fragmentHeader(1)}
		}), badFragment},
		{"later fragment, ipv6", with(carrying(syn6(), 60, make([]byte, 2)), func(f *frame) { f.extensions = []extension{fragmentHeader(0x0100)} }), passed},
		{"fragment beyond the end, ipv6", with(carrying(syn6(), 17, make([]byte, 16)), func(f *frame) { f.extensions = []extension{fragmentHeader(0xfff8)} }), badFragment},
		{"atomic fragment", with(carrying(syn6(), 17, udpHeader(1, 53, 0)[:7]), func(f *frame) { f.extensions = []extension{fragmentHeader(0)} }), badHeader},

		{"echo request", carrying(syn4(), 1, icmpHeader(8, nil)), passed},
		{"icmp cut", carrying(syn4(), 1, icmpHeader(8, nil)[:7]), badHeader},
		{"error about the VIP's packet", errorAbout(syn4(), 3, sent4), passed},
		{"error about a packet that it did not send", errorAbout(syn4(), 3, from(sent4, "192.0.2.99")), lvs.GuardStrayError},
		{"error about a port that is closed", errorAbout(syn4(), 11, segment(sent4, 81, 1, flagACK)), lvs.GuardStrayError},
		{"error about a later fragment", errorAbout(syn4(), 3, with(segment(sent4, 81, 1, flagACK), func(f *frame) { f.fragment = 9 })), passed},
		{"error about the host's connection", with(errorAbout(syn4(), 3, from(segment(sent4, 50000, 443, flagACK), shared4)), toShared), passed},
		{"error without a packet", carrying(syn4(), 1, icmpHeader(3, make([]byte, 19))), badHeader},
		{"error without ports", carrying(syn4(), 1, icmpHeader(3, packetIn(sent4)[:23])), badHeader},
		{"error, ipv6", errorAbout(syn6(), 2, sent6), passed},
		{"error about a packet that it did not send, ipv6", errorAbout(syn6(), 1, from(sent6, "2001:db8::99")), lvs.GuardStrayError},
		{"error about a port that is closed, ipv6", errorAbout(syn6(), 3, segment(sent6, 81, 1, flagACK)), lvs.GuardStrayError},
		{"echo request, ipv6", carrying(syn6(), 58, icmpHeader(128, nil)), passed},
		{"neighbour solicitation", with(carrying(from(syn6(), "fe80::1"), 58, icmpHeader(135, make([]byte, 16))), func(f *frame) { f.hops = 255 }), lvs.GuardNeighbour},
		{"neighbour solicitation from afar", carrying(from(syn6(), "fe80::1"), 58, icmpHeader(135, make([]byte, 16))), badHeader},
		{"icmp of the other family", carrying(syn6(), 1, []byte{8}), passed},
		{"ip in ip", carrying(syn4(), 4, packetIn(syn4())), passed},
		{"gre", carrying(syn4(), protoGRE, make([]byte, 4)), passed},
		{"esp", carrying(syn6(), 50, make([]byte, 8)), passed},
	}
	g := ruled(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := g.Test(tt.f.bytes())
			want := lvs.GuardVerdict{Reason: tt.want, Dropped: tt.want.Drops()}
			if err != nil || got != want {
				t.Errorf("got %s, %v, want %s", got, err, want)
			}
		})
	}
}

func toShared(f *frame) { f.target = shared4 }
func toEvery(f *frame)  { f.target = every4 }

func slicesOf(n int, e extension) []extension {
	all := make([]extension, n)
	for i := range all {
		all[i] = e
	}
	return all
}

func edit(b []byte, at int, value byte) []byte {
	b[at] = value
	return b
}

// TestTruncated cuts frames at every byte: none may be read beyond its end, and
// what cannot be decided passes.
func TestTruncated(t *testing.T) {
	g := ruled(t)
	frames := map[string]frame{
		"ipv4": with(syn4(), func(f *frame) { f.tags, f.options = []uint16{0x88a8, 0x8100}, 2 }),
		"ipv6": with(syn6(), func(f *frame) {
			f.extensions = []extension{optionsHeader(0, 1), {43, []byte{0, 4, 0, 0, 0, 0, 0}}, fragmentHeader(1)}
		}),
		"udp":     carrying(syn6(), 17, udpHeader(1, 53, 3)),
		"icmp":    errorAbout(syn4(), 3, frame{source: vip4, target: client4, protocol: 6, payload: tcpHeader(80, 1, flagACK)}),
		"icmp v6": errorAbout(syn6(), 1, frame{source: vip6, target: client6, protocol: 6, payload: tcpHeader(80, 1, flagACK)}),
	}
	for name, f := range frames {
		t.Run(name, func(t *testing.T) {
			whole := f.bytes()
			start := 14 + 4*len(f.tags)
			header := start + 20
			if f.target == vip6 {
				header = start + 40
			}
			for n := ethernetHeader; n < len(whole); n++ {
				want := lvs.GuardBadHeader // the IP header says that there is more
				if n < header {
					want = lvs.GuardNotVIP
				}
				if got, err := g.Test(whole[:n]); err != nil || got.Reason != want {
					t.Errorf("%d of %d bytes: got %s, %v, want %s", n, len(whole), got, err, want)
				}
				if n > header {
					checkShortened(t, g, whole[:n], start)
				}
			}
		})
	}
}

// checkShortened has the IP header say how much there is, so that what is cut
// is looked for in the transport's header.
func checkShortened(t *testing.T, g *Guard, cut []byte, start int) {
	t.Helper()
	b := append([]byte(nil), cut...)
	if b[start]>>4 == 4 {
		binary.BigEndian.PutUint16(b[start+2:], uint16(len(b)-start))
	} else {
		binary.BigEndian.PutUint16(b[start+4:], uint16(len(b)-start-40))
	}
	v, err := g.Test(b)
	if err != nil {
		t.Fatal(err)
	}
	switch v.Reason {
	case lvs.GuardPassed, lvs.GuardBadHeader, lvs.GuardBadFragment:
	default:
		t.Errorf("%d bytes: %s", len(b), v)
	}
}

// TestNotEnforced: what would be dropped passes.
func TestNotEnforced(t *testing.T) {
	g := ruled(t)
	apply(t, g, lvs.GuardSet{Settings: lvs.GuardSettings{Sample: 5}})
	got, err := g.Test(segment(syn4(), 1, 81, flagSYN).bytes())
	if want := (lvs.GuardVerdict{Reason: lvs.GuardUndeclared}); err != nil || got != want {
		t.Errorf("got %s, %v", got, err)
	}
	if _, err := g.Test(make([]byte, 13)); err == nil || err.Error() != fmt.Sprintf("test a frame: it has 13 bytes: expected at least %d", ethernetHeader) {
		t.Errorf("a frame too short: %v", err)
	}
}
