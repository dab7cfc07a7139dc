package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/status"
)

// shown bounds the lists of problems on the page: beyond it one reads the log.
const shown = 20

// head is the page without its services.
type head struct {
	Director string         `json:"director"`
	Version  string         `json:"version"`
	Time     time.Time      `json:"time"`
	Error    string         `json:"error,omitempty"` // why there is no status
	Daemon   *status.Daemon `json:"daemon,omitempty"`
	VIPs     []status.VIP   `json:"vips,omitempty"`
	VRRP     []instance     `json:"vrrp,omitempty"`
	Sync     *status.Sync   `json:"sync,omitempty"`

	Overrides []status.Override `json:"overrides,omitempty"`
	Warnings  []string          `json:"warnings,omitempty"`
}

// instance is a VRRP instance with what is known of the other director.
type instance struct {
	status.VRRP
	Other string `json:"other"`
}

// service is a virtual service as short as the page can do with: there may be
// hundreds, several times a minute.
type service struct {
	ID          lvs.ServiceKey `json:"id"`
	Name        string         `json:"name,omitempty"`
	Method      string         `json:"method"` // scheduler, its flags, persistence
	Missing     bool           `json:"missing,omitempty"`
	QuorumLost  bool           `json:"lost,omitempty"`
	Ignoring    bool           `json:"ignoring,omitempty"`
	Active      uint64         `json:"active"`
	Inactive    uint64         `json:"inactive"`
	Connections uint64         `json:"cps"` // all per second
	In          uint64         `json:"in"`  // bytes
	Out         uint64         `json:"out"`
	Asked       *asked         `json:"asked,omitempty"`
	Servers     []server       `json:"servers"`
}

type server struct {
	Name        string `json:"name,omitempty"`
	Address     string `json:"address"`
	Method      string `json:"method"` // forwarding or tunnel
	Missing     bool   `json:"missing,omitempty"`
	Fallback    bool   `json:"fallback,omitempty"`
	Weight      int32  `json:"weight"`
	Configured  int32  `json:"configured,omitempty"`
	Override    string `json:"override,omitempty"` // the operator's word about it: "drained by anna (kernel update)"
	State       string `json:"state,omitempty"`    // of its checks: up, down, unknown; "" without
	Since       int64  `json:"since,omitempty"`    // of the state, seconds since 1970
	Flapping    bool   `json:"flapping,omitempty"`
	Error       string `json:"error,omitempty"`
	Active      uint32 `json:"active,omitempty"`
	Inactive    uint32 `json:"inactive,omitempty"`
	Connections uint64 `json:"cps,omitempty"`
	In          uint64 `json:"in,omitempty"`
	Out         uint64 `json:"out,omitempty"`
}

func headOf(s status.Status, err error) head {
	if err != nil {
		return head{Time: time.Now(), Error: err.Error()}
	}
	h := head{
		Director: s.Director, Version: s.Version, Time: s.Time, VIPs: s.VIPs, Sync: s.Sync, Overrides: s.Overrides,
		Warnings: s.Warnings[:min(len(s.Warnings), shown)],
	}
	if s.Daemon != nil {
		d := *s.Daemon
		d.Errors = d.Errors[:min(len(d.Errors), shown)]
		h.Daemon = &d
	}
	for _, v := range s.VRRP {
		h.VRRP = append(h.VRRP, instance{v, other(v, s.Time)})
	}
	return h
}

// other says what is known of the other director of an instance. Only an active
// one sends adverts, so that nobody hears of a standby (RFC 9568 section 6.4).
func other(v status.VRRP, now time.Time) string {
	ago := now.Sub(v.Heard).Round(time.Second)
	switch {
	case v.External:
		return "not heard: others decide the role"
	case !v.Peer.IsValid() && v.Role == lvs.Active:
		return "never heard: a standby is silent"
	case !v.Peer.IsValid():
		return "never heard"
	case v.PeerPriority == 0:
		return fmt.Sprintf("%s gave up %s ago", v.Peer, ago)
	case v.Role == lvs.Active && v.Heard.After(v.Since) && ago < 5*time.Second:
		return fmt.Sprintf("%s with priority %d is ACTIVE TOO", v.Peer, v.PeerPriority)
	case v.Role == lvs.Active:
		return fmt.Sprintf("%s, silent for %s as a standby is", v.Peer, ago)
	}
	return fmt.Sprintf("%s with priority %d is active, heard %s ago", v.Peer, v.PeerPriority, ago)
}

func serviceOf(v status.Service) service {
	words := append([]string{v.Scheduler}, v.Flags...)
	if v.Persistence > 0 {
		words = append(words, "persistent "+lvs.Seconds(time.Duration(v.Persistence)*time.Second))
	}
	s := service{
		ID: v.Service, Name: v.Virtual, Method: strings.Join(words, " "), Missing: !v.Present, QuorumLost: v.QuorumLost, Ignoring: v.Ignoring,
		Active: v.Active, Inactive: v.Inactive, Connections: v.Rates.Connections, In: v.Rates.BytesIn, Out: v.Rates.BytesOut,
		Servers: make([]server, 0, len(v.Servers)), Asked: askedOf(v.SYNs),
	}
	for _, r := range v.Servers {
		s.Servers = append(s.Servers, serverOf(r))
	}
	return s
}

func serverOf(r status.Server) server {
	s := server{
		Name: r.Name, Address: r.Address.String(), Method: r.Forwarding, Missing: !r.Present, Fallback: r.Fallback,
		Weight: r.Weight, Configured: r.Configured, Active: r.Active, Inactive: r.Inactive,
		Connections: r.Rates.Connections, In: r.Rates.BytesIn, Out: r.Rates.BytesOut,
	}
	if r.Tunnel != "" {
		s.Method = r.Tunnel
	}
	if o := r.Override; o != nil {
		s.Override = o.Verb() + " by " + o.By
		if o.Reason != "" {
			s.Override += " (" + o.Reason + ")"
		}
	}
	if h := r.Health; h != nil {
		s.State, s.Flapping, s.Error = h.State.String(), h.Flapping, h.Error
		if !h.Since.IsZero() {
			s.Since = h.Since.Unix()
		}
	}
	return s
}

// pageState is all that the page shows, as JSON.
type pageState struct {
	head     json.RawMessage
	changes  json.RawMessage
	guard    json.RawMessage // null without one
	order    []string        // of the services' ids
	services map[string]json.RawMessage
}

func stateOf(s status.Status, err error, recent []Change) (pageState, error) {
	p := pageState{services: make(map[string]json.RawMessage, len(s.Services))}
	var errs [3]error
	p.head, errs[0] = json.Marshal(headOf(s, err))
	p.changes, errs[1] = json.Marshal(append([]Change{}, recent...))
	p.guard, errs[2] = json.Marshal(guardOf(s.Guard))
	for _, e := range errs {
		if e != nil {
			return p, fmt.Errorf("write the page's data: %w", e)
		}
	}
	for _, v := range s.Services {
		id := v.Service.String()
		one, err := json.Marshal(serviceOf(v))
		if err != nil {
			return p, fmt.Errorf("write the page's data: %w", err)
		}
		p.order = append(p.order, id)
		p.services[id] = one
	}
	return p, nil
}

// frame is a message to the page; what has not changed is left out.
type frame struct {
	Full     bool              `json:"full,omitempty"` // forget all before
	Head     json.RawMessage   `json:"head"`
	Changes  json.RawMessage   `json:"changes,omitempty"`
	Guard    json.RawMessage   `json:"guard,omitempty"` // null without one
	Order    []string          `json:"order,omitempty"`
	Services []json.RawMessage `json:"services,omitempty"`
	Gone     []string          `json:"gone,omitempty"`
}

// since is what has changed since another state.
func (p pageState) since(old pageState) frame {
	f := frame{Head: p.head}
	if !bytes.Equal(p.changes, old.changes) {
		f.Changes = p.changes
	}
	if !bytes.Equal(p.guard, old.guard) {
		f.Guard = p.guard
	}
	for i, id := range p.order {
		if !bytes.Equal(p.services[id], old.services[id]) {
			f.Services = append(f.Services, p.services[id])
		}
		if i >= len(old.order) || old.order[i] != id {
			f.Order = p.order
		}
	}
	for _, id := range old.order {
		if p.services[id] == nil {
			f.Gone = append(f.Gone, id)
		}
	}
	return f
}

// all is a frame for who knows nothing.
func (p pageState) all() frame {
	f := p.since(pageState{})
	f.Full = true
	return f
}
