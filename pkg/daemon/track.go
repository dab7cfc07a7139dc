package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"sync"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/track"
)

// tracking looks after what the instances of a router depend on.
type tracking struct {
	log    *slog.Logger
	router *member
	specs  map[string][]track.Spec // by instance
	stop   context.CancelFunc
	done   sync.WaitGroup

	mu        sync.Mutex
	states    map[string][]track.State
	instances map[string]config.VRRP
	last      bool // the priority is that of the last resort, whatever is tracked
}

// track has what these instances depend on looked after. The priority and the fault
// of each follow. Trackers of the same things go on over a reload: what they know is
// still true, and it takes as many looks as before to change it. The caller holds mu.
func (r *roles) track(router *member) {
	specs, instances, last := map[string][]track.Spec{}, map[string]config.VRRP{}, r.drained || r.late
	for _, v := range r.instances {
		if slices.Contains(router.names, v.Name) {
			specs[v.Name], instances[v.Name] = v.Track, v
		}
	}
	if old := router.tracking; old != nil {
		if reflect.DeepEqual(old.specs, specs) {
			old.follow(instances, last)
			return
		}
		old.end()
	}
	ctx, stop := context.WithCancel(context.Background())
	t := &tracking{log: r.log, router: router, specs: specs, stop: stop, states: map[string][]track.State{}}
	for name, list := range specs {
		t.states[name] = make([]track.State, len(list))
	}
	t.follow(instances, last)
	for name, list := range specs {
		for i, spec := range list {
			tracker := track.New(spec, r.quorum)
			t.done.Go(func() { tracker.Run(ctx, func(s track.State) { t.note(name, i, s) }) })
		}
	}
	router.tracking = t
}

// follow takes other settings of the same instances.
func (t *tracking) follow(instances map[string]config.VRRP, last bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.instances, t.last = instances, last
	for name := range instances {
		t.apply(name)
	}
}

// note takes the state of one thing.
func (t *tracking) note(name string, i int, s track.State) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.log.Info("VRRP tracks", "vrrp", name, "track", t.specs[name][i].Name, "up", s.Up, "number", s.Number, "why", s.Why, "repair", s.Repair)
	t.states[name][i] = s
	t.apply(name)
}

// apply makes the instance as the states say, once all are known. The caller holds mu.
func (t *tracking) apply(name string) {
	if e, known := track.Sum(t.specs[name], t.states[name]); known {
		t.router.SetPriority(name, priority(t.instances[name], e.Change, t.last))
		t.router.SetFault(name, e.Fault)
	}
}

func (t *tracking) end() {
	t.stop()
	t.done.Wait()
}

// quorum tells why a virtual service has no quorum behind one of its keys.
func (d *Director) quorum(name string) error {
	d.mu.Lock()
	c := d.force.config
	d.mu.Unlock()
	verdict := d.judge.judged()
	for _, v := range c.Virtual {
		for _, key := range v.Keys {
			if v.Name == name && verdict.Services[key].Lost {
				return fmt.Errorf("virtual service %s has lost its quorum", key)
			}
		}
	}
	return nil
}

// always is the quorum where nobody knows of checks.
func always(string) error { return nil }
