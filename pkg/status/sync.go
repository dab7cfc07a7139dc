package status

import (
	"net/netip"
	"time"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// Sync is how connections are shared with other directors.
type Sync struct {
	Interface string         `json:"interface"`
	Group     netip.AddrPort `json:"group"`
	Daemons   []lvs.SyncRole `json:"daemons"` // that the kernel runs
	Here      Connections    `json:"here"`
	Known
}

// Connections are those that a kernel holds, by the counters of its real servers:
// what has no real server in the table is not among them. Counting them costs as
// much as reading the table, and nothing for each connection.
type Connections struct {
	Connections uint64 `json:"connections"`
	Templates   uint64 `json:"templates"` // of persistence
}

// Known is what only a running daemon knows of sharing.
type Known struct {
	Roles   []lvs.SyncRole    `json:"roles"` // of the kernel's daemons that are wanted now
	Asking  bool              `json:"asking"`
	Peers   []Peer            `json:"peers"`     // as the file has them
	Pushed  *Push             `json:"last_push"` // by this director; null if there was none
	Got     *Push             `json:"last_push_received"`
	Waiting bool              `json:"push_wanted"` // this director still waits for one
	Refused map[string]uint64 `json:"refused"`     // questions of others, by reason
}

// Peer is another director.
type Peer struct {
	Address  netip.Addr `json:"address"`
	Answered time.Time  `json:"answered"` // last; year 1 if it never did
	Error    string     `json:"error"`    // of the last question, or ""
	Master   bool       `json:"master"`   // it sends connections
	Backup   bool       `json:"backup"`   // it receives them
	Connections
	Apart  uint64    `json:"apart"`  // connections and templates that one has more than the other
	Behind bool      `json:"behind"` // it holds much less than this one, which sends to it
	Since  time.Time `json:"since"`  // of Behind
}

// Push is one push of all connections.
type Push struct {
	Time time.Time  `json:"time"` // when it was over
	Peer netip.Addr `json:"peer"` // who asked, or was asked; "" for the operator
	Connections
	Left int `json:"left_out"` // connections that could not be told of
}

// Count adds up what the services of a table hold.
func Count(stats map[lvs.ServiceKey]lvs.ServiceStats) Connections {
	var c Connections
	for _, s := range stats {
		for _, r := range s.Servers {
			c.Connections += uint64(r.Active) + uint64(r.Inactive)
			c.Templates += uint64(r.Persistent)
		}
	}
	return c
}

func syncOf(c *config.Config, o Observed) *Sync {
	if c.Sync == nil {
		return nil
	}
	s := &Sync{Interface: c.Sync.Daemon.Interface, Group: c.Sync.Daemon.Target(), Here: Count(o.Stats)}
	s.Daemons = []lvs.SyncRole{}
	for _, d := range o.Daemons {
		s.Daemons = append(s.Daemons, d.Role)
	}
	s.Known = Known{Roles: []lvs.SyncRole{}, Peers: []Peer{}, Refused: map[string]uint64{}}
	return s
}

// SetKnown adds what the daemon knows of sharing.
func (s *Status) SetKnown(k Known) {
	if s.Sync != nil {
		s.Sync.Known = k
	}
}
