package config

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// Sync is the table [sync]: the kernel's sync daemon, which tells the other
// directors of connections.
type Sync struct {
	Mode       SyncMode
	Daemon     lvs.SyncDaemon // its role follows from the mode
	Peers      []netip.Addr   // from whom messages are let in; none: from everybody
	Threshold  int64          // packets before a connection is sent first
	Period     int64          // and packets between two times
	Refresh    time.Duration  // 0: by packets alone
	Retries    int64
	Ports      int64
	Persist    bool // only persistence templates and what they do not cover
	Queue      int64
	Sloppy     bool          // take connections of which nobody told over, too
	BackupOnly Choice        // forward nothing while a backup
	SecretFile string        // shared with the peers, who are asked then; "": they are not
	PeerPort   uint16        // TCP, where they ask
	Behind     time.Duration // how long a peer may hold much less before people are told
}

// Choice is yes, no, or what follows from the rest.
type Choice uint8

// The choices.
const (
	Deduced Choice = iota
	No
	Yes
)

// Asks tells whether the directors ask each other.
func (s *Sync) Asks() bool { return s != nil && s.SecretFile != "" }

// SyncMode is which sync daemons run.
type SyncMode string

// The modes.
const (
	SyncFollow SyncMode = "follow" // a master where active in an instance, a backup where not
	SyncBoth   SyncMode = "both"
	SyncMaster SyncMode = "master"
	SyncBackup SyncMode = "backup"
)

type rawSync struct {
	at
	Interface  text              `toml:"interface"`
	ID         number            `toml:"id"`
	Mode       text              `toml:"mode"`
	Peers      list[text, *text] `toml:"peers"`
	Group      text              `toml:"group"`
	Port       number            `toml:"port"`
	MaxLen     number            `toml:"maxlen"`
	TTL        number            `toml:"ttl"`
	Threshold  number            `toml:"threshold"`
	Period     number            `toml:"period"`
	Refresh    duration          `toml:"refresh"`
	Retries    number            `toml:"retries"`
	Ports      number            `toml:"ports"`
	Persist    boolean           `toml:"persistent_only"`
	Queue      number            `toml:"queue"`
	Sloppy     boolean           `toml:"sloppy"`
	BackupOnly boolean           `toml:"backup_only"`
	SecretFile text              `toml:"secret_file"`
	PeerPort   number            `toml:"peer_port"`
	Behind     duration          `toml:"behind_after"`
}

func (r *rawSync) decode(p *problems, n *node) { decodeTable(p, n, r, "a table [sync]") }

// sync reads [sync]; nil if there is none.
func (c *checker) sync(raw *rawSync, instances []VRRP) *Sync {
	if !raw.given() || raw.bad {
		return nil
	}
	s := &Sync{
		Mode:       SyncFollow,
		Daemon:     c.syncDaemon(raw),
		Threshold:  raw.Threshold.in(&c.problems, "threshold", 1, math.MaxInt32-1, 3),
		Refresh:    raw.Refresh.seconds(&c.problems, "refresh", 0, time.Hour),
		Retries:    raw.Retries.in(&c.problems, "retries", 0, 3, 0),
		Ports:      c.syncPorts(raw),
		Persist:    raw.Persist.value,
		Queue:      raw.Queue.in(&c.problems, "queue", 0, math.MaxInt32, 0),
		Sloppy:     raw.Sloppy.or(true),
		BackupOnly: choice(raw.BackupOnly),
		SecretFile: c.file(&raw.SecretFile, "secret_file"),
		PeerPort:   uint16(raw.PeerPort.in(&c.problems, "peer_port", 1, math.MaxUint16, defaultPeerPort)),
		Behind:     raw.Behind.in(&c.problems, "behind_after", time.Second, 24*time.Hour, defaultBehind),
	}
	s.Period = raw.Period.in(&c.problems, "period", 0, math.MaxInt32, max(50, s.Threshold+1))
	if raw.Period.ok() && s.Period != 0 && s.Period <= s.Threshold {
		c.add(raw.Period.pos, fmt.Sprintf("0 or more than the threshold of %d", s.Threshold), "period %d is too short", s.Period)
	}
	modes := []string{"follow", "both", "master", "backup"}
	if m, ok := choose(&c.problems, &raw.Mode, "mode", modes, word(SyncFollow, SyncBoth, SyncMaster, SyncBackup)); ok {
		s.Mode = m
	}
	if s.Mode == SyncFollow && len(instances) == 0 && !raw.Mode.bad {
		c.add(raw.pos, `a table [vrrp.NAME], or mode = "both", "master" or "backup"`, "no VRRP instance says what the sync daemon follows")
	}
	if s.BackupOnly == Yes && s.Mode == SyncBoth {
		c.add(raw.BackupOnly.pos, `backup_only with mode = "follow"`, "a director that is always a backup too would forward nothing")
	}
	if s.BackupOnly == Yes && s.Mode == SyncFollow && !MoveTogether(instances) {
		c.add(raw.BackupOnly.pos, "one group of all tables [vrrp.NAME]",
			"a director that is active in one instance and a standby in another would forward nothing")
	}
	s.Peers = c.peers(&raw.Peers, lvs.FamilyOf(s.Daemon.Target().Addr()))
	for i, a := range s.Peers {
		if group := s.Daemon.Target().Addr(); group.IsLinkLocalMulticast() && group.Is6() && a.IsValid() && !a.IsLinkLocalUnicast() {
			c.add(raw.Peers.values[i].pos, `an address in fe80::/10, or a wider group such as "ff05::81"`,
				"messages to %s come from link-local addresses, never from %s", group, a)
		}
	}
	if raw.SecretFile.ok() && len(raw.Peers.values) == 0 && !raw.Peers.bad {
		c.add(raw.SecretFile.pos, `peers = ["ADDRESS"]`, "secret_file is for questions to the peers, and there are none")
	}
	return s
}

// MoveTogether tells whether a director always has the same role in all instances.
func MoveTogether(all []VRRP) bool {
	if len(all) < 2 {
		return true
	}
	other := func(v VRRP) bool { return v.Group != all[0].Group || v.External }
	return all[0].Group != "" && !slices.ContainsFunc(all, other)
}

func choice(b boolean) Choice {
	switch {
	case !b.ok():
		return Deduced
	case b.value:
		return Yes
	}
	return No
}

// Defaults of the channel to the peers. The port is the first one behind those that
// the kernel's daemons can take by default.
const (
	defaultPeerPort = 8848 + 16
	defaultBehind   = 2 * time.Minute
)

func (c *checker) syncDaemon(raw *rawSync) lvs.SyncDaemon {
	d := lvs.SyncDaemon{
		Interface: c.needDevice(&raw.Interface, raw.pos, "sync"),
		ID:        uint8(raw.ID.in(&c.problems, "id", 0, math.MaxUint8, 0)),
		MaxLen:    uint16(raw.MaxLen.in(&c.problems, "maxlen", 100, 65507, 0)),
		Port:      uint16(raw.Port.in(&c.problems, "port", 1, math.MaxUint16, int64(lvs.SyncPort))),
		TTL:       uint8(raw.TTL.in(&c.problems, "ttl", 1, math.MaxUint8, 1)),
		Group:     lvs.SyncGroup,
	}
	if !raw.Group.ok() {
		return d
	}
	group, err := netip.ParseAddr(raw.Group.value)
	if err != nil || !group.IsMulticast() || group.Zone() != "" || group.Is4In6() {
		c.add(raw.Group.pos, "a multicast address", "%q is none", raw.Group.value)
		return d
	}
	d.Group = group
	return d
}

// syncPorts reads how many ports the daemons have, from port on: a power of two
// (proc_do_sync_ports, net/netfilter/ipvs/ip_vs_ctl.c).
func (c *checker) syncPorts(raw *rawSync) int64 {
	n := raw.Ports.in(&c.problems, "ports", 1, 16, 1)
	if n&(n-1) != 0 {
		c.add(raw.Ports.pos, "1, 2, 4, 8 or 16", "ports %d is no power of two", n)
	}
	first := raw.Port.in(&c.problems, "port", 1, math.MaxUint16, int64(lvs.SyncPort))
	if last := first + n - 1; last > math.MaxUint16 {
		c.add(raw.Ports.pos, fmt.Sprintf("a port of at most %d", math.MaxUint16+1-n), "the last of %d ports from %d on would be %d", n, first, last)
	}
	return n
}

// mixed refuses what the kernel cannot send: a real server of another family
// than its service excludes the sync daemon.
func (c *checker) mixed(raw *rawSync, services []Virtual) {
	if !raw.given() {
		return
	}
	for _, v := range services {
		for _, r := range append(v.Real[:len(v.Real):len(v.Real)], v.Fallback...) {
			if len(v.Keys) > 0 && lvs.FamilyOf(r.Address) != v.Keys[0].Family() {
				c.add(raw.pos, "no [sync], or real servers of their services' families",
					"virtual.%s tunnels to %s, which is of another family: the kernel has no sync daemon beside such a server", v.Name, r.Address)
				return
			}
		}
	}
}
