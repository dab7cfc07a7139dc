package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/lvsd/lvsd/pkg/ipvs"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/peer"
	"github.com/lvsd/lvsd/pkg/status"
)

// count gives how many connections the kernel holds, not older than allowed, and
// how long the last count took.
func (s *sharing) count(fresh time.Duration) (status.Connections, time.Duration, error) {
	s.counting.Lock()
	defer s.counting.Unlock()
	if !s.countedAt.IsZero() && time.Since(s.countedAt) < max(fresh, countShare*s.countTook) {
		return s.counted, s.countTook, nil
	}
	start := time.Now()
	_, stats, err := s.table.services.Read()
	if err != nil {
		return status.Connections{}, s.countTook, err
	}
	s.counted, s.countedAt, s.countTook = status.Count(stats), time.Now(), time.Since(start)
	return s.counted, s.countTook, nil
}

// Describe is the answer to a peer.
func (s *sharing) Describe() (peer.Answer, error) {
	here, _, err := s.count(countFresh)
	if err != nil {
		return peer.Answer{}, err
	}
	daemons := s.daemons()
	_, master := daemons[lvs.SyncMaster]
	_, backup := daemons[lvs.SyncBackup]
	return peer.Answer{Master: master, Backup: backup, Counts: peer.Counts(here)}, nil
}

// Push pushes for a peer.
func (s *sharing) Push(ctx context.Context, to netip.Addr) (peer.Counts, error) {
	s.mu.Lock()
	early := time.Now().Before(s.rested)
	s.mu.Unlock()
	if early {
		return peer.Counts{}, peer.ErrBusy
	}
	p, err := s.push(ctx, to)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rested = time.Now().Add(pushRest)
	return peer.Counts(p.Connections), err
}

// push sends every connection to the backups of the group. There is one push at a
// time.
func (s *sharing) push(ctx context.Context, to netip.Addr) (status.Push, error) {
	if s.config().Sync == nil {
		return status.Push{}, errors.New("push connections: the configuration has no [sync]")
	}
	master, ok := s.daemons()[lvs.SyncMaster]
	if !ok {
		return status.Push{}, errors.New("push connections: this director is a standby, ask the active one")
	}
	if !s.occupy() {
		return status.Push{}, fmt.Errorf("push connections: %w", peer.ErrBusy)
	}
	defer s.release()
	services, _, err := s.table.services.Read()
	if err != nil {
		return status.Push{}, fmt.Errorf("push connections: %w", err)
	}
	start := time.Now()
	done, err := ipvs.Push(ctx, master, services)
	p := status.Push{Time: time.Now(), Peer: to, Left: done.Left, Connections: status.Connections{
		Connections: uint64(done.Connections), Templates: uint64(done.Templates),
	}}
	if err != nil {
		return p, err
	}
	s.log.Info("connections pushed", "peer", to, "connections", done.Connections, "templates", done.Templates,
		"left", done.Left, "took", time.Since(start))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pushed = &p
	return p, nil
}

// handOver sends all connections before another director takes over as planned: the
// kernel holds the latest ones back for up to two seconds (IPVS_SYNC_FLUSH_TIME) and
// forgets them when its daemon stops. It is no error if there is nobody to send to.
func (s *sharing) handOver(ctx context.Context) {
	if s.config().Sync == nil {
		return
	}
	if _, master := s.daemons()[lvs.SyncMaster]; !master {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, handOverTime)
	defer cancel()
	if _, err := s.push(ctx, netip.Addr{}); err != nil {
		s.log.Warn("connections not pushed before the handover", "err", err)
	}
}

func (s *sharing) occupy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	free := !s.pushing
	s.pushing = true
	return free
}

func (s *sharing) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pushing = false
}

// PushConnections sends every connection of this director to the others. It is an
// error unless this director is to send.
func (d *Director) PushConnections(ctx context.Context) (status.Push, error) {
	return d.sharing.push(ctx, netip.Addr{})
}
