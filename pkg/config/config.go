// Package config turns TOML files into a Config: what the operator asked for,
// checked, with every default filled in and every name resolved. A file that
// does not pass gives every problem at once, each with file, line and column;
// there is no half-valid Config.
package config

import (
	"net/netip"
	"time"

	"github.com/lvsd/lvsd/pkg/health"
	"github.com/lvsd/lvsd/pkg/health/check"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// Config is a whole configuration. It is plain data: equal files give equal
// values, and lists come in the order of their names.
type Config struct {
	Director   Director
	Virtual    []Virtual // sorted by name
	Addresses  []lvs.Address
	VRRP       []VRRP         // sorted by name
	Sync       *Sync          // nil: no sync daemon is lvsd's
	Masquerade []netip.Prefix // sources of real servers' own outbound traffic
	Timeouts   lvs.Timeouts
	Notify     []Receiver // sorted by name
	Guard      *Guard     // nil: there is none
	Files      []string   // every file that was read, the first one first
}

// Director is the table [director].
type Director struct {
	Name      string        // default: the host name
	Resync    time.Duration // longest time between two comparisons with the kernel
	StateDir  string        // lock, socket and owned keys; a reboot may empty it
	DataDir   string        // what must outlast a reboot: overrides and the log of changes
	Group     string        // whose members may use the control socket as root may; "" is none
	GID       int           // Group's number
	Watch     bool          // reload when a file changes
	OnStop    OnStop
	Unmanaged Unmanaged
}

// OnStop is what happens to the kernel's state when the daemon stops.
type OnStop string

// The choices of on_stop.
const (
	KeepOnStop  OnStop = "keep"  // leave forwarding in place
	FlushOnStop OnStop = "flush" // remove what is lvsd's, and only that
)

// Unmanaged is what happens to virtual services that neither the file names nor
// lvsd made.
type Unmanaged string

// The choices of unmanaged.
const (
	KeepUnmanaged   Unmanaged = "keep"
	RemoveUnmanaged Unmanaged = "remove"
)

// Virtual is one table [virtual.NAME]: one or several kernel services with the
// same settings and the same real servers.
type Virtual struct {
	Name string
	Keys []lvs.ServiceKey // one for each VIP, in the file's order, or the one of a mark
	lvs.Settings
	Quiescent    bool            // a failed server gets weight 0; false removes it
	SNAT         bool            // masquerade what is forwarded by NAT
	Quorum       health.Quorum   // below it the fallback serves, if there is one
	MinAvailable int             // percent of the servers; if fewer are up, failures are not believed
	SlowStart    time.Duration   // over which a server that came up climbs to its weight
	Real         []Real          // sorted by name
	Limits       lvs.GuardLimits // by the guard
	Fallback     []Real          // in the file's order; named fallback, or fallback1, fallback2, …
}

// Real is one real server of a virtual service.
type Real struct {
	Name       string
	Address    netip.Addr
	Port       uint16 // 0: the port of the VIP
	Forwarding lvs.Forwarding
	Tunnel     lvs.Tunnel
	Weight     int32
	Upper      uint32
	Lower      uint32
	Checks     []Check // sorted by name; all must pass; a server without any is up
}

// Check is one check of a real server.
type Check struct {
	Name    string // its table's; "check" for the short form
	Spec    check.Spec
	Timing  health.Timing
	ViaVIP  bool       // sent to the VIP, through the kernel's forwarding to this one server
	Port    uint16     // 0: the server's, or through the VIP the VIP's
	Address netip.Addr // the zero Addr: the server's
	Source  netip.Addr // the zero Addr: the kernel chooses
	Mark    uint32     // of the check's packets; 0 is none
}

// Server is the real server as the kernel sees it behind one VIP.
func (r Real) Server(k lvs.ServiceKey) lvs.Server {
	port := r.Port
	if port == 0 {
		port = k.VIP.Port()
	}
	return lvs.Server{
		Key: netip.AddrPortFrom(r.Address, port),
		ServerSettings: lvs.ServerSettings{
			Forwarding: r.Forwarding,
			Tunnel:     r.Tunnel,
			Weight:     r.Weight,
			Upper:      r.Upper,
			Lower:      r.Lower,
		},
	}
}
