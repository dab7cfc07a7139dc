package metrics

import (
	"slices"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/status"
)

// scrape is a sample with how it was read.
type scrape struct {
	Sample
	read bool
	took time.Duration
}

// family is a line of the table: a metric and where its series come from.
type family struct {
	name   string
	kind   dto.MetricType
	help   string
	series func(*scrape, add)
}

// add adds a series; its labels are sorted by name.
type add func(value float64, labels []*dto.LabelPair)

const (
	counter = dto.MetricType_COUNTER
	gauge   = dto.MetricType_GAUGE
)

// table makes the metrics of a sample. Those without series are left out.
func table(s *scrape) []*dto.MetricFamily {
	var all []*dto.MetricFamily
	for _, group := range [][]family{daemonTable, vrrpTable, guardTable, notifyTable, serviceTable(s), serverTable(s)} {
		for _, f := range group {
			if made := f.make(s); len(made.Metric) > 0 {
				all = append(all, made)
			}
		}
	}
	return all
}

func (f family) make(s *scrape) *dto.MetricFamily {
	made := &dto.MetricFamily{Name: &f.name, Help: &f.help, Type: &f.kind}
	f.series(s, func(value float64, labels []*dto.LabelPair) {
		m := &dto.Metric{Label: labels}
		if f.kind == counter {
			m.Counter = &dto.Counter{Value: &value}
		} else {
			m.Gauge = &dto.Gauge{Value: &value}
		}
		made.Metric = append(made.Metric, m)
	})
	return made
}

// labels gives label pairs of names and values in turn, which the caller has
// sorted by name.
func labels(pairs ...string) []*dto.LabelPair {
	list := make([]*dto.LabelPair, 0, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		list = append(list, &dto.LabelPair{Name: &pairs[i], Value: &pairs[i+1]})
	}
	return list
}

func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// unix is a time in seconds since 1970, as Prometheus has times.
func unix(t time.Time) float64 { return float64(t.UnixNano()) / 1e9 }

// one is a metric with a single series, which is not there where no daemon's
// status is.
func one(name string, kind dto.MetricType, help string, value func(*status.Daemon) float64) family {
	return family{name, kind, help, func(s *scrape, add add) {
		if s.Status.Daemon != nil {
			add(value(s.Status.Daemon), nil)
		}
	}}
}

// syncing is a metric with one series for each part in synchronisation.
func syncing(name, help string, has func(*status.Sync) []lvs.SyncRole) family {
	return family{name, gauge, help, func(s *scrape, add add) {
		if s.Status.Sync == nil {
			return
		}
		for _, role := range []lvs.SyncRole{lvs.SyncMaster, lvs.SyncBackup} {
			add(boolean(slices.Contains(has(s.Status.Sync), role)), labels("interface", s.Status.Sync.Interface, "role", role.String()))
		}
	}}
}

// peer is a metric with one series for each director with which connections are
// shared.
func peer(name, help string, value func(status.Peer) float64) family {
	return family{name, gauge, help, func(s *scrape, add add) {
		if s.Status.Sync == nil {
			return
		}
		for _, p := range s.Status.Sync.Peers {
			add(value(p), labels("peer", p.Address.String()))
		}
	}}
}

var daemonTable = []family{
	{"lvsd_scrape_kernel_read_success", gauge, "1 if the kernel could be read for this scrape; else there are no metrics of services, servers and VRRP.",
		func(s *scrape, add add) { add(boolean(s.read), nil) }},
	{"lvsd_scrape_kernel_read_duration_seconds", gauge, "Time that reading the kernel took for this scrape.",
		func(s *scrape, add add) { add(s.took.Seconds(), nil) }},
	one("lvsd_config_last_reload_successful", gauge, "0 if the last reload was refused, so that an older configuration is in force.",
		func(d *status.Daemon) float64 { return boolean(d.Reload == "") }),
	one("lvsd_config_loaded_timestamp_seconds", gauge, "When the configuration in force was read.",
		func(d *status.Daemon) float64 { return unix(d.Loaded) }),
	one("lvsd_reconcile_in_step", gauge, "1 if the kernel was as desired after the last round.",
		func(d *status.Daemon) float64 { return boolean(d.InStep) }),
	one("lvsd_reconcile_errors", gauge, "What could not be done or read in the last round and is tried again.",
		func(d *status.Daemon) float64 { return float64(len(d.Errors)) }),
	{"lvsd_reconcile_last_timestamp_seconds", gauge, "When the kernel was last compared with the configuration.",
		func(s *scrape, add add) {
			if d := s.Status.Daemon; d != nil && !d.Checked.IsZero() {
				add(unix(d.Checked), nil)
			}
		}},
	one("lvsd_drift_repaired_total", counter, "What others had changed in the kernel and lvsd put right.",
		func(d *status.Daemon) float64 { return float64(d.Drift.Repaired) }),
	syncing("lvsd_sync_daemon_running", "1 if the kernel has the sync daemon, by role (master sends connections, backup receives them).",
		func(s *status.Sync) []lvs.SyncRole { return s.Daemons }),
	syncing("lvsd_sync_daemon_wanted", "1 if the configuration and the director's role want the sync daemon.",
		func(s *status.Sync) []lvs.SyncRole { return s.Roles }),
	peer("lvsd_sync_peer_behind", "1 if the other director holds much less than this one, which sends to it.",
		func(p status.Peer) float64 { return boolean(p.Behind) }),
	peer("lvsd_sync_peer_connections", "Connections that the other director said it holds.",
		func(p status.Peer) float64 { return float64(p.Connections.Connections) }),
	{"lvsd_sync_peer_last_answered_timestamp_seconds", gauge, "When the other director last answered a question about its connections.",
		func(s *scrape, add add) {
			if s.Status.Sync == nil {
				return
			}
			for _, p := range s.Status.Sync.Peers {
				if !p.Answered.IsZero() {
					add(unix(p.Answered), labels("peer", p.Address.String()))
				}
			}
		}},
	{"lvsd_vip_present", gauge, "1 if an address of [vip] is on its interface.",
		func(s *scrape, add add) {
			for _, v := range s.Status.VIPs {
				add(boolean(v.Present), labels("address", v.Address.String(), "interface", v.Interface))
			}
		}},
}
