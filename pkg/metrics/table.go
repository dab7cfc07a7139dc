package metrics

import (
	"strconv"
	"time"

	dto "github.com/prometheus/client_model/go"

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
	for _, group := range [][]family{daemonTable, vrrpTable, notifyTable, serviceTable(s), serverTable(s)} {
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

// syncing is a metric with one series for each sync daemon.
func syncing(name, help string, is func(status.Sync) bool) family {
	return family{name, gauge, help, func(s *scrape, add add) {
		for _, d := range s.Status.Sync {
			add(boolean(is(d)), labels("id", strconv.Itoa(int(d.ID)), "interface", d.Interface, "role", d.Role.String()))
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
		func(d status.Sync) bool { return d.Running }),
	syncing("lvsd_sync_daemon_wanted", "1 if the configuration and the director's role want the sync daemon.",
		func(d status.Sync) bool { return d.Wanted }),
	{"lvsd_vip_present", gauge, "1 if an address of [vip] is on its interface.",
		func(s *scrape, add add) {
			for _, v := range s.Status.VIPs {
				add(boolean(v.Present), labels("address", v.Address.String(), "interface", v.Interface))
			}
		}},
}
