package daemon

import (
	"context"
	"time"
)

// How long a director waits for the connections of others when it starts: without
// taking part in elections, and then as the one that nobody wants.
const (
	lateSoon = 200 * time.Millisecond
	lateMost = 30 * time.Second
)

// elect begins the elections. A director of high priority that came back empty would
// take the VIPs from the one that has the connections, and they would end: so until it
// has got them it is active only where nobody else is.
func (d *Director) elect(ctx context.Context) error {
	if d.sharing.await(ctx, lateSoon) {
		d.roles.start()
		return nil
	}
	d.log().Info("this director waits for the connections of others before it takes over from them")
	d.roles.setLate(true)
	d.roles.start()
	got := d.sharing.await(ctx, lateMost)
	d.log().Info("this director bids with its own priority", "connections_got", got)
	d.roles.setLate(false)
	return nil
}

// setLate changes the priority of every instance: to that of the last resort, or
// back.
func (r *roles) setLate(late bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.late = late
	r.reconfigure()
}
