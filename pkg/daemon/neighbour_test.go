package daemon

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/peer"
	"github.com/lvsd/lvsd/pkg/status"
)

// People are told that a standby lacks connections, or does not answer, when that
// lasts; once, and of its end.
func TestNeighbourBehind(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	c := &config.Sync{Behind: time.Minute}
	here := status.Connections{Connections: 1000, Templates: 20}
	backup := func(n uint64) peer.Answer { return peer.Answer{Backup: true, Counts: peer.Counts{Connections: n}} }
	silent := errors.New("connection refused")
	type step struct {
		after   time.Duration
		standby bool // this director is
		answer  peer.Answer
		err     error
		want    string
	}
	tests := []struct {
		name  string
		steps []step
	}{
		{"as many", []step{{0, false, backup(1000), nil, ""}, {time.Hour, false, backup(900), nil, ""}}},
		{"far behind for long", []step{
			{0, false, backup(10), nil, ""},
			{59 * time.Second, false, backup(11), nil, ""},
			{time.Minute, false, backup(12), nil, "sync-behind: it holds 12 connections and templates, this director 1020"},
			{2 * time.Minute, false, backup(13), nil, ""},
			{3 * time.Minute, false, backup(600), nil, "sync-caught-up: "},
			{4 * time.Minute, false, backup(600), nil, ""},
		}},
		{"not for long", []step{
			{0, false, backup(10), nil, ""},
			{50 * time.Second, false, backup(900), nil, ""},
			{70 * time.Second, false, backup(10), nil, ""},
			{2 * time.Minute, false, backup(10), nil, ""},
		}},
		{"silent for long", []step{
			{0, false, peer.Answer{}, silent, ""},
			{time.Minute, false, peer.Answer{}, silent, "sync-behind: no answer: connection refused"},
		}},
		{"this director is a standby", []step{{0, true, peer.Answer{}, silent, ""}, {time.Hour, true, peer.Answer{}, silent, ""}}},
		{"it does not listen", []step{{0, false, peer.Answer{}, nil, ""}, {time.Hour, false, peer.Answer{}, nil, ""}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := newNeighbour(netip.MustParseAddr("192.0.2.2"), false)
			for _, s := range tt.steps {
				got := ""
				for _, e := range n.heard(start.Add(s.after), here, !s.standby, c, s.answer, s.err) {
					got += string(e.Kind) + ": " + e.Cause
				}
				if got != s.want {
					t.Errorf("after %s: %q, want %q", s.after, got, s.want)
				}
			}
		})
	}
}

// A small difference is nothing, however large its share is.
func TestFewConnections(t *testing.T) {
	n := newNeighbour(netip.MustParseAddr("192.0.2.2"), false)
	c := &config.Sync{Behind: time.Second}
	for i := range 9 {
		at := time.Unix(int64(10*i), 0)
		if e := n.heard(at, status.Connections{Connections: few}, true, c, peer.Answer{Backup: true}, nil); e != nil {
			t.Fatalf("told %v", e)
		}
	}
	if s := n.status(); s.Apart != few || s.Behind {
		t.Errorf("status %+v", s)
	}
}

// A peer may have a push as long as it has not answered, or is a master that has not
// pushed.
func TestNeighbourPending(t *testing.T) {
	c := &config.Sync{Behind: time.Hour}
	tests := []struct {
		name   string
		answer peer.Answer
		err    error
		want   bool
	}{
		{"master", peer.Answer{Master: true}, nil, true},
		{"standby", peer.Answer{Backup: true}, nil, false},
		{"silent", peer.Answer{}, errors.New("no answer"), true},
		{"absent", peer.Answer{}, fmt.Errorf("ask director: %w", peer.ErrAbsent), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := newNeighbour(netip.Addr{}, false)
			if n.pending() {
				t.Error("pending before a push is wanted")
			}
			n.want(true, true)
			if !n.pending() {
				t.Error("not pending before it was asked")
			}
			n.heard(time.Now(), status.Connections{}, false, c, tt.answer, tt.err)
			if n.pending() != tt.want {
				t.Errorf("pending %t after the answer", n.pending())
			}
			n.wanted = false
			if n.pending() {
				t.Error("pending after the push")
			}
		})
	}
}

// A push is wanted from the moment on in which the kernel listens, until it came or
// this director ceases to be a standby.
func TestNeighbourWants(t *testing.T) {
	n := newNeighbour(netip.Addr{}, false)
	for i, s := range []struct {
		listening, late, want bool
		kicks                 int
	}{
		{true, true, true, 1}, {true, false, true, 0}, {false, false, false, 0}, {true, false, false, 0}, {true, true, true, 1},
	} {
		n.want(s.listening, s.late)
		if n.wanted != s.want || len(n.kick) != s.kicks {
			t.Errorf("step %d: wanted %t, %d kicks", i, n.wanted, len(n.kick))
		}
		for len(n.kick) > 0 {
			<-n.kick
		}
	}
}
