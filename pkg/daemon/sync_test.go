package daemon

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/peer"
	"github.com/lvsd/lvsd/pkg/plan"
	"github.com/lvsd/lvsd/pkg/reconcile"
	"github.com/lvsd/lvsd/pkg/status"
)

// A backup daemon that begins to listen, or that is found at the director's start,
// wants a push of every peer; one that only goes on listening does not.
func TestPushIsWanted(t *testing.T) {
	daemons := map[lvs.SyncRole]lvs.SyncDaemon{lvs.SyncBackup: {Role: lvs.SyncBackup}}
	state := func(d map[lvs.SyncRole]lvs.SyncDaemon) lvs.State {
		return lvs.State{Services: map[lvs.ServiceKey]lvs.Service{}, Daemons: d}
	}
	start := []reconcile.Result{{Op: plan.Daemon{Verb: lvs.Add, SyncDaemon: daemons[lvs.SyncBackup]}}}
	failed := []reconcile.Result{{Op: start[0].Op, Err: errors.New("no such device")}}
	s := newSharing(slog.New(slog.DiscardHandler), view{}, func() *config.Config { return &config.Config{} }, nil)
	n := newNeighbour(netip.Addr{}, false)
	s.peers[n.address] = n
	for _, step := range []struct {
		name  string
		round reconcile.Round
		want  bool
	}{
		{"the kernel cannot be read", reconcile.Round{}, false},
		{"a master", reconcile.Round{Want: state(nil), Have: state(nil)}, false},
		{"it does not start", reconcile.Round{Want: state(daemons), Have: state(nil), Results: failed}, false},
		{"it starts", reconcile.Round{Want: state(daemons), Have: state(nil), Results: start}, true},
		{"it was pushed to", reconcile.Round{Want: state(daemons), Have: state(daemons)}, false},
		{"somebody stopped it, it starts again", reconcile.Round{Want: state(daemons), Have: state(nil), Results: start}, true},
		{"it becomes a master before the push", reconcile.Round{Want: state(nil), Have: state(daemons)}, false},
		{"it was started beside the round", reconcile.Round{Want: state(daemons), Have: state(daemons)}, true},
	} {
		if step.name == "it was pushed to" {
			n.wanted = false
		}
		s.after(step.round)
		if n.wanted != step.want {
			t.Errorf("%s: wanted %t, want %t", step.name, n.wanted, step.want)
		}
	}
}

// A director waits for its peers at its start, and not for ever.
func TestAwait(t *testing.T) {
	backup := map[lvs.SyncRole]lvs.SyncDaemon{lvs.SyncBackup: {Role: lvs.SyncBackup}}
	round := func(want, have map[lvs.SyncRole]lvs.SyncDaemon) reconcile.Round {
		services := map[lvs.ServiceKey]lvs.Service{}
		return reconcile.Round{Want: lvs.State{Services: services, Daemons: want}, Have: lvs.State{Services: services, Daemons: have}}
	}
	answer := func(n *neighbour, a peer.Answer, err error) {
		n.heard(time.Now(), status.Connections{}, false, nil, a, err)
	}
	for _, tt := range []struct {
		name   string
		happen func(s *sharing, n *neighbour)
		has    bool
	}{
		{"nothing", func(*sharing, *neighbour) {}, false},
		{"it is no standby", func(s *sharing, n *neighbour) { s.after(round(nil, nil)) }, true},
		{"its daemon cannot start yet", func(s *sharing, n *neighbour) { s.after(round(backup, nil)) }, false},
		{"its daemon has started late, and nobody was asked", func(s *sharing, n *neighbour) {
			s.after(round(backup, nil))
			s.after(round(backup, backup))
		}, false},
		{"the peer has nothing to push", func(s *sharing, n *neighbour) {
			s.after(round(backup, backup))
			answer(n, peer.Answer{Backup: true}, nil)
		}, true},
		{"the peer has not pushed yet", func(s *sharing, n *neighbour) {
			s.after(round(backup, backup))
			answer(n, peer.Answer{Master: true}, nil)
		}, false},
		{"the peer was asked too often", func(s *sharing, n *neighbour) {
			s.after(round(backup, backup))
			answer(n, peer.Answer{}, errors.New("it refused to answer"))
		}, false},
		{"nobody is there", func(s *sharing, n *neighbour) {
			s.after(round(backup, backup))
			answer(n, peer.Answer{}, fmt.Errorf("ask director: %w", peer.ErrAbsent))
		}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			asking := &config.Config{Sync: &config.Sync{SecretFile: "/secret"}}
			s := newSharing(slog.New(slog.DiscardHandler), view{}, func() *config.Config { return asking }, nil)
			n := newNeighbour(netip.Addr{}, false)
			s.peers[n.address] = n
			tt.happen(s, n)
			s.mu.Lock()
			s.settle()
			s.mu.Unlock()
			if has := s.await(t.Context(), time.Millisecond); has != tt.has {
				t.Errorf("it has all: %t, want %t", has, tt.has)
			}
		})
	}
}
