// Package metrics shows a director to Prometheus. Most metrics are a table of
// functions over a Sample, which is read when somebody asks; what happens between
// two scrapes, such as the time that each check takes, is counted by Metrics'
// methods. How many series there are is bounded by the configuration and the
// kernel's table: no label holds anything that a client or a server can make up.
// docs/metrics.md lists them all.
package metrics

import (
	"cmp"
	"context"
	"net/http"
	"runtime"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"

	"github.com/lvsd/lvsd/pkg/notify"
	"github.com/lvsd/lvsd/pkg/status"
)

const (
	// scrapes is how many may be under way; more are turned away with 503.
	scrapes = 4

	// readTime bounds the reading of a sample; Prometheus waits 10 s by default.
	readTime = 8 * time.Second
)

// Sample is a director at one moment.
type Sample struct {
	Status    status.Status
	Receivers []notify.Status
}

// Source gives samples. With an error, because the kernel could not be read, the
// sample has no services and no instances, but what the daemon itself knows. It is
// called by several goroutines.
type Source func(context.Context) (Sample, error)

// Metrics are those of one director.
type Metrics struct {
	source   Source
	registry *prometheus.Registry

	checks     *prometheus.HistogramVec // by type and result
	rounds     *prometheus.HistogramVec // by result
	operations *prometheus.CounterVec   // by result
	reloads    *prometheus.CounterVec   // by result
	pushed     prometheus.Counter
	unread     prometheus.Counter
}

// New gives the metrics of a director.
func New(version string, source Source) *Metrics {
	m := &Metrics{source: source, registry: prometheus.NewRegistry()}
	m.meters()
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "lvsd_build_info", Help: "1, with the version in the labels.",
	}, []string{"version", "goversion"})
	build.WithLabelValues(version, runtime.Version()).Set(1)
	m.registry.MustRegister(build, m.checks, m.rounds, m.operations, m.reloads, m.pushed, m.unread,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Gather reads a sample and gives all metrics, sorted by name. It is a
// prometheus.Gatherer. A kernel that cannot be read is a metric and no error.
//
// The sample's metrics do not pass a registry: with ten thousand servers its checks
// of each series would take most of a second. That names and labels are right is
// held by tests.
func (m *Metrics) Gather() ([]*dto.MetricFamily, error) {
	ctx, cancel := context.WithTimeout(context.Background(), readTime)
	defer cancel()
	start := time.Now()
	s, err := m.source(ctx)
	if err != nil {
		m.unread.Inc()
	}
	families, errRegistry := m.registry.Gather()
	families = append(families, table(&scrape{Sample: s, read: err == nil, took: time.Since(start)})...)
	slices.SortFunc(families, func(a, b *dto.MetricFamily) int { return cmp.Compare(a.GetName(), b.GetName()) })
	return families, errRegistry
}

// Handler answers scrapes.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m, promhttp.HandlerOpts{MaxRequestsInFlight: scrapes, EnableOpenMetrics: true})
}
