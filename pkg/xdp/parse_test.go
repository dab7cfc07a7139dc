package xdp

import (
	"encoding/binary"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/xdp/xdptest"
)

// FuzzParseSample: what the kernel gives is taken apart without panic, and a head
// is never longer than what came.
func FuzzParseSample(f *testing.F) {
	f.Add(make([]byte, sampleSize))
	f.Add(make([]byte, sampleSize-1))
	long := make([]byte, sampleSize)
	binary.NativeEndian.PutUint16(long[sampleHeadLen:], 129)
	f.Add(long)
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := parseSample(b)
		if err == nil && (len(b) < sampleSize || len(r.Head) > 128) {
			t.Errorf("%d bytes gave a head of %d", len(b), len(r.Head))
		}
	})
}

// FuzzParseLink: so are the attributes of an interface.
func FuzzParseLink(f *testing.F) {
	f.Add(attribute(unix.IFLA_XDP_ATTACHED, 2))
	f.Add([]byte{3, 0, 2, 0})
	f.Add([]byte{255, 255, 2, 0, 1})
	f.Fuzz(func(_ *testing.T, b []byte) {
		parseLink([]syscall.NetlinkRouteAttr{{Attr: syscall.RtAttr{Type: unix.IFLA_XDP}, Value: b}})
	})
}

// FuzzJudge: the rules in Go take any frame, and say the same twice.
func FuzzJudge(f *testing.F) {
	g := xdptest.New()
	for _, c := range []lvs.GuardChange{
		addVIP(vip4, lvs.GuardVIP{Ports: ports(web)}), addVIP(vip6, lvs.GuardVIP{Shared: true, Ports: ports(lvs.GuardPort{Protocol: lvs.TCP})}),
	} {
		if err := g.Apply(c); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(syn4().bytes())
	f.Add(with(syn6(), func(f *frame) { f.extensions = []extension{optionsHeader(0, 0), fragmentHeader(1)} }).bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		if first, second := g.Test(b, 0), g.Test(b, 0); first != second {
			t.Errorf("%s, then %s", first, second)
		}
	})
}

func attribute(kind uint16, value ...byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(value)))
	b = append(binary.NativeEndian.AppendUint16(b, kind), value...)
	return append(b, make([]byte, -len(b)&3)...)
}

func TestParseLink(t *testing.T) {
	id := binary.NativeEndian.AppendUint32(nil, 4711)
	tests := []struct {
		name  string
		value []byte
		want  attached
	}{
		{"nothing attached", attribute(unix.IFLA_XDP_ATTACHED, 0), attached{name: "eth0"}},
		{"driver", append(attribute(unix.IFLA_XDP_ATTACHED, 1), attribute(unix.IFLA_XDP_PROG_ID, id...)...), attached{"eth0", lvs.GuardDriver, 4711}},
		{"generic", append(attribute(unix.IFLA_XDP_PROG_ID, id...), attribute(unix.IFLA_XDP_ATTACHED, 2)...), attached{"eth0", lvs.GuardGeneric, 4711}},
		{"cut", append(attribute(unix.IFLA_XDP_ATTACHED, 2), 9, 0, 1), attached{name: "eth0", mode: lvs.GuardGeneric}},
		{"longer than it is", []byte{9, 0, 2, 0, 1, 0, 0, 0}, attached{name: "eth0"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			kind := uint16(unix.IFLA_XDP | unix.NLA_F_NESTED)
			got := parseLink([]syscall.NetlinkRouteAttr{{Attr: syscall.RtAttr{Type: unix.IFLA_IFNAME}, Value: []byte("eth0\x00")}, {Attr: syscall.RtAttr{Type: kind}, Value: tt.value}})
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(attached{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
