package cli

import (
	"context"
	"fmt"
	"sync"

	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/override"
)

// spoken remembers the one order that it was given. It knows the real server web1 of
// the virtual service web.
type spoken struct {
	busy bool // a connection never ends

	mu    sync.Mutex
	order override.Override
	asked int // times since the order
}

func (s *spoken) Override(_ context.Context, o control.Order) (control.Ordered, error) {
	if o.Target != override.Self && (o.Target.Server != "web1" || o.Target.Virtual == "wbe") {
		return control.Ordered{}, fmt.Errorf("the configuration has no virtual service %s (did you mean %q?)", o.Target.Virtual, "web")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.order = override.Override{Target: o.Target, Weight: o.Weight, By: "root", Since: sample().Time, Reason: o.Reason, Remove: o.Remove}
	if o.Remove && o.Deadline > 0 {
		s.order.Deadline = s.order.Since.Add(o.Deadline)
	}
	s.asked = 0
	return control.Ordered{Changed: true, Override: s.order, Servers: []string{"web/web1"}}, nil
}

func (s *spoken) Enable(_ context.Context, t override.Target, _ string) (control.Ordered, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	done := control.Ordered{Changed: t == s.order.Target, Override: override.Override{Target: t}, Servers: []string{"web/web1"}}
	if !done.Changed && s.order.Target != (override.Target{}) {
		done.Others = []override.Override{s.order}
		return done, nil
	}
	s.order = override.Override{}
	return done, nil
}

// Drain has one connection the first time, and none after it.
func (s *spoken) Drain(context.Context, override.Target) (control.Drain, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	now := control.Drain{Override: s.order, Read: s.order.Since, Active: 1}
	if s.busy && s.order.Remove {
		now.Override.Removed = s.order.Deadline
	}
	if !s.busy && s.asked > 1 {
		now.Active, now.Empty = 0, true
		if s.order.Remove {
			now.Override.Removed = s.order.Since.Add(1)
		}
	}
	return now, nil
}
