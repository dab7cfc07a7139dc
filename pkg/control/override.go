package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/override"
)

// Overrider takes the operator's words.
type Overrider interface {
	// Override puts a word in force, in the place of an earlier one about the same
	// target, and returns when the kernel was compared with it.
	Override(context.Context, Order) (Ordered, error)
	// Enable takes the word about a target back; by is who says so.
	Enable(ctx context.Context, t override.Target, by string) (Ordered, error)
	// Drain tells how far the drain of a target has come. It reads no kernel.
	Drain(context.Context, override.Target) (Drain, error)
}

// Order is a word of the operator.
type Order struct {
	Target   override.Target
	Weight   int32         // 0 is a drain
	Remove   bool          // the servers are deleted once they are empty
	Deadline time.Duration // or then; 0 is never
	Reason   string
	By       string // who; the server knows it from the kernel
}

// Ordered is what an order came to.
type Ordered struct {
	Changed  bool                `json:"changed"`  // false: all was as asked already
	Override override.Override   `json:"override"` // in force now, or taken back
	Servers  []string            `json:"servers"`  // that it is about: "web/web1"; for the director its VRRP instances
	Others   []override.Override `json:"others"`   // that decide about some of these servers none the less
	Errors   []string            `json:"errors"`   // of operations that will be tried again
}

// Drain is how far a drain has come.
type Drain struct {
	Override override.Override `json:"override"`
	Read     time.Time         `json:"read"`     // when the kernel was looked at; year 1 before that
	Error    string            `json:"error"`    // why it could not be, or ""
	Empty    bool              `json:"empty"`    // no connection is left, and none can have been begun
	Active   uint64            `json:"active"`   // connections of all the servers
	Inactive uint64            `json:"inactive"` // of TCP those that are being closed, of UDP all
	Servers  []DrainServer     `json:"servers"`
}

// DrainServer is one server of a drain, behind one VIP.
type DrainServer struct {
	Name     string         `json:"name"` // "web/web1"
	Service  lvs.ServiceKey `json:"service"`
	Address  netip.AddrPort `json:"address"`
	Present  bool           `json:"present"` // in the kernel
	Weight   int32          `json:"weight"`  // in the kernel
	Active   uint32         `json:"active"`
	Inactive uint32         `json:"inactive"`
}

// The paths of these calls. The target is "SERVICE/SERVER", "*/SERVER" or
// "director".
const (
	drainPath  = "/v1/drain"  // ?target=TARGET&remove=true&deadline=10m&reason=TEXT
	weightPath = "/v1/weight" // ?target=TARGET&weight=N&reason=TEXT
	enablePath = "/v1/enable" // ?target=TARGET
)

// MaxWeight is the largest weight, as in the configuration.
const MaxWeight = 65535

// maxReason is how long a reason may be in bytes: it stands in every status.
const maxReason = 500

// overrideCalls are those about the operator's words.
func overrideCalls(d Overrider) []call {
	order := func(read func(url.Values) (Order, error)) func(*http.Request) (any, error) {
		return func(r *http.Request) (any, error) {
			o, err := read(r.URL.Query())
			if err != nil {
				return nil, err
			}
			o.By = by(r.Context())
			return d.Override(r.Context(), o)
		}
	}
	return []call{
		{http.MethodPost, drainPath, order(drainOrder)},
		{http.MethodPost, weightPath, order(weightOrder)},
		{http.MethodPost, enablePath, func(r *http.Request) (any, error) {
			t, err := override.ParseTarget(r.URL.Query().Get("target"))
			if err != nil {
				return nil, err
			}
			return d.Enable(r.Context(), t, by(r.Context()))
		}},
		{http.MethodGet, drainPath, func(r *http.Request) (any, error) {
			t, err := override.ParseTarget(r.URL.Query().Get("target"))
			if err != nil {
				return nil, err
			}
			return d.Drain(r.Context(), t)
		}},
	}
}

// by names who asks.
func by(ctx context.Context) string {
	p, ok := peerOf(ctx)
	if !ok {
		return ""
	}
	return p.name()
}

func drainOrder(q url.Values) (Order, error) {
	o, err := newOrder(q)
	if err == nil && q.Get("remove") != "" {
		o.Remove, err = strconv.ParseBool(q.Get("remove"))
	}
	if err == nil && q.Get("deadline") != "" {
		o.Deadline, err = time.ParseDuration(q.Get("deadline"))
	}
	switch {
	case err != nil:
	case o.Deadline < 0:
		err = fmt.Errorf("deadline %s is in the past", o.Deadline)
	case o.Remove && o.Target == override.Self:
		err = errors.New("the director itself cannot be removed")
	}
	return o, err
}

func weightOrder(q url.Values) (Order, error) {
	o, err := newOrder(q)
	if err != nil {
		return o, err
	}
	n, err := strconv.ParseInt(q.Get("weight"), 10, 32)
	if err != nil || n < 0 || n > MaxWeight {
		return o, fmt.Errorf("weight %q: expected a number from 0 to %d", q.Get("weight"), MaxWeight)
	}
	if o.Target == override.Self {
		return o, errors.New("the director itself has no weight")
	}
	o.Weight = int32(n)
	return o, nil
}

func newOrder(q url.Values) (Order, error) {
	t, err := override.ParseTarget(q.Get("target"))
	if err != nil {
		return Order{}, err
	}
	reason := q.Get("reason")
	if len(reason) > maxReason || strings.ContainsFunc(reason, unicode.IsControl) {
		return Order{}, fmt.Errorf("reason %.20q…: expected one line of at most %d bytes", reason, maxReason)
	}
	return Order{Target: t, Reason: reason}, nil
}

// Override gives the director an order.
func (c *Client) Override(ctx context.Context, o Order) (Ordered, error) {
	path, query := drainPath, url.Values{"target": {o.Target.String()}, "reason": {o.Reason}}
	if o.Weight > 0 {
		path = weightPath
		query.Set("weight", strconv.Itoa(int(o.Weight)))
	} else {
		query.Set("remove", strconv.FormatBool(o.Remove))
		query.Set("deadline", o.Deadline.String())
	}
	var done Ordered
	err := c.call(ctx, reloadTime, http.MethodPost, path+"?"+query.Encode(), &done)
	return done, err
}

// Enable takes the order about a target back.
func (c *Client) Enable(ctx context.Context, t override.Target) (Ordered, error) {
	var done Ordered
	err := c.call(ctx, reloadTime, http.MethodPost, enablePath+"?target="+url.QueryEscape(t.String()), &done)
	return done, err
}

// Drain asks how far the drain of a target has come.
func (c *Client) Drain(ctx context.Context, t override.Target) (Drain, error) {
	var now Drain
	err := c.call(ctx, statusTime, http.MethodGet, drainPath+"?target="+url.QueryEscape(t.String()), &now)
	return now, err
}
