package daemon

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/netdev"
	"github.com/lvsd/lvsd/pkg/vrrp"
)

// How VIPs are looked after.
const (
	// settle is how long others may claim the VIPs of a new active director: who was
	// active before serves on for a moment.
	settle = time.Second
	// defend is the least time between two announcements against a claim
	// (DEFEND_INTERVAL, RFC 5227 section 1.1): two hosts that both defend an address
	// must not fill the network.
	defend = 10 * time.Second
	// forgotten is the silence after which nobody else claims a VIP any more. Neighbours
	// ask again more often.
	forgotten = time.Minute
)

// dispute is what is known of others that claim the VIPs of an instance.
type dispute struct {
	mu     sync.Mutex
	claims uint64
	by     string // who does; "" if nobody does now
}

func (d *dispute) note(by string) (begins bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	begins = d.by == ""
	d.claims++
	d.by = by
	return begins
}

func (d *dispute) end() (had bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	had = d.by != ""
	d.by = ""
	return had
}

func (d *dispute) now() (claims uint64, by string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.claims, d.by
}

// lookOut looks, as long as an instance is active, for other hosts that claim its
// VIPs in ARP or neighbour discovery: a split brain whose adverts do not arrive, or
// an address given twice. It tells people, and tells the neighbours again.
func (h *heralds) lookOut(ctx context.Context, name string) {
	if !sleep(ctx, settle) {
		return
	}
	claims := make(chan netdev.Claim, 64)
	vips, reloaded := h.roles.vips(name)
	end := h.watchAll(ctx, vips, claims)
	defer func() { end() }()
	d := h.roles.dispute(name)
	silence := time.NewTimer(forgotten)
	defer silence.Stop()
	over := func(why string) {
		if d.end() {
			h.roles.report(vrrp.Event{Instance: name, Time: time.Now(), Kind: vrrp.Healed, Why: why})
		}
	}
	defended := map[netip.Addr]time.Time{}
	for {
		select {
		case <-ctx.Done():
			over("not active any more")
			return
		case <-silence.C:
			over("nobody else claims a VIP any more")
		case <-reloaded:
			before := vips
			if vips, reloaded = h.roles.vips(name); !slices.Equal(vips, before) {
				end()
				end = h.watchAll(ctx, vips, claims)
			}
		case c := <-claims:
			i := slices.IndexFunc(vips, func(a lvs.Address) bool { return a.Prefix.Addr() == c.Address })
			if i < 0 {
				continue // of before a reload
			}
			silence.Reset(forgotten)
			if d.note(c.MAC.String()) {
				h.roles.report(vrrp.Event{Instance: name, Time: time.Now(), Kind: vrrp.SplitBrain,
					Why: fmt.Sprintf("%s claims %s on %s", c.MAC, c.Address, vips[i].Interface)})
			}
			if time.Since(defended[c.Address]) >= defend {
				defended[c.Address] = time.Now()
				h.say(vips[i])
			}
		}
	}
}

// vips are those of an instance, until the channel is closed.
func (r *roles) vips(name string) ([]lvs.Address, <-chan struct{}) {
	r.mu.Lock()
	reloaded := r.reloaded
	r.mu.Unlock()
	return r.instance(name).VIPs, reloaded
}

// watchAll hands on the claims to VIPs, until it is ended.
func (h *heralds) watchAll(ctx context.Context, vips []lvs.Address, claims chan<- netdev.Claim) (end func()) {
	ctx, stop := context.WithCancel(ctx)
	on := map[string][]netip.Addr{}
	for _, a := range vips {
		on[a.Interface] = append(on[a.Interface], a.Prefix.Addr())
	}
	var watchers sync.WaitGroup
	for device, addrs := range on {
		watchers.Go(func() { h.watch(ctx, device, addrs, claims) })
	}
	return func() {
		stop()
		watchers.Wait()
	}
}

// watch hands on the claims on an interface. More than there is room for tell
// nothing new.
func (h *heralds) watch(ctx context.Context, device string, addrs []netip.Addr, claims chan<- netdev.Claim) {
	for {
		err := h.roles.devices.WatchClaims(ctx, device, addrs, func(c netdev.Claim) {
			select {
			case claims <- c:
			default:
			}
		})
		if err == nil {
			return
		}
		h.roles.log.Debug("VIPs not watched", "err", err)
		if !sleep(ctx, time.Second) {
			return
		}
	}
}
