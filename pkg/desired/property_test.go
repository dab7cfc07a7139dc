package desired_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/desired"
	"github.com/lvsd/lvsd/pkg/health"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/override"
)

// random makes a service of three servers and what is known of them.
func random(r *rand.Rand) (config.Virtual, desired.Input) {
	v := web()
	for i := range v.Real {
		v.Real[i].Weight = int32(r.IntN(4))
	}
	v.Quiescent = r.IntN(2) == 0
	if r.IntN(3) == 0 {
		v.Fallback = nil
	}
	if r.IntN(2) == 0 {
		v.Quorum.Weight = r.Int64N(8)
		v.Quorum.Hysteresis = r.Int64N(v.Quorum.Weight + 1)
	}
	if r.IntN(2) == 0 {
		v.MinAvailable = r.IntN(101)
	}
	if r.IntN(2) == 0 {
		v.SlowStart = 30 * time.Second
	}
	if r.IntN(4) == 0 {
		off(r.IntN(3))(&v)
	}
	kernel := make([]int32, 3+len(v.Fallback))
	for i := range kernel {
		kernel[i] = r.Int32N(6) - 1
	}
	states := make([]byte, 3)
	for i := range states {
		states[i] = "ud?"[r.IntN(3)]
	}
	in := input(v, string(states), kernel...)
	for key, s := range in.Health.Snapshot {
		s.Since = start.Add(-time.Duration(r.Int64N(int64(time.Minute))))
		in.Health.Snapshot[key] = s
	}
	for i := range v.Real {
		if r.IntN(4) == 0 {
			in.Overrides = in.Overrides.With(randomOverride(r, v.Real[i]))
		}
	}
	return v, in
}

func randomOverride(r *rand.Rand, real config.Real) override.Override {
	o := override.Override{Target: override.Everywhere(real.Address.String()), Weight: r.Int32N(4)}
	if o.Weight == 0 && r.IntN(2) == 0 {
		o.Removed = start
	}
	return o
}

// What must be true of every desired state, whatever is asked and known.
func TestProperties(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for range 20000 {
		v, in := random(r)
		c := &config.Config{Virtual: []config.Virtual{v}}
		key := v.Keys[0]
		verdict := desired.Judge(c, in)
		state := desired.Build(c, in)
		serving := func(s lvs.Server) bool { return s.Weight > 0 }
		if len(v.Fallback) > 0 && !slices.ContainsFunc(state.Services[key].Servers, serving) {
			t.Fatalf("nobody serves, though there is a fallback: %v %v", v, in)
		}
		for _, real := range v.Real {
			holds(t, v, real, in, verdict)
		}

		// A second round finds nothing to do.
		next := in
		next.Known, next.Health.Lost = state.Services, verdict.Lost()
		if diff := cmp.Diff(weights(state, key), weights(desired.Build(c, next), key)); diff != "" {
			t.Fatalf("a second round differs (-first +second):\n%s\n%+v\n%+v", diff, v, in)
		}

		// A new daemon, which knows nothing yet, changes nothing.
		restarted := in
		restarted.Known, restarted.Health.Lost = state.Services, nil
		restarted.Health.Snapshot = input(v, "???").Health.Snapshot
		if diff := cmp.Diff(weights(state, key), weights(desired.Build(c, restarted), key)); diff != "" {
			t.Fatalf("a restart shows (-before +after):\n%s\n%+v\n%+v", diff, v, in)
		}
	}
}

func holds(t *testing.T, v config.Virtual, real config.Real, in desired.Input, verdict desired.Verdict) {
	t.Helper()
	id := desired.ServerKey{Service: v.Keys[0], Server: real.Server(v.Keys[0]).Key}
	s, service := verdict.Servers[id], verdict.Services[v.Keys[0]]
	known := slices.ContainsFunc(in.Known[v.Keys[0]].Servers, func(k lvs.Server) bool { return k.Key == id.Server })
	o, overridden := in.Overrides.Index().On(v.Name, real.Name, real.Address)
	removed := overridden && !o.Removed.IsZero()
	switch {
	case overridden && s.Weight > max(o.Weight, kernelWeight(in, id)):
		t.Fatalf("%s has weight %d, the operator said %d", id.Server, s.Weight, o.Weight)
	case overridden && o.Drains() && (s.Weight > 0 || removed && s.Present):
		t.Fatalf("%s is drained, and there with weight %d", id.Server, s.Weight)
	case s.Weight > 0 && real.Weight == 0 && !overridden:
		t.Fatalf("%s serves with weight %d of 0", id.Server, s.Weight)
	case s.Weight > 0 && !s.Present:
		t.Fatalf("%s has weight %d and is not there", id.Server, s.Weight)
	case s.State == health.Unknown && !known && s.Weight > 0:
		t.Fatalf("%s is new and unknown, and serves", id.Server)
	case s.State == health.Down && s.Weight > 0 && !service.Ignoring && !known:
		t.Fatalf("%s is down, and serves", id.Server)
	case s.State == health.Down && s.Weight > 0 && !service.Ignoring && v.MinAvailable == 0:
		t.Fatalf("%s is down, and serves", id.Server)
	case v.Quiescent && !s.Present && !removed:
		t.Fatalf("%s is gone, though the service is quiescent", id.Server)
	}
}

func kernelWeight(in desired.Input, id desired.ServerKey) int32 {
	for _, s := range in.Known[id.Service].Servers {
		if s.Key == id.Server {
			return s.Weight
		}
	}
	return 0
}

// More servers that are up never give a service less weight, as long as every
// failure is believed.
func TestMonotone(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for range 5000 {
		v, in := random(r)
		v.MinAvailable = 0
		c := &config.Config{Virtual: []config.Virtual{v}}
		before := desired.Judge(c, in)
		for key, s := range in.Health.Snapshot {
			if s.State != health.Down {
				continue
			}
			s.State, s.Since = health.Up, start.Add(-time.Hour)
			in.Health.Snapshot[key] = s
			break
		}
		after := desired.Judge(c, in)
		for id, s := range before.Servers {
			if after.Servers[id].Weight < s.Weight {
				t.Fatalf("%s had %d, and %d when another came up: %+v %+v", id.Server, s.Weight, after.Servers[id].Weight, v, in)
			}
		}
	}
}
