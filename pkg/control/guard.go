package control

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os/user"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

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

// handleGuard answers the calls about the guard.
func handleGuard(mux *http.ServeMux, g Guard) {
	mux.HandleFunc("POST "+blockPath, func(w http.ResponseWriter, r *http.Request) {
		network, period, err := blockArgs(r)
		if err == nil {
			err = g.Block(r.Context(), network, period, asker(r))
		}
		reply(w, struct{}{}, err)
	})
	mux.HandleFunc("POST "+unblockPath, func(w http.ResponseWriter, r *http.Request) {
		network, err := netip.ParsePrefix(r.FormValue("network"))
		if err == nil {
			err = g.Unblock(r.Context(), network)
		}
		reply(w, struct{}{}, err)
	})
	mux.HandleFunc("GET "+guardTopPath, func(w http.ResponseWriter, r *http.Request) {
		top, err := g.GuardTop(r.Context())
		reply(w, top, err)
	})
	mux.HandleFunc("POST "+guardTestPath, func(w http.ResponseWriter, r *http.Request) {
		probe, err := probeArgs(r)
		if err != nil {
			reply(w, nil, err)
			return
		}
		verdict, err := g.GuardTest(r.Context(), probe)
		reply(w, verdict, err)
	})
}

func blockArgs(r *http.Request) (netip.Prefix, time.Duration, error) {
	network, err := netip.ParsePrefix(r.FormValue("network"))
	if err != nil {
		return netip.Prefix{}, 0, err
	}
	period, err := time.ParseDuration(r.FormValue("for"))
	return network, period, err
}

func probeArgs(r *http.Request) (p status.GuardProbe, err error) {
	if p.Protocol, err = lvs.ParseProtocol(r.FormValue("protocol")); err != nil {
		return p, err
	}
	if p.Source, err = netip.ParseAddrPort(r.FormValue("source")); err != nil {
		return p, err
	}
	p.Target, err = netip.ParseAddrPort(r.FormValue("target"))
	return p, err
}

// asker names who sent a request, as the kernel knows them, and behind sudo(8) as
// they say.
func asker(r *http.Request) string {
	peer, ok := r.Context().Value(peerKey{}).(*unix.Ucred)
	if !ok {
		return "unknown"
	}
	name := fmt.Sprintf("uid %d", peer.Uid)
	if u, err := user.LookupId(strconv.FormatUint(uint64(peer.Uid), 10)); err == nil {
		name = u.Username
	}
	if as := r.FormValue("sudo"); as != "" {
		name += " (sudo by " + as + ")"
	}
	return name
}

// Block has the director drop what comes from a network, for ever if the time is
// 0. sudo is who became root by sudo(8), or "".
func (c *Client) Block(ctx context.Context, network netip.Prefix, period time.Duration, sudo string) error {
	query := url.Values{"network": {network.String()}, "for": {period.String()}, "sudo": {sudo}}
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
