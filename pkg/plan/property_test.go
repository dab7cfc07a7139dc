package plan_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/plan"
)

// FuzzDiff holds, for random pairs of states: applying the plan gives the
// wanted state, a second plan is empty, no step leaves a service without a
// server of positive weight if both states have one, and what is neither wanted
// nor owned is untouched.
func FuzzDiff(f *testing.F) {
	for seed := range uint64(200) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		want, have, foreign := randomState(rnd), randomState(rnd), randomKey(rnd)
		delete(want.Services, foreign)
		owned := plan.Owned{
			Services:  keysOf(have.Services),
			Addresses: keysOf(have.Addresses),
		}
		delete(owned.Services, foreign)
		untouched, isForeign := have.Services[foreign]

		got := clone(have)
		for _, op := range plan.Diff(want, have, owned) {
			if err := simulate(&got, op); err != nil {
				t.Fatalf("%s: %v", op, err)
			}
			for key, service := range want.Services {
				if serves(service) && serves(have.Services[key]) && !serves(got.Services[key]) {
					t.Fatalf("after %q %s has no server of positive weight", op, key)
				}
			}
		}
		if again := plan.Diff(want, got, owned); len(again) > 0 {
			t.Fatalf("the second plan is not empty: %v", texts(again))
		}
		if isForeign && !slices.Equal(got.Services[foreign].Servers, untouched.Servers) {
			t.Fatalf("foreign %s changed", foreign)
		}
		for key := range want.Services {
			if !slices.Equal(got.Services[key].Servers, want.Services[key].Servers) {
				t.Fatalf("%s: got %v, want %v", key, got.Services[key].Servers, want.Services[key].Servers)
			}
		}
	})
}

func serves(s lvs.Service) bool {
	return plan.Serves(s, func(netip.AddrPort) bool { return true })
}

func randomKey(r *rand.Rand) lvs.ServiceKey {
	return lvs.AddrKey(lvs.TCP, netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(r.IntN(4))}), 80))
}

func randomState(r *rand.Rand) lvs.State {
	s := lvs.State{
		Services:  map[lvs.ServiceKey]lvs.Service{},
		Addresses: map[lvs.AddressKey]lvs.Address{},
		Rules:     map[lvs.Rule]int{},
	}
	for range r.IntN(4) {
		key := randomKey(r)
		s.Services[key] = lvs.Service{
			Key:      key,
			Settings: lvs.Settings{Scheduler: lvs.Schedulers[r.IntN(3)], Netmask: 32},
			Servers:  randomServers(r),
		}
	}
	for range r.IntN(3) {
		prefix := netip.PrefixFrom(randomKey(r).VIP.Addr(), 32)
		key := lvs.AddressKey{Interface: "eth0", Prefix: prefix}
		s.Addresses[key] = lvs.Address{AddressKey: key}
	}
	for range r.IntN(3) {
		chain := []string{"LVSD-POSTROUTING", "POSTROUTING"}[r.IntN(2)]
		s.Rules[lvs.Rule{Family: lvs.IPv4, Table: "nat", Chain: chain, Spec: fmt.Sprint(r.IntN(3))}] = 1
	}
	return s
}

func randomServers(r *rand.Rand) []lvs.Server {
	var servers []lvs.Server
	for i := range 5 {
		if r.IntN(2) == 0 {
			continue
		}
		servers = append(servers, lvs.Server{
			Key: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 80),
			ServerSettings: lvs.ServerSettings{
				Forwarding: []lvs.Forwarding{lvs.NAT, lvs.DR, lvs.TUN}[r.IntN(3)],
				Weight:     int32(r.IntN(3)),
			},
		})
	}
	return servers
}

func keysOf[K comparable, V any](m map[K]V) map[K]bool {
	keys := map[K]bool{}
	for k := range m {
		keys[k] = true
	}
	return keys
}

func clone(s lvs.State) lvs.State {
	c := lvs.State{
		Services:  map[lvs.ServiceKey]lvs.Service{},
		Addresses: map[lvs.AddressKey]lvs.Address{},
		Rules:     map[lvs.Rule]int{},
	}
	for k, v := range s.Services {
		v.Servers = slices.Clone(v.Servers)
		c.Services[k] = v
	}
	for k, v := range s.Addresses {
		c.Addresses[k] = v
	}
	for k, v := range s.Rules {
		c.Rules[k] = v
	}
	return c
}

// simulate does to a state what the kernel does.
func simulate(s *lvs.State, op plan.Op) error {
	switch op := op.(type) {
	case plan.Table:
		return simulateChange(s, op.Change)
	case plan.Address:
		if op.Verb == lvs.Add {
			s.Addresses[op.AddressKey] = op.Address
			return nil
		}
		delete(s.Addresses, op.AddressKey)
	case plan.Rule:
		if op.Verb == lvs.Add {
			s.Rules[op.Rule]++
			return nil
		}
		if s.Rules[op.Rule]--; s.Rules[op.Rule] <= 0 {
			delete(s.Rules, op.Rule)
		}
	default:
		return fmt.Errorf("unexpected %T", op)
	}
	return nil
}

func simulateChange(s *lvs.State, c lvs.Change) error {
	key := c.Service.Key
	service, ok := s.Services[key]
	if c.Server == nil {
		if ok == (c.Verb == lvs.Add) {
			return fmt.Errorf("the service's presence is %t", ok)
		}
		if c.Verb == lvs.Delete {
			delete(s.Services, key)
			return nil
		}
		service.Key, service.Settings = key, c.Service.Settings
		s.Services[key] = service
		return nil
	}
	i := slices.IndexFunc(service.Servers, func(r lvs.Server) bool { return r.Key == c.Server.Key })
	if !ok || (i < 0) != (c.Verb == lvs.Add) {
		return fmt.Errorf("service's presence is %t, the server's index %d", ok, i)
	}
	switch c.Verb {
	case lvs.Add:
		service.Servers = append(service.Servers, *c.Server)
		lvs.SortServers(service.Servers)
	case lvs.Set:
		service.Servers[i] = *c.Server
	case lvs.Delete:
		service.Servers = slices.Delete(service.Servers, i, i+1)
	}
	s.Services[key] = service
	return nil
}
