package desired_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/desired"
	"github.com/lvsd/lvsd/pkg/override"
)

func drain(server string) override.Override {
	return override.Override{Target: override.Everywhere(server)}
}

func gone(server string) override.Override {
	o := drain(server)
	o.Remove, o.Removed = true, start
	return o
}

func setTo(server string, weight int32) override.Override {
	o := drain(server)
	o.Weight = weight
	return o
}

func TestOverrides(t *testing.T) {
	const a, b, c, f = "10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80", "127.0.0.1:80"
	const one, two, three = "10.0.0.1", "10.0.0.2", "10.0.0.3"
	zero := func(v *config.Virtual) { v.Real[0].Weight = 0 }
	tests := []struct {
		name    string
		virtual config.Virtual
		words   []override.Override
		states  string
		kernel  []int32
		want    map[string]int32
		lost    bool
	}{
		{"a drained one", web(), []override.Override{drain(one)}, "uuu", nil, map[string]int32{a: 0, b: 2, c: 3}, false},
		{"a drained one keeps its connections, also where failed ones are removed", web(removing),
			[]override.Override{drain(one)}, "uuu", nil, map[string]int32{a: 0, b: 2, c: 3}, false},
		{"a drained one that fails is removed as any other", web(removing),
			[]override.Override{drain(one)}, "duu", nil, map[string]int32{b: 2, c: 3}, false},
		{"a drained one that is removed", web(), []override.Override{gone(one)}, "uuu", []int32{0, 2, 3}, map[string]int32{b: 2, c: 3}, false},
		{"a drained one after a restart", web(), []override.Override{drain(one)}, "???", []int32{0, 2, 3}, map[string]int32{a: 0, b: 2, c: 3}, false},
		{"drained while the daemon was down", web(), []override.Override{drain(one)}, "???", []int32{1, 2, 3}, map[string]int32{a: 0, b: 2, c: 3}, false},
		{"taken back while nothing is known", web(), nil, "?uu", []int32{0, 2, 3}, map[string]int32{a: 0, b: 2, c: 3}, false},
		{"all are drained", web(), []override.Override{drain(one), drain(two), drain(three)}, "uuu", nil,
			map[string]int32{a: 0, b: 0, c: 0, f: 1}, false},
		{"all are drained and removed", web(), []override.Override{gone(one), gone(two), gone(three)}, "uuu", nil, map[string]int32{f: 1}, false},

		{"another weight", web(), []override.Override{setTo(one, 7)}, "uuu", nil, map[string]int32{a: 7, b: 2, c: 3}, false},
		{"another weight than 0", web(zero), []override.Override{setTo(one, 7)}, "uuu", nil, map[string]int32{a: 7, b: 2, c: 3}, false},
		{"a weight brings nobody up", web(), []override.Override{setTo(one, 7)}, "duu", nil, map[string]int32{a: 0, b: 2, c: 3}, false},
		{"a weight waits for the first success", web(), []override.Override{setTo(one, 7)}, "?uu", nil, map[string]int32{a: 0, b: 2, c: 3}, false},
		{"a weight after a restart", web(zero), []override.Override{setTo(one, 7)}, "???", []int32{7, 2, 3}, map[string]int32{a: 7, b: 2, c: 3}, false},

		{"a quorum counts drained servers that are up", web(quorum(6, 0)), []override.Override{drain(one)}, "uuu", nil,
			map[string]int32{a: 0, b: 2, c: 3}, false},
		{"also when nothing is known", web(quorum(6, 0)), []override.Override{drain(one)}, "???", []int32{0, 2, 3},
			map[string]int32{a: 0, b: 2, c: 3}, false},
		{"and not those that are down", web(quorum(6, 0)), []override.Override{drain(one)}, "duu", nil,
			map[string]int32{a: 0, b: 0, c: 0, f: 1}, true},
		{"a quorum is of the file's weights", web(quorum(7, 0)), []override.Override{setTo(one, 100)}, "uuu", nil,
			map[string]int32{a: 0, b: 0, c: 0, f: 1}, true},
		{"a drained server is no failure that makes others doubtful", web(minAvailable(50)), []override.Override{drain(one), drain(two)}, "ddu", nil,
			map[string]int32{a: 0, b: 0, c: 3}, false},
		{"a drained server stays out when failures are not believed", web(minAvailable(90)), []override.Override{drain(one)}, "ddu", nil,
			map[string]int32{a: 0, b: 2, c: 3}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			in := input(test.virtual, test.states, test.kernel...)
			for _, o := range test.words {
				in.Overrides = in.Overrides.With(o)
			}
			cfg := &config.Config{Virtual: []config.Virtual{test.virtual}}
			key := test.virtual.Keys[0]
			if diff := cmp.Diff(test.want, weights(desired.Build(cfg, in), key)); diff != "" {
				t.Errorf("weights (-want +got):\n%s", diff)
			}
			if lost := desired.Judge(cfg, in).Services[key].Lost; lost != test.lost {
				t.Errorf("quorum lost: %t, want %t", lost, test.lost)
			}
		})
	}
}

// An operator's weight is reached as slowly as the file's.
func TestSlowStartToAnOverride(t *testing.T) {
	v := web(slowStart)
	in := input(v, "uuu", 0, 2, 3)
	in.Overrides = override.Set{setTo("10.0.0.1", 30)}
	for key, s := range in.Health.Snapshot {
		s.Since = start.Add(-10 * time.Second)
		in.Health.Snapshot[key] = s
	}
	got := weights(desired.Build(&config.Config{Virtual: []config.Virtual{v}}, in), v.Keys[0])
	if w := got["10.0.0.1:80"]; w != 10 {
		t.Errorf("after a third of the time the weight is %d, want 10", w)
	}
}
