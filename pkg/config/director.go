package config

import (
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"time"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// Defaults and bounds of [director] and [timeouts].
const (
	defaultResync   = 30 * time.Second
	defaultStateDir = "/run/lvsd"
	defaultDataDir  = "/var/lib/lvsd"

	// maxStateDir leaves room for "/lvsd.sock" in the 107 bytes of a unix
	// socket's path (sun_path, unix(7)).
	maxStateDir = 97

	// maxTimeout is INT_MAX / HZ for a kernel of 1000 Hz
	// (ip_vs_set_timeout, net/netfilter/ipvs/ip_vs_ctl.c).
	maxTimeout = 2147483 * time.Second
)

func (c *checker) director(raw *rawDirector) Director {
	d := Director{
		Name:      c.directorName(raw),
		Resync:    raw.Resync.in(&c.problems, "resync", time.Second, time.Hour, defaultResync),
		StateDir:  c.stateDir(&raw.StateDir),
		DataDir:   c.dataDir(&raw.DataDir),
		Group:     raw.Group.value,
		GID:       c.group(&raw.Group),
		Watch:     raw.Watch.value,
		OnStop:    KeepOnStop,
		Unmanaged: KeepUnmanaged,
	}
	if v, ok := choose(&c.problems, &raw.OnStop, "on_stop", []string{"keep", "flush"}, word(KeepOnStop, FlushOnStop)); ok {
		d.OnStop = v
	}
	if v, ok := choose(&c.problems, &raw.Unmanaged, "unmanaged", []string{"keep", "remove"}, word(KeepUnmanaged, RemoveUnmanaged)); ok {
		d.Unmanaged = v
	}
	return d
}

func (c *checker) directorName(raw *rawDirector) string {
	if raw.Name.ok() {
		checkName(&c.problems, raw.Name.pos, "director", raw.Name.value)
		return raw.Name.value
	}
	name, err := os.Hostname()
	if err != nil {
		c.addCause(raw.pos, err, "default of director.name: read the host name")
	}
	return name
}

func (c *checker) stateDir(t *text) string {
	if !t.ok() {
		return defaultStateDir
	}
	dir := filepath.Clean(c.absolute(t, "state_dir"))
	if len(dir) > maxStateDir {
		c.add(t.pos, "at most 97, for the path of the socket in it", "state_dir is %d bytes long", len(dir))
	}
	return dir
}

func (c *checker) dataDir(t *text) string {
	if !t.ok() {
		return defaultDataDir
	}
	return filepath.Clean(c.absolute(t, "data_dir"))
}

// group gives the number of a group of this host.
func (c *checker) group(t *text) int {
	if !t.ok() || t.value == "" {
		return 0
	}
	g, err := user.LookupGroup(t.value)
	if err != nil {
		c.add(t.pos, "the name of a group in /etc/group", "this host has no group %q", t.value)
		return 0
	}
	id, err := strconv.Atoi(g.Gid)
	if err != nil {
		c.add(t.pos, "a group with a number", "group %q has the number %q", t.value, g.Gid)
	}
	return id
}

func (c *checker) timeouts(raw *rawTimeouts) lvs.Timeouts {
	return lvs.Timeouts{
		TCP:    raw.TCP.seconds(&c.problems, "timeouts.tcp", time.Second, maxTimeout),
		TCPFin: raw.TCPFin.seconds(&c.problems, "timeouts.tcpfin", time.Second, maxTimeout),
		UDP:    raw.UDP.seconds(&c.problems, "timeouts.udp", time.Second, maxTimeout),
	}
}
