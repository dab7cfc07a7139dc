package ipvs

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/ipvs/ipvstest"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// attributes gives what Apply sends for a change: the kernel answers with the
// same ones, and with statistics.
func attributes(c lvs.Change) []byte {
	var w buffer
	w.change(c)
	return w.b
}

func TestParse(t *testing.T) {
	for _, c := range ipvstest.Adds(ipvstest.Samples()) {
		if c.Server != nil {
			got, err := parseServer(attributes(c), c.Service.Key.Family(), nil)
			if err != nil || got != *c.Server {
				t.Errorf("%s: got %v, %v", c, got, err)
			}
			continue
		}
		want := lvs.Service{Key: c.Service.Key, Settings: c.Service.Settings}
		got, err := parseService(attributes(c), nil)
		if diff := cmp.Diff(want, got, comparing); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", c, err, diff)
		}
	}
}

func TestParseCutShort(t *testing.T) {
	changes := ipvstest.Adds([]lvs.Service{web})
	service, server := attributes(changes[0]), attributes(changes[1])
	for n := range len(service) {
		if got, err := parseService(service[:n], nil); err == nil {
			t.Errorf("service in %d of %d bytes: got %v", n, len(service), got)
		}
	}
	for n := range len(server) {
		if got, err := parseServer(server[:n], lvs.IPv4, nil); err == nil {
			t.Errorf("server in %d of %d bytes: got %v", n, len(server), got)
		}
	}
}

func TestParseShortValue(t *testing.T) {
	for typ := svcFamily; typ <= svcNetmask; typ++ {
		if typ == svcScheduler {
			continue
		}
		var w buffer
		at := w.begin(attrService)
		w.key(web.Key)
		w.uint8(typ, 1)
		w.end(at)
		if got, err := parseService(w.b, nil); !errors.Is(err, errTruncated) {
			t.Errorf("service with attribute %d of one byte: got %v, %v", typ, got, err)
		}
	}
	for _, typ := range []uint16{destAddress, destPort, destForwarding, destWeight, destUpper, destLower,
		destActive, destInactive, destPersistent, destStats, destFamily, destStats64, destTunnelPort, destTunnelFlags} {
		var w buffer
		at := w.begin(attrDest)
		w.server(web.Servers[0])
		w.uint8(typ, 1)
		w.end(at)
		if got, err := parseServer(w.b, lvs.IPv4, new(lvs.ServerStats)); !errors.Is(err, errTruncated) {
			t.Errorf("server with attribute %d of one byte: got %v, %v", typ, got, err)
		}
	}
}

// writeStats writes statistics that count from 1 on, times a factor.
func writeStats(w *buffer, parent uint16, wide bool, factor uint64) {
	at := w.begin(parent)
	for typ := statConnections; typ <= statByteOutRate; typ++ {
		value := uint64(typ) * factor
		if wide || typ == statBytesIn || typ == statBytesOut {
			w.bytes(typ, binary.NativeEndian.AppendUint64(nil, value))
		} else {
			w.uint32(typ, uint32(value))
		}
	}
	w.end(at)
}

func TestParseStats(t *testing.T) {
	for _, c := range []struct {
		name   string
		wide   bool
		factor uint64
	}{
		{"32 bits", false, 1},
		{"64 bits", true, 1 << 40},
	} {
		t.Run(c.name, func(t *testing.T) {
			var w buffer
			at := w.begin(attrService)
			w.key(web.Key)
			writeStats(&w, svcStats, false, 1)
			if c.wide {
				writeStats(&w, svcStats64, true, c.factor)
			}
			w.end(at)
			var got lvs.ServiceStats
			if _, err := parseService(w.b, &got); err != nil {
				t.Fatal(err)
			}
			f := c.factor
			want := lvs.ServiceStats{
				Counters: lvs.Counters{Connections: 1 * f, PacketsIn: 2 * f, PacketsOut: 3 * f, BytesIn: 4 * f, BytesOut: 5 * f},
				Rates:    lvs.Rates{Connections: 6 * f, PacketsIn: 7 * f, PacketsOut: 8 * f, BytesIn: 9 * f, BytesOut: 10 * f},
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestParseForeign has what the kernel holds but no configuration can ask for:
// it must differ from all that one can.
func TestParseForeign(t *testing.T) {
	raw := rawService{af: unix.AF_INET, mark: 1, flags: flagPersistent | flagHashed}
	if s, err := raw.service(); err != nil || s.Flags != flagPersistent || s.Persistence != 0 {
		t.Errorf("persistent for no time: got %+v, %v", s, err)
	}
	raw = rawService{af: unix.AF_INET, mark: 1, netmask: binary.NativeEndian.Uint32([]byte{255, 0, 255, 0})}
	if s, err := raw.service(); err != nil || s.Netmask != noPrefix {
		t.Errorf("netmask 255.0.255.0: got %+v, %v", s, err)
	}
	raw = rawService{af: unix.AF_UNIX, mark: 1}
	if s, err := raw.service(); err == nil {
		t.Errorf("family %d: got %+v", raw.af, s)
	}
}

func FuzzParseService(f *testing.F) {
	for _, c := range ipvstest.Adds(ipvstest.Samples()[:30]) {
		f.Add(attributes(c))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := parseService(b, new(lvs.ServiceStats))
		c := lvs.Change{Verb: lvs.Add, Service: s}
		if err != nil || check(c) != nil {
			return
		}
		again, err := parseService(attributes(c), nil)
		if diff := cmp.Diff(s, again, comparing); diff != "" || err != nil {
			t.Errorf("written and read again: %v (-first +second):\n%s", err, diff)
		}
	})
}

func FuzzParseServer(f *testing.F) {
	for _, c := range ipvstest.Adds(ipvstest.Samples()[:30]) {
		f.Add(attributes(c), c.Service.Key.Family() == lvs.IPv6)
	}
	f.Fuzz(func(t *testing.T, b []byte, six bool) {
		service := lvs.IPv4
		if six {
			service = lvs.IPv6
		}
		s, err := parseServer(b, service, new(lvs.ServerStats))
		if err != nil {
			return
		}
		again, err := parseServer(attributes(lvs.Change{Verb: lvs.Add, Service: web, Server: &s}), service, nil)
		if err != nil || s != again {
			t.Errorf("written and read again: %v, then %v, %v", s, again, err)
		}
	})
}

func FuzzAnswer(f *testing.F) {
	var w buffer
	w.endMessage(w.message(unix.NLMSG_ERROR, 0, 1, 0))
	w.endMessage(w.message(unix.NLMSG_DONE, unix.NLM_F_DUMP_INTR, 0, 0))
	f.Add(w.b)
	f.Fuzz(func(_ *testing.T, b []byte) {
		c := conn{}
		_, _ = c.dumped(b, func([]byte) error { return nil })
		answered(b, make([]error, 3), 1, 2)
	})
}
