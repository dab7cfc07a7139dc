package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// The results of a check, a round, an operation or a reload.
const (
	ok     = "ok"
	failed = "failed"
)

func (m *Metrics) meters() {
	m.checks = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "lvsd_check_duration_seconds", Help: "Time that the probes of checks took, by type of check and result (ok, failed).",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"type", "result"})
	m.rounds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "lvsd_reconcile_duration_seconds", Help: "Time that rounds of comparing with the kernel took, by result (ok: the kernel is as desired after it; failed).",
		Buckets: []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
	}, []string{"result"})
	m.operations = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "lvsd_reconcile_operations_total", Help: "Changes of the kernel, by result (ok, failed).",
	}, []string{"result"})
	m.reloads = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "lvsd_config_reloads_total", Help: "Reloads of the configuration since the start, by result (ok, failed: refused, the one before stays in force).",
	}, []string{"result"})
	m.pushed = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "lvsd_sync_pushed_connections_total", Help: "Connections that were pushed to the other directors, beside what the kernel sends by itself.",
	})
	m.unread = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "lvsd_scrape_errors_total", Help: "Scrapes for which the kernel could not be read.",
	})
	for _, result := range []string{ok, failed} {
		m.rounds.WithLabelValues(result)
		m.operations.WithLabelValues(result)
		m.reloads.WithLabelValues(result)
	}
}

func result(good bool) string {
	if good {
		return ok
	}
	return failed
}

// Probe counts a probe of a check of a type, such as "http".
func (m *Metrics) Probe(kind string, took time.Duration, good bool) {
	m.checks.WithLabelValues(kind, result(good)).Observe(took.Seconds())
}

// Round counts a round of reconciliation and its operations.
func (m *Metrics) Round(took time.Duration, good bool, done, undone int) {
	m.rounds.WithLabelValues(result(good)).Observe(took.Seconds())
	m.operations.WithLabelValues(ok).Add(float64(done))
	m.operations.WithLabelValues(failed).Add(float64(undone))
}

// Reload counts a reload of the configuration.
func (m *Metrics) Reload(good bool) { m.reloads.WithLabelValues(result(good)).Inc() }

// Pushed counts connections that were sent to the other directors.
func (m *Metrics) Pushed(connections int) { m.pushed.Add(float64(connections)) }
