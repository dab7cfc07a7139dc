package daemon

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/notify/notice"
	"github.com/lvsd/lvsd/pkg/peer"
	"github.com/lvsd/lvsd/pkg/status"
)

// few is a difference of connections that is nothing to tell of: there is always
// one, because the kernel tells of a connection only after some packets.
const few = 100

// neighbour is what this director knows of a peer. It belongs to a sharing, whose
// mutex guards it.
type neighbour struct {
	address  netip.Addr
	kick     chan struct{} // capacity 1: ask now
	wanted   bool          // a push
	asked    bool          // since the push was wanted
	answered time.Time
	answer   peer.Answer
	err      error
	apart    uint64
	bad      time.Time // since when it lacks much; zero if it does not
	told     bool      // that it does
}

func newNeighbour(a netip.Addr, wanted bool) *neighbour {
	return &neighbour{address: a, kick: make(chan struct{}, 1), wanted: wanted}
}

// want asks for a push if this director is one that has come late, and for none if
// it does not listen.
func (n *neighbour) want(listening, late bool) {
	n.wanted = listening && (n.wanted || late)
	if !late {
		return
	}
	n.asked = false
	select {
	case n.kick <- struct{}{}:
	default:
	}
}

// pending tells whether the peer may have a push for this director. One that is there
// and gives no answer may give it soon.
func (n *neighbour) pending() bool {
	switch {
	case !n.wanted:
		return false
	case !n.asked:
		return true
	case n.err != nil:
		return !errors.Is(n.err, peer.ErrAbsent)
	}
	return n.answer.Master
}

// heard takes an answer, or the error in its place. here is what this director
// holds. Only who sends connections tells people that another one lacks them.
func (n *neighbour) heard(now time.Time, here status.Connections, master bool, c *config.Sync, a peer.Answer, err error) []notice.Event {
	if inner := errors.Unwrap(err); inner != nil {
		err = inner // who was asked is said beside it
	}
	n.err, n.asked = err, true
	if err == nil {
		n.answered, n.answer = now, a
		n.apart = distance(here.Connections, a.Connections) + distance(here.Templates, a.Templates)
	}
	why := ""
	ours, theirs := here.Connections+here.Templates, a.Connections+a.Templates
	switch {
	case !master || c == nil:
	case err != nil:
		why = fmt.Sprintf("no answer: %v", err)
	case a.Backup && theirs < ours/2 && ours-theirs > few:
		why = fmt.Sprintf("it holds %d connections and templates, this director %d", theirs, ours)
	}
	event := notice.Event{Time: now, Address: n.address.String(), Cause: why}
	switch {
	case why == "":
		n.bad = time.Time{}
		if !n.told {
			return nil
		}
		n.told, event.Kind = false, notice.SyncCaughtUp
		return []notice.Event{event}
	case n.bad.IsZero():
		n.bad = now
	}
	if n.told || now.Sub(n.bad) < c.Behind {
		return nil
	}
	n.told, event.Kind = true, notice.SyncBehind
	return []notice.Event{event}
}

func distance(a, b uint64) uint64 { return max(a, b) - min(a, b) }

func (n *neighbour) status() status.Peer {
	p := status.Peer{
		Address:     n.address,
		Answered:    n.answered,
		Master:      n.answer.Master,
		Backup:      n.answer.Backup,
		Connections: status.Connections(n.answer.Counts),
		Apart:       n.apart,
		Behind:      !n.bad.IsZero(),
		Since:       n.bad,
	}
	if n.err != nil {
		p.Error = n.err.Error()
	}
	return p
}
