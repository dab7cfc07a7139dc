package ipvs

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// Daemons reads the sync daemons, the master first.
func (t *Table) Daemons() ([]lvs.SyncDaemon, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []lvs.SyncDaemon
	err := retry(func() error {
		all = nil
		return t.conn.dump(cmdGetDaemon, nil, func(attributes []byte) error {
			nested, err := find(attributes, attrDaemon)
			if err != nil {
				return err
			}
			d, err := parseDaemon(nested)
			all = append(all, d)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read sync daemons: %w", err)
	}
	return all, nil
}

func parseDaemon(b []byte) (lvs.SyncDaemon, error) {
	var d lvs.SyncDaemon
	a := attrs{rest: b}
	for a.next() {
		var err error
		switch a.typ {
		case daemonState:
			d.Role = lvs.SyncRole(a.uint32())
		case daemonInterface:
			d.Interface = a.name()
		case daemonID:
			d.ID = uint8(a.uint32())
		case daemonMaxLen:
			d.MaxLen = a.uint16()
		case daemonGroup:
			d.Group, err = parseAddress(a.value, lvs.IPv4)
		case daemonGroup6:
			d.Group, err = parseAddress(a.value, lvs.IPv6)
		case daemonPort:
			d.Port = a.uint16()
		case daemonTTL:
			d.TTL = a.uint8()
		}
		if err != nil {
			return d, err
		}
	}
	return d, a.err
}

// StartDaemon starts a sync daemon. It is unix.EEXIST if there is one of its
// role, unix.ENODEV if there is no such interface, and unix.EINVAL if the
// interface has no address of the group's family, or if a virtual service has a
// real server of the other family: the kernel cannot send such connections.
func (t *Table) StartDaemon(d lvs.SyncDaemon) error {
	err := t.command(cmdNewDaemon, func(w *buffer) {
		w.uint32(daemonState, uint32(d.Role))
		w.name(daemonInterface, d.Interface)
		w.uint32(daemonID, uint32(d.ID))
		if d.MaxLen != 0 {
			w.uint16(daemonMaxLen, d.MaxLen)
		}
		switch {
		case d.Group.Is4():
			w.address(daemonGroup, d.Group)
		case d.Group.Is6():
			w.address(daemonGroup6, d.Group)
		}
		if d.Port != 0 {
			w.uint16(daemonPort, d.Port)
		}
		if d.TTL != 0 {
			w.uint8(daemonTTL, d.TTL)
		}
	})
	if err != nil {
		return fmt.Errorf("start %s: %w", d, err)
	}
	return nil
}

// StopDaemon stops a sync daemon. It is unix.ESRCH if there is none of the role.
func (t *Table) StopDaemon(role lvs.SyncRole) error {
	err := t.command(cmdDelDaemon, func(w *buffer) { w.uint32(daemonState, uint32(role)) })
	if err != nil {
		return fmt.Errorf("stop the %s sync daemon: %w", role, err)
	}
	return nil
}

// command sends one command about a daemon and waits for its outcome. A question
// goes with it whose answer ends the waiting: the kernel says nothing at all about
// a daemon that is stopped before its thread has run (kthread_stop gives EINTR,
// which netlink_rcv_skb does not answer).
func (t *Table) command(cmd uint8, write func(*buffer)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.conn
	first := c.seq + 1
	c.seq += 2
	c.out.b = c.out.b[:0]
	at := c.out.message(c.family, unix.NLM_F_ACK, first, cmd)
	nest := c.out.begin(attrDaemon | unix.NLA_F_NESTED)
	write(&c.out)
	c.out.end(nest)
	c.out.endMessage(at)
	at = c.out.message(c.family, unix.NLM_F_ACK, c.seq, cmdGetInfo)
	c.out.endMessage(at)
	if err := c.send(); err != nil {
		return err
	}
	errs := make([]error, 2)
	if err := c.collect(errs, first, 1); err != nil {
		return err
	}
	return errs[0]
}
