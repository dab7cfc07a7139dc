package vrrp

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// Instance is one virtual router as the operator wants it.
type Instance struct {
	Name string
	Settings
	Family lvs.Family // of the adverts
	Links  []Link     // on which adverts are sent and heard; silence on all of them is death
}

// Wire carries the adverts of an instance.
type Wire interface {
	// Send sends an advert on every link that works. It never blocks.
	Send(Advert)
	// Run receives until the context ends.
	Run(context.Context, Sink)
	// Recheck is told when interfaces or addresses changed. It never blocks.
	Recheck()
}

// Sink takes what a Wire receives.
type Sink interface {
	Heard(Heard)
	Refused(*Refusal)
	// Link tells that a link works (nil) or why it does not.
	Link(name string, err error)
}

// ErrNotActive is the error of a hand-over without anything to hand over.
var ErrNotActive = errors.New("not active")

// Router runs instances that move together. Its goroutine has a thread of its
// own, of the highest ordinary priority, and waits for nobody: what it tells
// others it leaves where they find it.
type Router struct {
	instances []Instance // of the goroutine of Run, once that runs
	dial      func(Instance) Wire
	changed   func()
	group     *Group
	members   []*member
	inputs    chan func(now time.Time) []Output
	done      chan struct{}
	events    chan Event
	lost      atomic.Uint64
	late      atomic.Int64
	statuses  atomic.Pointer[[]Status]
}

// member is what belongs to one instance of a router.
type member struct {
	wire    Wire
	close   context.CancelFunc
	closed  sync.WaitGroup
	links   map[string]error // by name; those that reported
	tracked string           // fault from outside
	sent    uint64
	heard   uint64
	refused [reasons]atomic.Uint64
}

// NewRouter gives a router for instances that move together. changed is called
// after every change of a role and must not block.
func NewRouter(instances []Instance, changed func()) *Router {
	return newRouter(instances, changed, open)
}

func newRouter(instances []Instance, changed func(), dial func(Instance) Wire) *Router {
	r := &Router{
		instances: instances,
		dial:      dial,
		changed:   changed,
		inputs:    make(chan func(time.Time) []Output, 256),
		done:      make(chan struct{}),
		events:    make(chan Event, 256),
	}
	var settings []Settings
	for _, i := range instances {
		settings = append(settings, i.Settings)
		r.members = append(r.members, &member{links: map[string]error{}})
	}
	r.group = NewGroup(settings...)
	r.publish()
	return r
}

// Run runs the instances. When the context ends an active instance hands over
// and serves until its successor does, or until nobody did within the dead
// time; then Run returns.
func (r *Router) Run(ctx context.Context) {
	// The thread is not given back, so that its priority ends with it.
	runtime.LockOSThread()
	// Without the privilege it is a thread like others.
	_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), -20)
	for i := range r.members {
		r.connect(i)
	}
	defer r.disconnect()
	defer close(r.done)
	r.apply(r.each(time.Now(), (*Machine).Start))
	timer := time.NewTimer(0)
	defer timer.Stop()
	stop := ctx.Done()
	for !r.group.Done() {
		deadline := r.group.Deadline()
		if deadline.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(time.Until(deadline))
		}
		select {
		case <-timer.C:
			r.expire(deadline)
		case input := <-r.inputs:
			r.apply(input(time.Now()))
		case <-stop:
			stop = nil
			r.apply(r.each(time.Now(), (*Machine).Shutdown))
		}
	}
}

func (r *Router) expire(deadline time.Time) {
	now := time.Now()
	if late := int64(now.Sub(deadline)); late > r.late.Load() {
		r.late.Store(late)
	}
	r.apply(r.each(now, (*Machine).Expire))
}

func (r *Router) each(now time.Time, input func(*Machine, time.Time) Output) []Output {
	return r.group.Each(now, func(m *Machine) Output { return input(m, now) })
}

func (r *Router) connect(i int) {
	m := r.members[i]
	m.wire = r.dial(r.instances[i])
	wire := m.wire
	ctx, cancel := context.WithCancel(context.Background())
	m.close = cancel
	m.closed.Go(func() { wire.Run(ctx, sink{r, i, wire}) })
}

func (r *Router) disconnect() {
	for _, m := range r.members {
		m.close()
		m.closed.Wait()
	}
}

// apply does what the machines want done.
func (r *Router) apply(outs []Output) {
	for i, out := range outs {
		m, instance := r.members[i], &r.instances[i]
		for _, priority := range out.Adverts {
			m.wire.Send(instance.Advert(priority))
			m.sent++
		}
		for _, e := range out.Events {
			e.Instance = instance.Name
			select {
			case r.events <- e:
			default:
				r.lost.Add(1)
			}
		}
	}
	if r.publish() {
		r.changed()
	}
}

// Events gives what people want to know. A router waits for no reader: events
// that find no room are lost.
func (r *Router) Events() <-chan Event { return r.events }

// submit gives the router's goroutine something to do.
func (r *Router) submit(input func(now time.Time) []Output) {
	select {
	case r.inputs <- input:
	case <-r.done:
	}
}

// Yield hands over by hand: the instances serve until others do. It is
// ErrNotActive if none is active.
func (r *Router) Yield(ctx context.Context) error {
	result := make(chan error, 1)
	r.submit(func(now time.Time) []Output {
		err := ErrNotActive
		for _, m := range r.group.machines {
			if m.state == Active {
				err = nil
			}
		}
		outs := r.each(now, (*Machine).Yield)
		result <- err
		return outs
	})
	select {
	case err := <-result:
		return err
	case <-r.done:
		return ErrNotActive
	case <-ctx.Done():
		return ctx.Err()
	}
}

// index finds an instance by name; it is -1 if there is none.
func (r *Router) index(name string) int {
	return slices.IndexFunc(r.instances, func(i Instance) bool { return i.Name == name })
}

// SetPriority changes the priority in force of an instance.
func (r *Router) SetPriority(name string, p uint8) {
	r.submit(func(time.Time) []Output {
		if i := r.index(name); i >= 0 {
			r.group.Machine(i).SetPriority(p)
		}
		return nil
	})
}

// SetFault faults an instance because of something outside, or ends that fault
// if why is "".
func (r *Router) SetFault(name, why string) {
	r.submit(func(now time.Time) []Output {
		i := r.index(name)
		if i < 0 {
			return nil
		}
		r.members[i].tracked = why
		return r.fault(now, i)
	})
}

// fault puts together why an instance cannot serve.
func (r *Router) fault(now time.Time, i int) []Output {
	m := r.members[i]
	why := m.tracked
	if why == "" && len(m.links) == len(r.instances[i].Links) {
		why = deaf(m.links)
	}
	return r.group.SetFault(now, i, why)
}

// deaf says why an instance hears nothing if no link works.
func deaf(links map[string]error) string {
	why := ""
	for _, err := range links {
		if err == nil {
			return ""
		}
		why = max(why, err.Error())
	}
	return why
}

// Recheck looks at the links again: interfaces or addresses have changed.
func (r *Router) Recheck() {
	r.submit(func(time.Time) []Output {
		for _, m := range r.members {
			m.wire.Recheck()
		}
		return nil
	})
}

// sink brings what a wire receives to the router's goroutine. A wire that has
// been replaced is not listened to.
type sink struct {
	router *Router
	i      int
	wire   Wire
}

func (s sink) Heard(h Heard) {
	s.router.submit(func(now time.Time) []Output {
		m := s.router.members[s.i]
		if err := s.router.instances[s.i].Verify(h.Advert); err != nil {
			s.refused(err)
			return nil
		}
		m.heard++
		return s.router.group.One(now, s.i, func(m *Machine) Output { return m.Receive(now, h) })
	})
}

func (s sink) refused(err error) {
	var refusal *Refusal
	if errors.As(err, &refusal) {
		s.Refused(refusal)
	}
}

func (s sink) Refused(r *Refusal) { s.router.members[s.i].refused[r.Reason].Add(1) }

func (s sink) Link(name string, err error) {
	s.router.submit(func(now time.Time) []Output {
		m := s.router.members[s.i]
		if m.wire != s.wire {
			return nil
		}
		m.links[name] = err
		return s.router.fault(now, s.i)
	})
}
