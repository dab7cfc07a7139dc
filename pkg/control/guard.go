package control

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/status"
)

// Guard is what a socket gives access to of the guard.
type Guard interface {
	// Block drops what comes from a network, for ever if the time is 0. By is who
	// asked for it.
	Block(ctx context.Context, network netip.Prefix, period time.Duration, by string) error
	// Unblock ends what Block began.
	Unblock(ctx context.Context, network netip.Prefix) error
	// GuardTop gives who sends most.
	GuardTop(context.Context) (status.GuardTop, error)
	// GuardTest runs the guard's program on a made packet.
	GuardTest(context.Context, status.GuardProbe) (status.GuardVerdict, error)
}

// guardCalls are the calls about the guard.
func guardCalls(g Guard) []call {
	return []call{
		{http.MethodPost, blockPath, func(r *http.Request) (any, error) {
			network, period, err := blockArgs(r.URL.Query())
			if err != nil {
				return nil, err
			}
			return struct{}{}, g.Block(r.Context(), network, period, by(r.Context()))
		}},
		{http.MethodPost, unblockPath, func(r *http.Request) (any, error) {
			network, err := netip.ParsePrefix(r.URL.Query().Get("network"))
			if err != nil {
				return nil, err
			}
			return struct{}{}, g.Unblock(r.Context(), network)
		}},
		{http.MethodGet, guardTopPath, func(r *http.Request) (any, error) { return g.GuardTop(r.Context()) }},
		{http.MethodPost, guardTestPath, func(r *http.Request) (any, error) {
			probe, err := probeArgs(r.URL.Query())
			if err != nil {
				return nil, err
			}
			return g.GuardTest(r.Context(), probe)
		}},
	}
}

func blockArgs(q url.Values) (netip.Prefix, time.Duration, error) {
	network, err := netip.ParsePrefix(q.Get("network"))
	if err != nil {
		return netip.Prefix{}, 0, err
	}
	period, err := time.ParseDuration(q.Get("for"))
	return network, period, err
}

func probeArgs(q url.Values) (p status.GuardProbe, err error) {
	if p.Protocol, err = lvs.ParseProtocol(q.Get("protocol")); err != nil {
		return p, err
	}
	if p.Source, err = netip.ParseAddrPort(q.Get("source")); err != nil {
		return p, err
	}
	p.Target, err = netip.ParseAddrPort(q.Get("target"))
	return p, err
}

// Block has the director drop what comes from a network, for ever if the time is 0.
func (c *Client) Block(ctx context.Context, network netip.Prefix, period time.Duration) error {
	query := url.Values{"network": {network.String()}, "for": {period.String()}}
	return c.call(ctx, guardTime, http.MethodPost, blockPath+"?"+query.Encode(), &struct{}{})
}

// Unblock ends what Block began.
func (c *Client) Unblock(ctx context.Context, network netip.Prefix) error {
	query := url.Values{"network": {network.String()}}
	return c.call(ctx, guardTime, http.MethodPost, unblockPath+"?"+query.Encode(), &struct{}{})
}

// GuardTop asks who sends most.
func (c *Client) GuardTop(ctx context.Context) (status.GuardTop, error) {
	var top status.GuardTop
	err := c.call(ctx, guardTime, http.MethodGet, guardTopPath, &top)
	return top, err
}

// GuardTest asks what the guard makes of a packet.
func (c *Client) GuardTest(ctx context.Context, p status.GuardProbe) (status.GuardVerdict, error) {
	var verdict status.GuardVerdict
	query := url.Values{"protocol": {p.Protocol.String()}, "source": {p.Source.String()}, "target": {p.Target.String()}}
	err := c.call(ctx, guardTime, http.MethodPost, guardTestPath+"?"+query.Encode(), &verdict)
	return verdict, err
}
