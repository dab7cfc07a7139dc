package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/desired"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/notify/notice"
	"github.com/lvsd/lvsd/pkg/peer"
	"github.com/lvsd/lvsd/pkg/plan"
	"github.com/lvsd/lvsd/pkg/reconcile"
	"github.com/lvsd/lvsd/pkg/status"
)

// How often things are done that cost something.
const (
	askPause   = 5 * time.Second // between two questions to a peer
	retryPause = time.Second     // while a push is wanted
	pushRest   = 2 * time.Second // after a push that a peer asked for
	countFresh = time.Second     // how old a count may be that others are told

	// handOverTime bounds the push before a handover, some 100,000 connections; what
	// is missing then is what the kernel has told, or nearly all of it.
	handOverTime = 3 * time.Second

	// countShare is by how much longer than a count took the pause after it is at
	// least: counting takes a hundredth of a processor at most.
	countShare = 100
)

// sharing is how this director and its peers come to hold the same connections,
// besides what their kernels tell each other.
type sharing struct {
	log     *slog.Logger
	table   view
	config  func() *config.Config
	roles   func() map[string]lvs.Role
	tell    func(notice.Event)
	counts  func(pushed int) // connections and templates
	changed chan struct{}    // capacity 1: another configuration

	counting  sync.Mutex // held while the kernel is read
	counted   status.Connections
	countedAt time.Time
	countTook time.Duration

	mu        sync.Mutex
	peers     map[netip.Addr]*neighbour
	server    *peer.Server // nil where nobody listens
	pushed    *status.Push
	got       *status.Push
	pushing   bool
	rested    time.Time     // until then no peer's wish for a push is heard
	listening bool          // the kernel's backup daemon runs
	observed  bool          // there was a round after which it runs, if it should
	has       chan struct{} // closed when this director has what its peers could push at its start
}

func newSharing(log *slog.Logger, v view, c func() *config.Config, roles func() map[string]lvs.Role) *sharing {
	return &sharing{
		log: log, table: v, config: c, roles: roles, tell: func(notice.Event) {}, counts: func(int) {},
		changed: make(chan struct{}, 1), peers: map[netip.Addr]*neighbour{}, has: make(chan struct{}),
	}
}

// daemons are the sync daemons that the director wants now.
func (s *sharing) daemons() map[lvs.SyncRole]lvs.SyncDaemon {
	return desired.Daemons(s.config(), desired.Host{Roles: s.roles()})
}

// follow says that the configuration may be another one.
func (s *sharing) follow() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// run asks and answers until the context ends.
func (s *sharing) run(ctx context.Context) error {
	for ctx.Err() == nil {
		now := s.config().Sync
		part, stop := context.WithCancel(ctx)
		var tasks sync.WaitGroup
		if now.Asks() {
			s.begin(part, now, &tasks)
		}
		for same := true; same && ctx.Err() == nil; {
			select {
			case <-ctx.Done():
			case <-s.changed:
				same = sameChannel(now, s.config().Sync)
			}
		}
		stop()
		tasks.Wait()
	}
	return nil
}

// sameChannel tells whether two configurations ask the same peers in the same way.
func sameChannel(a, b *config.Sync) bool {
	if !a.Asks() || !b.Asks() {
		return a.Asks() == b.Asks()
	}
	return link(a) == link(b) && slices.Equal(a.Peers, b.Peers)
}

func link(c *config.Sync) peer.Link {
	return peer.Link{Interface: c.Daemon.Interface, Port: c.PeerPort, SecretFile: c.SecretFile}
}

// begin starts to listen and to ask.
func (s *sharing) begin(ctx context.Context, c *config.Sync, tasks *sync.WaitGroup) {
	server := peer.NewServer(link(c), lvs.FamilyOf(c.Daemon.Target().Addr()), c.Peers, s, s.log)
	s.mu.Lock()
	s.server = server
	s.peers = map[netip.Addr]*neighbour{}
	for _, a := range c.Peers {
		s.peers[a] = newNeighbour(a, s.listening)
	}
	all := slices.Collect(maps.Values(s.peers))
	s.mu.Unlock()
	tasks.Go(func() { s.listen(ctx, server) })
	for _, n := range all {
		tasks.Go(func() { s.askOften(ctx, link(c), n) })
	}
}

// listen keeps the server running: an interface may come late.
func (s *sharing) listen(ctx context.Context, server *peer.Server) {
	defer func() {
		s.mu.Lock()
		s.server = nil
		s.mu.Unlock()
	}()
	told := ""
	for {
		err := server.Run(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil && err.Error() != told {
			s.log.Error("the other directors cannot ask this one", "err", err)
			told = err.Error()
		}
		if !pause(ctx, askPause, nil) {
			return
		}
	}
}

// pause waits until it is time or something happens, and tells whether the context
// still holds.
func pause(ctx context.Context, d time.Duration, kick <-chan struct{}) bool {
	select {
	case <-ctx.Done():
		return false
	case <-kick:
	case <-time.After(d):
	}
	return ctx.Err() == nil
}

// after looks at a round: a backup daemon that has just begun to listen knows
// nothing of the connections that were before.
func (s *sharing) after(round reconcile.Round) {
	if round.Want.Services == nil {
		return
	}
	_, wanted := round.Want.Daemons[lvs.SyncBackup]
	_, there := round.Have.Daemons[lvs.SyncBackup]
	started := slices.ContainsFunc(round.Results, func(r reconcile.Result) bool {
		op, ok := r.Op.(plan.Daemon)
		return ok && op.Verb == lvs.Add && op.Role == lvs.SyncBackup && r.Err == nil
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	late := started || wanted && there && !s.listening
	s.listening = wanted && (there || started)
	// A daemon that is wanted and does not run yet will want a push.
	s.observed = s.observed || s.listening || !wanted
	for _, n := range s.peers {
		n.want(s.listening, late)
	}
	s.settle()
}

// settle notes that no peer has a push for this director any more, once. The caller
// holds mu.
func (s *sharing) settle() {
	pending := !s.observed || len(s.peers) == 0
	for _, n := range s.peers {
		pending = pending || n.pending()
	}
	select {
	case <-s.has:
	default:
		if !pending {
			close(s.has)
		}
	}
}

// await waits until this director has what its peers could push at its start, but no
// longer than so, and tells whether it has.
func (s *sharing) await(ctx context.Context, most time.Duration) bool {
	if !s.config().Sync.Asks() {
		return true
	}
	select {
	case <-ctx.Done():
	case <-time.After(most):
	case <-s.has:
		return true
	}
	return false
}

// askOften asks a peer again and again.
func (s *sharing) askOften(ctx context.Context, l peer.Link, n *neighbour) {
	for {
		next := s.ask(ctx, l, n)
		if !pause(ctx, next, n.kick) {
			return
		}
	}
}

// ask asks a peer what it holds, and for a push if this director waits for one. It
// gives the time to the next question.
func (s *sharing) ask(ctx context.Context, l peer.Link, n *neighbour) time.Duration {
	here, took, err := s.count(countFresh)
	if err != nil {
		s.log.Debug("connections not counted", "err", err)
	}
	a, err := peer.Ask(ctx, l, n.address, peer.Count)
	if ctx.Err() != nil {
		return 0
	}
	_, master := s.daemons()[lvs.SyncMaster]
	s.mu.Lock()
	events := n.heard(time.Now(), here, master, s.config().Sync, a, err)
	wanted := n.wanted
	s.settle()
	s.mu.Unlock()
	for _, e := range events {
		s.report(e)
	}
	next := max(askPause, countShare*took)
	switch {
	case wanted && err != nil:
		return retryPause
	case wanted && a.Master:
		return s.askPush(ctx, l, n)
	}
	return next
}

// askPush asks a peer for a push of all that it holds.
func (s *sharing) askPush(ctx context.Context, l peer.Link, n *neighbour) time.Duration {
	a, err := peer.Ask(ctx, l, n.address, peer.Push)
	switch {
	case ctx.Err() != nil:
		return 0
	case err == nil && a.Outcome != peer.Done:
		err = fmt.Errorf("ask director %s for its connections: %s", n.address, a.Outcome)
		fallthrough
	case err != nil:
		s.log.Warn("connections not got", "peer", n.address, "err", err)
		return retryPause
	}
	s.log.Info("connections got", "peer", n.address, "connections", a.Pushed.Connections, "templates", a.Pushed.Templates)
	s.mu.Lock()
	defer s.mu.Unlock()
	n.wanted = false
	s.settle()
	s.got = &status.Push{Time: time.Now(), Peer: n.address, Connections: status.Connections(a.Pushed)}
	return retryPause // now the counts are of interest
}

func (s *sharing) report(e notice.Event) {
	level := slog.LevelInfo
	if e.Kind == notice.SyncBehind {
		level = slog.LevelWarn
	}
	s.log.Log(context.Background(), level, e.Headline(), "peer", e.Address, "why", e.Cause)
	s.tell(e)
}

// known is what a status shows.
func (s *sharing) known() status.Known {
	roles := append([]lvs.SyncRole{}, slices.Sorted(maps.Keys(s.daemons()))...)
	s.mu.Lock()
	defer s.mu.Unlock()
	k := status.Known{Roles: roles, Asking: s.server != nil, Peers: []status.Peer{}, Pushed: s.pushed, Got: s.got, Refused: map[string]uint64{}}
	for _, n := range slices.SortedFunc(maps.Values(s.peers), func(a, b *neighbour) int { return a.address.Compare(b.address) }) {
		k.Peers = append(k.Peers, n.status())
		k.Waiting = k.Waiting || n.wanted
	}
	if s.server != nil {
		for r, count := range s.server.Refused() {
			k.Refused[string(r)] = count
		}
	}
	return k
}
