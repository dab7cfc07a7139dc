package desired

import (
	"fmt"
	"slices"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// Daemons are the sync daemons: by the mode, or by the roles in the VRRP
// instances. A director that is active in one and standby in another has both.
func Daemons(c *config.Config, host Host) map[lvs.SyncRole]lvs.SyncDaemon {
	if c.Sync == nil {
		return nil
	}
	master, backup := false, false
	switch c.Sync.Mode {
	case config.SyncBoth:
		master, backup = true, true
	case config.SyncMaster:
		master = true
	case config.SyncBackup:
		backup = true
	case config.SyncFollow:
		for _, v := range c.VRRP {
			active := host.Roles[v.Name] == lvs.Active || host.Roles[v.Name] == lvs.Undecided && carries(host, v)
			master, backup = master || active, backup || !active
		}
	}
	all := map[lvs.SyncRole]lvs.SyncDaemon{}
	add := func(role lvs.SyncRole, wanted bool) {
		if wanted {
			d := c.Sync.Daemon
			d.Role = role
			all[role] = d
		}
	}
	add(lvs.SyncMaster, master)
	add(lvs.SyncBackup, backup)
	return all
}

// carries tells whether the host has a VIP of an instance. Who has just started and
// finds them was active, and goes on like that until it knows.
func carries(host Host, v config.VRRP) bool {
	return slices.ContainsFunc(v.VIPs, func(a lvs.Address) bool {
		_, there := host.Addresses[a.AddressKey]
		return there
	})
}

// syncRules let messages and questions in from the peers only.
func syncRules(s *config.Sync) []lvs.Rule {
	if s == nil {
		return nil
	}
	tcp := uint16(0)
	if s.Asks() {
		tcp = s.PeerPort
	}
	return lvs.SyncRules(s.Daemon.Interface, s.Daemon.Target(), int(s.Ports), tcp, s.Peers)
}

// syncing are the parameters of connection synchronisation
// (Documentation/networking/ipvs-sysctl.rst).
func syncing(p parameters, s *config.Sync, silent bool) {
	if s == nil {
		return
	}
	const why = "[sync]"
	set := func(name, value string) { p.need(lvs.Sysctl{Key: "net.ipv4.vs." + name, Value: value, Why: why}) }
	flag := func(name string, on bool) {
		set(name, map[bool]string{false: "0", true: "1"}[on])
	}
	set("sync_threshold", fmt.Sprintf("%d %d", s.Threshold, s.Period))
	set("sync_refresh_period", fmt.Sprint(int64(s.Refresh.Seconds())))
	set("sync_retries", fmt.Sprint(s.Retries))
	set("sync_ports", fmt.Sprint(s.Ports))
	flag("sync_persist_mode", s.Persist)
	flag("sloppy_tcp", s.Sloppy)
	flag("sloppy_sctp", s.Sloppy)
	flag("backup_only", silent)
	if s.Queue != 0 {
		set("sync_qlen_max", fmt.Sprint(s.Queue))
	}
}
