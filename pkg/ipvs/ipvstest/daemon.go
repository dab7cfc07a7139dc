package ipvstest

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// Daemons gives the sync daemons, the master first.
func (k *Kernel) Daemons() ([]lvs.SyncDaemon, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.failRead(); err != nil {
		return nil, fmt.Errorf("read sync daemons: %w", err)
	}
	var all []lvs.SyncDaemon
	for _, role := range []lvs.SyncRole{lvs.SyncMaster, lvs.SyncBackup} {
		if d, ok := k.daemons[role]; ok {
			all = append(all, d)
		}
	}
	return all, nil
}

const (
	ethernetPayload = 1472 // the longest message that fits a packet of 1500 bytes
	leastOfBackup   = 1024
	headers         = 28 // of IPv4 and UDP
	headers6        = 48 // of IPv6 and UDP
)

// StartDaemon starts a sync daemon with the kernel's choices filled in. Every
// interface exists.
func (k *Kernel) StartDaemon(d lvs.SyncDaemon) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, ok := k.daemons[d.Role]; ok {
		return fmt.Errorf("start %s: %w", d, unix.EEXIST)
	}
	d.Group, d.Port, d.TTL = d.Target().Addr(), d.Target().Port(), max(d.TTL, 1)
	switch {
	case d.MaxLen == 0:
		d.MaxLen = ethernetPayload
	case d.Role == lvs.SyncBackup:
		d.MaxLen = max(d.MaxLen, leastOfBackup)
	}
	if d.Group.Is6() {
		d.MaxLen = min(d.MaxLen, math.MaxUint16-headers6)
	}
	d.MaxLen = min(d.MaxLen, math.MaxUint16-headers)
	k.daemons[d.Role] = d
	return nil
}

// StopDaemon stops a sync daemon.
func (k *Kernel) StopDaemon(role lvs.SyncRole) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, ok := k.daemons[role]; !ok {
		return fmt.Errorf("stop the %s sync daemon: %w", role, unix.ESRCH)
	}
	delete(k.daemons, role)
	return nil
}

func daemons(t *testing.T, table Table) {
	for _, want := range []lvs.SyncDaemon{
		{Role: lvs.SyncMaster, Interface: "lo", ID: 7, MaxLen: 1000, TTL: 3, Port: 9999},
		{Role: lvs.SyncBackup, Interface: "lo", ID: 7},
		{Role: lvs.SyncMaster, Interface: "lo", MaxLen: 100},
		{Role: lvs.SyncBackup, Interface: "lo", MaxLen: 100},
		{Role: lvs.SyncBackup, Interface: "lo", MaxLen: 65507, Group: netip.MustParseAddr("ff05::81")},
	} {
		if err := table.StartDaemon(want); err != nil {
			t.Fatal(err)
		}
		if err := table.StartDaemon(want); !errors.Is(err, unix.EEXIST) {
			t.Errorf("started twice: %v", err)
		}
		got, err := table.Daemons()
		if err != nil || len(got) != 1 || !want.Same(got[0]) {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
		if err := table.StopDaemon(want.Role); err != nil {
			t.Error(err)
		}
		if err := table.StopDaemon(want.Role); !errors.Is(err, unix.ESRCH) {
			t.Errorf("stopped twice: %v", err)
		}
	}
	if got, err := table.Daemons(); err != nil || len(got) != 0 {
		t.Errorf("left: %v, %v", got, err)
	}
}
