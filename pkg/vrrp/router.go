package vrrp

import (
	"context"
	"errors"
	"reflect"
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

// wire carries the adverts of an instance. The router's thread calls send,
// receive and files, none of which blocks.
type wire interface {
	// send sends an advert on every link that works.
	send(Advert)
	// receive takes what has come.
	receive(heard func(Heard), refused func(Reason))
	// files are the descriptors that become readable when something comes.
	files() []int
	// run opens the links, and tells whenever one begins to work (nil) or why it
	// does not, until the context ends.
	run(ctx context.Context, link func(name string, err error))
	// recheck is told when interfaces or addresses changed.
	recheck()
}

// waiter lets the router's thread sleep.
type waiter interface {
	// wait returns when a descriptor is readable, at a time (zero: never), or after
	// wake.
	wait(until time.Time, files []int)
	wake()
	close()
}

// ErrNotActive is the error of a hand-over without anything to hand over.
var ErrNotActive = errors.New("not active")

// Router runs instances that move together. It has a thread of its own, of the
// highest ordinary priority, which sleeps in the kernel until an advert is due
// or has come, and waits for nobody else: what it tells others it leaves where
// they find it.
type Router struct {
	instances []Instance // of the goroutine of Run, once that runs
	dial      func(Instance) wire
	waiter    waiter
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
	wire    wire
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
func NewRouter(instances []Instance, changed func()) (*Router, error) {
	p, err := newPoller()
	if err != nil {
		return nil, err
	}
	return newRouter(instances, changed, open, p), nil
}

func newRouter(instances []Instance, changed func(), dial func(Instance) wire, w waiter) *Router {
	r := &Router{
		dial:    dial,
		waiter:  w,
		changed: changed,
		inputs:  make(chan func(time.Time) []Output, 256),
		done:    make(chan struct{}),
		events:  make(chan Event, 256),
	}
	var settings []Settings
	r.instances = slices.Clone(instances)
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
	Hasten()
	for i := range r.members {
		r.connect(i)
	}
	defer r.disconnect()
	defer close(r.done)
	r.apply(r.each(time.Now(), (*Machine).Start))
	defer context.AfterFunc(ctx, func() {
		r.submit(func(now time.Time) []Output { return r.each(now, (*Machine).Shutdown) })
	})()
	for !r.group.Done() {
		r.waiter.wait(r.group.Deadline(), r.files())
		r.receive()
		r.obey()
		r.expire()
	}
}

// Hasten gives the calling goroutine a thread of its own, of the highest ordinary
// priority, for as long as the goroutine lives. The thread is not given back, so
// that its priority ends with it.
func Hasten() {
	runtime.LockOSThread()
	// Without the privilege it is a thread like others.
	_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), -20)
}

func (r *Router) files() []int {
	var all []int
	for _, m := range r.members {
		all = append(all, m.wire.files()...)
	}
	return all
}

// receive takes what has come. It does so before any timer is looked at: what
// has not been read yet is no silence.
func (r *Router) receive() {
	for i, m := range r.members {
		m.wire.receive(func(h Heard) { r.hear(i, h) }, m.refuse)
	}
}

func (r *Router) hear(i int, h Heard) {
	m := r.members[i]
	var refusal *Refusal
	if errors.As(r.instances[i].Verify(h.Advert), &refusal) {
		m.refuse(refusal.Reason)
		return
	}
	m.heard++
	now := time.Now()
	r.apply(r.group.One(now, i, func(m *Machine) Output { return m.Receive(now, h) }))
}

func (m *member) refuse(r Reason) { m.refused[r].Add(1) }

// obey does what others asked for.
func (r *Router) obey() {
	for {
		select {
		case input := <-r.inputs:
			r.apply(input(time.Now()))
		default:
			return
		}
	}
}

func (r *Router) expire() {
	now, deadline := time.Now(), r.group.Deadline()
	if deadline.IsZero() || deadline.After(now) {
		return
	}
	if late := int64(now.Sub(deadline)); late > r.late.Load() {
		r.late.Store(late)
	}
	r.apply(r.group.Expire(now))
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
	m.closed.Go(func() {
		wire.run(ctx, func(name string, err error) { r.link(i, wire, name, err) })
	})
}

func (r *Router) disconnect() {
	for _, m := range r.members {
		m.close()
		m.closed.Wait()
	}
	r.waiter.close()
}

// apply does what the machines want done: first what clients wait for, the adverts
// and then the addresses.
func (r *Router) apply(outs []Output) {
	for i, out := range outs {
		m, instance := r.members[i], &r.instances[i]
		for _, priority := range out.Adverts {
			m.wire.send(instance.Advert(priority))
			m.sent++
		}
	}
	if r.publish() {
		r.changed()
	}
	for i, out := range outs {
		for _, e := range out.Events {
			e.Instance = r.instances[i].Name
			select {
			case r.events <- e:
			default:
				r.lost.Add(1)
			}
		}
	}
}

// Events gives what people want to know. A router waits for no reader: events
// that find no room are lost.
func (r *Router) Events() <-chan Event { return r.events }

// submit gives the router's goroutine something to do.
func (r *Router) submit(input func(now time.Time) []Output) {
	select {
	case r.inputs <- input:
		r.waiter.wake()
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

// Update changes the settings of instances that have kept their names and their
// order, without a change of state.
func (r *Router) Update(instances []Instance) {
	r.submit(func(now time.Time) []Output {
		outs := make([]Output, len(instances))
		for i := range instances {
			relink := !reflect.DeepEqual(r.instances[i].Links, instances[i].Links) || r.instances[i].Family != instances[i].Family
			same := !relink && reflect.DeepEqual(r.instances[i], instances[i])
			r.instances[i] = instances[i]
			if relink {
				r.members[i].close()
				r.members[i].links = map[string]error{}
				r.connect(i)
			}
			if !same {
				outs[i] = r.group.Machine(i).Configure(now, instances[i].Settings)
			}
		}
		return outs
	})
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

// fault puts together why an instance cannot serve. The first link is that of
// the VIPs: without it the others are of no use.
func (r *Router) fault(now time.Time, i int) []Output {
	why := r.members[i].tracked
	if own := r.members[i].links[r.instances[i].Links[0].Interface]; why == "" && own != nil {
		why = own.Error()
	}
	return r.group.SetFault(now, i, why)
}

// Recheck looks at the links again: interfaces or addresses have changed.
func (r *Router) Recheck() {
	r.submit(func(time.Time) []Output {
		for _, m := range r.members {
			m.wire.recheck()
		}
		return nil
	})
}

// link is told whether a link works. A wire that has been replaced is not
// listened to.
func (r *Router) link(i int, w wire, name string, err error) {
	r.submit(func(now time.Time) []Output {
		m := r.members[i]
		if m.wire != w {
			return nil
		}
		m.links[name] = err
		return r.fault(now, i)
	})
}
