package override

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"
)

func TestTargetText(t *testing.T) {
	for _, text := range []string{"web/web1", "*/web1", "*/10.0.0.1", "*/2001:db8::1", "director"} {
		var target Target
		if err := target.UnmarshalText([]byte(text)); err != nil || target.String() != text {
			t.Errorf("%s: got %s, %v", text, target, err)
		}
	}
	for _, text := range []string{"", "web", "web/", "/web1", "/"} {
		if got, err := ParseTarget(text); err == nil {
			t.Errorf("%q: got %s, want an error", text, got)
		}
	}
}

func TestOn(t *testing.T) {
	address := netip.MustParseAddr("10.0.0.1")
	removed := Override{Target: Everywhere("10.0.0.1"), Removed: time.Unix(1, 0)}
	for _, test := range []struct {
		name string
		set  []Override
		want string // target; "" is none
	}{
		{"nothing", nil, ""},
		{"of another service", []Override{{Target: Of("mail", "web1")}}, ""},
		{"of another server", []Override{{Target: Of("web", "web2")}, {Target: Everywhere("10.0.0.2")}}, ""},
		{"of the director", []Override{{Target: Self}}, ""},
		{"by name everywhere", []Override{{Target: Everywhere("web1")}}, "*/web1"},
		{"by address everywhere", []Override{{Target: Everywhere("10.0.0.1")}}, "*/10.0.0.1"},
		{"the closer drain", []Override{{Target: Everywhere("web1")}, {Target: Of("web", "web1")}}, "web/web1"},
		{"the closer weight", []Override{{Target: Everywhere("web1"), Weight: 2}, {Target: Of("web", "web1"), Weight: 3}}, "web/web1"},
		{"a drain and not a weight", []Override{{Target: Everywhere("web1")}, {Target: Of("web", "web1"), Weight: 3}}, "*/web1"},
		{"what was removed", []Override{removed, {Target: Of("web", "web1")}}, "*/10.0.0.1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var set Set
			for _, o := range test.set {
				set = set.With(o)
			}
			got, ok := set.Index().On("web", "web1", address)
			if ok != (test.want != "") || ok && got.Target.String() != test.want {
				t.Errorf("got %s, %t, want %q", got.Target, ok, test.want)
			}
			for _, o := range test.set {
				set = set.Without(o.Target)
			}
			if len(set) != 0 {
				t.Errorf("left: %v", set)
			}
		})
	}
}

// A set that is in use does not change.
func TestSetsAreValues(t *testing.T) {
	one := Set(nil).With(Override{Target: Of("b", "x"), Weight: 1}).With(Override{Target: Of("a", "x")})
	before := slices.Clone(one)
	two := one.With(Override{Target: Of("b", "x"), Weight: 5})
	three := one.Without(Of("a", "x"))
	if !slices.Equal(one, before) {
		t.Errorf("it changed: %v", one)
	}
	if o, ok := two.Get(Of("b", "x")); len(two) != 2 || !ok || o.Weight != 5 {
		t.Errorf("got %v", two)
	}
	if _, ok := three.Get(Of("a", "x")); ok || len(three) != 1 {
		t.Errorf("got %v", three)
	}
}

func TestVerb(t *testing.T) {
	for want, o := range map[string]Override{
		"drained":             {},
		"weight 5":            {Weight: 5},
		"drained and removed": {Removed: time.Unix(1, 0)},
	} {
		if got := o.Verb(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// Whatever can be read as a target is written as it was.
func FuzzParseTarget(f *testing.F) {
	for _, text := range []string{"web/web1", "*/10.0.0.1", "director", "a/b/c", "*/", "/"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if target, err := ParseTarget(text); err == nil && target.String() != text {
			t.Errorf("%q became %q", text, target)
		}
	})
}

// The index says what a look at every override does.
func TestIndex(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	names, addresses := []string{"a", "b", "c"}, []string{"10.0.0.1", "10.0.0.2"}
	for range 2000 {
		var set Set
		for range r.IntN(5) {
			o := Override{Target: Of(names[r.IntN(3)], names[r.IntN(3)]), Weight: r.Int32N(2)}
			if r.IntN(2) == 0 {
				o.Target = Everywhere(append(names, addresses...)[r.IntN(5)])
			}
			if o.Weight == 0 && r.IntN(2) == 0 {
				o.Removed = time.Unix(1, 0)
			}
			set = set.With(o)
		}
		virtual, server, address := names[r.IntN(3)], names[r.IntN(3)], netip.MustParseAddr(addresses[r.IntN(2)])
		var want Override
		found := false
		for _, o := range set {
			if o.Target.Covers(virtual, server, address) && (!found || o.decides(want)) {
				want, found = o, true
			}
		}
		if got, ok := set.Index().On(virtual, server, address); ok != found || got != want {
			t.Fatalf("%s/%s %s in %v: got %v, want %v", virtual, server, address, set, got, want)
		}
	}
}
