package daemon

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/track"
)

// tracking looks after what the instances of a router depend on.
type tracking struct {
	stop context.CancelFunc
	done sync.WaitGroup
}

// track begins to look after what these instances depend on. The priority and
// the fault of each follow. The caller holds mu.
func (r *roles) track(router *member, instances []config.VRRP) *tracking {
	ctx, stop := context.WithCancel(context.Background())
	t, last := &tracking{stop: stop}, r.drained || r.late
	for _, v := range instances {
		if !slices.Contains(router.names, v.Name) {
			continue
		}
		if len(v.Track) == 0 {
			router.SetFault(v.Name, "") // what an earlier configuration tracked may have left one
			continue
		}
		var mu sync.Mutex
		states := make([]track.State, len(v.Track))
		for i, spec := range v.Track {
			tracker := track.New(spec, r.quorum)
			t.done.Go(func() {
				tracker.Run(ctx, func(s track.State) {
					mu.Lock()
					defer mu.Unlock()
					r.log.Info("VRRP tracks", "vrrp", v.Name, "track", spec.Name, "up", s.Up, "number", s.Number, "why", s.Why, "repair", s.Repair)
					states[i] = s
					if e, known := track.Sum(v.Track, states); known {
						router.SetPriority(v.Name, priority(v, e.Change, last))
						router.SetFault(v.Name, e.Fault)
					}
				})
			})
		}
	}
	return t
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
