package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/netdev"
	"github.com/lvsd/lvsd/pkg/notify/notice"
	"github.com/lvsd/lvsd/pkg/status"
	"github.com/lvsd/lvsd/pkg/vrrp"
)

// roles are the director's parts in the VRRP instances: what the routers have
// elected, and what others have decided.
type roles struct {
	log     *slog.Logger
	devices neighbours
	changed *vrrp.Bell // rings when a role may have changed; set before anything starts
	quorum  func(virtual string) error
	tell    func(notice.Event)
	note    func(vrrp.Event)
	tasks   sync.WaitGroup
	resumed resumption

	mu        sync.Mutex
	started   bool
	ending    bool // the instances are given up: nothing begins any more
	stopped   bool
	drained   bool // the operator wants others to be active
	late      bool // others have connections that this director has not got yet
	instances []config.VRRP
	reloaded  chan struct{} // closed when others take the place of the instances
	routers   map[string]*member
	external  map[string]lvs.Role
	changes   map[string]uint64 // of the state of each instance, since the start
	disputes  map[string]*dispute
}

// neighbours are told where an address is, and listened to.
type neighbours interface {
	Announce(lvs.Address) error
	WatchClaims(ctx context.Context, device string, addrs []netip.Addr, tell func(netdev.Claim)) error
}

// member is a router at work: a group of instances, or one alone.
type member struct {
	*vrrp.Router
	names    []string
	tracking *tracking
	stop     context.CancelFunc
	done     chan struct{}
}

func newRoles(log *slog.Logger, devices neighbours, instances []config.VRRP) *roles {
	return &roles{
		log:       log,
		devices:   devices,
		quorum:    always,
		tell:      func(notice.Event) {},
		note:      func(vrrp.Event) {},
		instances: instances,
		reloaded:  make(chan struct{}),
		routers:   map[string]*member{},
		external:  map[string]lvs.Role{},
		changes:   map[string]uint64{},
		disputes:  map[string]*dispute{},
	}
}

// current are the roles by instance.
func (r *roles) current() map[string]lvs.Role {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := map[string]lvs.Role{}
	for _, v := range r.instances {
		if v.External {
			all[v.Name] = r.external[v.Name]
		}
		if r.stopped {
			all[v.Name] = lvs.Standby
		}
	}
	for _, router := range r.routers {
		for _, s := range router.Statuses() {
			all[s.Name] = s.Role
		}
	}
	return all
}

// follow calls readdress whenever a role may have changed, until the context
// ends. Clients wait for it as they do for the election.
func (r *roles) follow(ctx context.Context, readdress func(context.Context)) error {
	vrrp.Hasten()
	defer context.AfterFunc(ctx, r.changed.Ring)()
	for {
		r.changed.Wait()
		if ctx.Err() != nil {
			return nil
		}
		readdress(ctx)
	}
}

// start begins the elections: the services are complete.
func (r *roles) start() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.started = true
	r.reconfigure()
}

// set puts other instances in the place of those before.
func (r *roles) set(instances []config.VRRP) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.instances = instances
	close(r.reloaded)
	r.reloaded = make(chan struct{})
	r.reconfigure()
}

// reconfigure makes the routers as they should be now, between the start and the
// end of the elections. The caller holds mu.
func (r *roles) reconfigure() {
	if r.started && !r.ending {
		r.configure()
	}
}

// configure starts, changes and stops routers. The caller holds mu.
func (r *roles) configure() {
	groups := groups(r.instances, r.drained || r.late)
	if len(groups) > 0 {
		// Two more than there are processors: however many are busy with a large table,
		// the system then still shares the machine fairly with the routers, and with
		// whoever follows them.
		runtime.GOMAXPROCS(runtime.NumCPU() + 2)
	}
	for key, old := range r.routers {
		if !slices.Equal(old.names, names(groups[key])) {
			old.tracking.end()
			old.stop()
			delete(r.routers, key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(groups)) {
		if router := r.routers[key]; router != nil {
			router.Update(groups[key])
			r.track(router)
			continue
		}
		router, err := r.run(groups[key])
		if err != nil {
			r.log.Error("VRRP not started", "instances", names(groups[key]), "err", err)
			continue
		}
		r.track(router)
		r.routers[key] = router
	}
}

func (r *roles) run(instances []vrrp.Instance) (*member, error) {
	for i := range instances {
		instances[i].Resume = r.resumed.holds(instances[i].Name, instances[i].Interval)
	}
	router, err := vrrp.NewRouter(instances, r.changed.Ring)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	at := &member{Router: router, names: names(instances), stop: stop, done: make(chan struct{})}
	r.tasks.Go(func() {
		defer close(at.done)
		at.Run(ctx)
	})
	r.tasks.Go(func() { r.listen(at) })
	return at, nil
}

// stop ends the elections and waits until the successors serve, or until there
// are none. After it the director has no part in any instance.
func (r *roles) stop() {
	r.mu.Lock()
	r.ending = true
	for _, router := range r.routers {
		router.tracking.end()
		router.stop()
	}
	r.mu.Unlock()
	r.tasks.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped = true
	r.routers = map[string]*member{}
}

// recheck lets the routers look at their interfaces again.
func (r *roles) recheck() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, router := range r.routers {
		router.Recheck()
	}
}

// listen logs a router's events and tells the neighbours who is active.
func (r *roles) listen(router *member) {
	heralds := newHeralds(r, router)
	defer heralds.end()
	for {
		select {
		case <-router.done:
			for len(router.Events()) > 0 {
				r.report(<-router.Events())
			}
			return
		case e := <-router.Events():
			r.report(e)
			heralds.heed(e)
		}
	}
}

func (r *roles) report(e vrrp.Event) {
	level, text := slog.LevelWarn, "VRRP warning"
	args := []any{"vrrp", e.Instance}
	switch e.Kind {
	case vrrp.Changed:
		r.count(e.Instance)
		level, text = slog.LevelInfo, "VRRP state"
		args = append(args, "from", e.Old, "to", e.State)
	case vrrp.Rival: // a problem only if it goes on
		level = slog.LevelDebug
		fallthrough
	default:
		args = append(args, "kind", e.Kind)
	}
	if e.Source.IsValid() {
		args = append(args, "source", e.Source)
	}
	r.note(e)
	if told, ok := noticeOf(e, r.instance(e.Instance).Priority); ok {
		r.tell(told)
	}
	r.log.Log(context.Background(), level, text, append(args, "why", e.Why)...)
}

// count counts a change of an instance's state.
func (r *roles) count(instance string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changes[instance]++
}

// dispute is that about the VIPs of an instance.
func (r *roles) dispute(name string) *dispute {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.disputes[name] == nil {
		r.disputes[name] = &dispute{}
	}
	return r.disputes[name]
}

func (r *roles) instance(name string) config.VRRP {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, v := range r.instances {
		if v.Name == name {
			return v
		}
	}
	return config.VRRP{}
}

// failover hands an instance over by hand, or all in which the director is
// active if the name is "".
func (r *roles) failover(ctx context.Context, name string) error {
	r.mu.Lock()
	routers := slices.Collect(maps.Values(r.routers))
	r.mu.Unlock()
	err := fmt.Errorf("hand over: %w in any VRRP instance", vrrp.ErrNotActive)
	if name != "" {
		err = fmt.Errorf("hand over: no VRRP instance %s takes part in an election", name)
	}
	for _, router := range routers {
		if name != "" && !slices.Contains(router.names, name) {
			continue
		}
		yielded := router.Yield(ctx)
		if name != "" {
			return yielded
		}
		if yielded == nil {
			err = nil
		}
	}
	return err
}

// decide sets the role of external instances: of one, or of all if the name
// is "".
func (r *roles) decide(name string, role lvs.Role) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	found := false
	for _, v := range r.instances {
		if v.External && (name == "" || name == v.Name) {
			if r.external[v.Name] != role {
				r.changes[v.Name]++
			}
			r.external[v.Name], found = role, true
			r.log.Info("VRRP role decided elsewhere", "vrrp", v.Name, "role", role)
		}
	}
	if !found {
		return fmt.Errorf("set the role: no VRRP instance %s with role = \"external\"", name)
	}
	r.changed.Ring()
	return nil
}

// lastResort is the priority of a director that is drained or late: it is active
// only where nobody else lives.
const lastResort = 1

// priority is the one in force: the configured one, changed by what is tracked.
func priority(v config.VRRP, change int, last bool) uint8 {
	switch {
	case last:
		return lastResort
	case v.Priority == vrrp.Owner:
		return vrrp.Owner
	}
	return uint8(min(max(int(v.Priority)+change, 1), 254))
}

func names(instances []vrrp.Instance) []string {
	var all []string
	for _, i := range instances {
		all = append(all, i.Name)
	}
	return all
}

// groups are the instances that move together, by the group's name or their own.
func groups(all []config.VRRP, last bool) map[string][]vrrp.Instance {
	var vips []netip.Addr
	for _, v := range all {
		for _, a := range v.VIPs {
			vips = append(vips, a.Prefix.Addr())
		}
	}
	groups := map[string][]vrrp.Instance{}
	for _, v := range all {
		key := "group " + v.Group
		if v.Group == "" {
			key = "instance " + v.Name
		}
		if !v.External {
			groups[key] = append(groups[key], instance(v, vips, last))
		}
	}
	return groups
}

func instance(v config.VRRP, vips []netip.Addr, last bool) vrrp.Instance {
	i := vrrp.Instance{
		Name:   v.Name,
		Family: v.Family,
		Settings: vrrp.Settings{
			Version:      vrrp.Version(v.Version),
			VRID:         v.ID,
			Priority:     priority(v, 0, last),
			Interval:     v.Interval,
			Preempt:      v.Preempt,
			PreemptDelay: v.PreemptDelay,
			InitialDead:  v.InitialDead,
			Warn:         v.Warn,
			Password:     v.Password,
			Plain:        v.Plain,
		},
	}
	for _, a := range v.VIPs {
		if addr := a.Prefix.Addr(); lvs.FamilyOf(addr) == v.Family {
			i.Addresses = append(i.Addresses, addr)
		}
	}
	for _, l := range v.Links {
		i.Links = append(i.Links, vrrp.Link{Interface: l.Interface, Source: l.Source, Avoid: vips, Peers: l.Peers, MinTTL: int(v.MinTTL)})
	}
	if mac, err := net.ParseMAC(v.Virtual.MAC); err == nil {
		i.Links[0].Virtual = vrrp.Virtual{Interface: v.Virtual.Name, MAC: mac}
	}
	return i
}

// status is what the routers know of the instances that are theirs.
func (r *roles) status() map[string]status.Election {
	roles := r.current()
	r.mu.Lock()
	defer r.mu.Unlock()
	all := map[string]status.Election{}
	for name, role := range roles {
		all[name] = status.Election{Role: role, State: role.String(), Transitions: r.changes[name]}
	}
	for _, router := range r.routers {
		for i, s := range router.Statuses() {
			e := status.Election{
				Role:     s.Role,
				State:    s.State.String(),
				Since:    s.Since,
				Priority: s.Priority,
				Fault:    s.Fault,
				Peer:     s.Peer.Address,
				Heard:    s.Peer.Time,
				Sent:     s.Sent,
				Received: s.Heard,
				Refused:  map[string]uint64{},
				Late:     router.Late().Seconds(),

				Transitions: r.changes[s.Name],
			}
			e.PeerPriority = s.Peer.Priority
			if d := r.disputes[s.Name]; d != nil {
				e.Claims, e.ClaimedBy = d.now()
			}
			for reason, n := range router.Refused(i) {
				e.Refused[reason.String()] = n
			}
			all[s.Name] = e
		}
	}
	return all
}
