package config

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// checkInvariants checks what every accepted Config holds, whatever the file.
func checkInvariants(t *testing.T, cfg *Config) {
	t.Helper()
	if !slices.IsSortedFunc(cfg.Virtual, func(a, b Virtual) int { return cmpString(a.Name, b.Name) }) {
		t.Error("virtual services are not sorted")
	}
	keys := map[lvs.ServiceKey]string{}
	for _, v := range cfg.Virtual {
		for _, k := range v.Keys {
			if old, twice := keys[k]; twice {
				t.Errorf("%s in %s and %s", k, old, v.Name)
			}
			keys[k] = v.Name
			checkService(t, v, k)
		}
		if len(v.Keys) == 0 || len(v.Real)+len(v.Fallback) == 0 {
			t.Errorf("%s has %d keys, %d servers and %d fallbacks", v.Name, len(v.Keys), len(v.Real), len(v.Fallback))
		}
		if !slices.IsSortedFunc(v.Real, func(a, b Real) int { return cmpString(a.Name, b.Name) }) {
			t.Errorf("%s: real servers are not sorted", v.Name)
		}
	}
	if d := cfg.Director; d.Resync < time.Second || d.StateDir == "" {
		t.Errorf("director %+v", d)
	}
}

func cmpString(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func checkService(t *testing.T, v Virtual, k lvs.ServiceKey) {
	t.Helper()
	if v.Netmask < 1 || int(v.Netmask) > k.Family().Bits() {
		t.Errorf("%s: netmask %d", k, v.Netmask)
	}
	if v.Persistence < 0 || v.Persistence > maxPersistence || v.Persistence%time.Second != 0 {
		t.Errorf("%s: persistence %s", k, v.Persistence)
	}
	if v.Persistence == 0 && (v.Engine != "" || int(v.Netmask) != k.Family().Bits()) {
		t.Errorf("%s: not persistent, with engine %q and netmask %d", k, v.Engine, v.Netmask)
	}
	if k.Mark == 0 && k.VIP.Port() == 0 && v.Persistence == 0 {
		t.Errorf("%s: port 0 without persistence", k)
	}
	if v.Flags&lvs.OnePacket != 0 && k.Mark == 0 && k.Protocol != lvs.UDP {
		t.Errorf("%s: one packet", k)
	}
	if !slices.Contains(lvs.Schedulers, v.Scheduler) {
		t.Errorf("%s: scheduler %q", k, v.Scheduler)
	}
	servers := map[netip.AddrPort]bool{}
	for _, r := range append(slices.Clone(v.Real), v.Fallback...) {
		s := r.Server(k)
		if servers[s.Key] {
			t.Errorf("%s: %s twice", k, s.Key)
		}
		servers[s.Key] = true
		checkServer(t, k, s)
	}
}

func checkServer(t *testing.T, k lvs.ServiceKey, s lvs.Server) {
	t.Helper()
	if s.Forwarding != lvs.NAT && s.Key.Port() != k.VIP.Port() {
		t.Errorf("%s: %s maps the port by %s", k, s.Key, s.Forwarding)
	}
	if s.Forwarding != lvs.TUN && (lvs.FamilyOf(s.Key.Addr()) != k.Family() || s.Tunnel != lvs.Tunnel{}) {
		t.Errorf("%s: %s by %s, tunnel %s", k, s.Key, s.Forwarding, s.Tunnel)
	}
	if (s.Tunnel.Type == lvs.GUE) != (s.Tunnel.Port != 0) {
		t.Errorf("%s: %s: tunnel %s", k, s.Key, s.Tunnel)
	}
	if s.Lower > s.Upper || s.Weight < 0 || s.Weight > maxWeight {
		t.Errorf("%s: %s: %s", k, s.Key, s.ServerSettings)
	}
}
