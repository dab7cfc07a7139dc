package metrics

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"

	"github.com/lvsd/lvsd/pkg/health"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/notify"
	"github.com/lvsd/lvsd/pkg/status"
)

var update = flag.Bool("update", false, "write docs/metrics.md")

var then = time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)

// sample has everything that a metric may come from, in so many services with so
// many servers each.
func sample(services, servers int) Sample {
	s := Sample{
		Status: status.Status{
			Director: "lb1", Time: then,
			Daemon: &status.Daemon{
				Started: then.Add(-time.Hour), Loaded: then.Add(-time.Minute), Checked: then.Add(-time.Second),
				InStep: true, Drift: status.Drift{Repaired: 3},
			},
			VIPs: []status.VIP{{Address: netip.MustParsePrefix("192.0.2.9/32"), Interface: "eth0", Present: true}},
			Sync: &status.Sync{Interface: "eth1", Daemons: []lvs.SyncRole{lvs.SyncMaster}, Known: status.Known{
				Roles: []lvs.SyncRole{lvs.SyncMaster},
				Peers: []status.Peer{{Address: netip.MustParseAddr("10.0.9.2"), Answered: then, Connections: status.Connections{Connections: 7}}},
			}},
			Guard: &status.Guard{
				Loaded: true, Enforce: true, Allow: 2, Block: 3, Problems: []string{"a list"},
				Interfaces: []status.GuardInterface{{Interface: "eth0", Mode: "driver"}, {Interface: "eth1"}},
				VIPs: []status.GuardVIP{{
					VIP: netip.MustParseAddr("192.0.2.1"), Passed: status.GuardCount{Packets: 5, Bytes: 500}, Dropped: status.GuardCount{Packets: 7, Bytes: 420},
					Reasons: []status.GuardReason{{Reason: "blocked", Drops: true, Dropped: 7, Passed: 1}, {Reason: "allowed", Passed: 4}},
				}},
			},
			VRRP: []status.VRRP{{
				Name: "front", Interface: "eth0", ID: 51,
				Election: status.Election{
					Role: lvs.Active, State: "active", Since: then.Add(-time.Minute), Priority: 100, Heard: then.Add(-2 * time.Minute),
					Sent: 60, Received: 7, Refused: map[string]uint64{"checksum": 1, "ttl": 2}, Late: 0.001, Transitions: 2,
				},
				VIPs: []status.VIP{{Address: netip.MustParsePrefix("192.0.2.1/32"), Interface: "eth0", Present: true}},
			}},
		},
		Receivers: []notify.Status{{Name: "ops", Sent: 4, Failed: 3, Lost: 2, Waiting: 1}},
	}
	for i := range services {
		s.Status.Services = append(s.Status.Services, service(i, servers))
	}
	return s
}

func service(i, servers int) status.Service {
	v := status.Service{
		Virtual: fmt.Sprintf("web%d", i), Service: lvs.AddrKey(lvs.TCP, netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)}), 80)),
		SYNs:    &status.GuardSYNs{Seconds: 10, SYNs: 20, Repeated: 2},
		Present: true, Scheduler: "wlc", Counters: status.Traffic{Connections: 1 << 33, PacketsIn: 2, PacketsOut: 3, BytesIn: 4, BytesOut: 5},
	}
	for j := range servers {
		v.Servers = append(v.Servers, status.Server{
			Name: fmt.Sprintf("web%d", j), Address: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), byte(j)}), 80),
			Present: true, Weight: 1, Configured: 2, Active: 3, Inactive: 4, Persistent: 5,
			Counters: status.Traffic{Connections: 1 << 33, PacketsIn: 2, PacketsOut: 3, BytesIn: 4, BytesOut: 5},
			Health: &status.Health{
				State: health.Up, Since: then.Add(-time.Minute),
				Checks: []status.Check{{Name: "check", What: "http 10.0.0.1:80", State: health.Up, Last: status.Probe{At: then, Seconds: 0.003, OK: true}}},
			},
		})
	}
	return v
}

// of gives metrics of a sample on which everything has been counted once.
func of(s Sample, err error) *Metrics {
	m := New("1.2.3", func(context.Context) (Sample, error) { return s, err })
	m.Probe("http", 3*time.Millisecond, true)
	m.Round(time.Millisecond, true, 2, 1)
	m.Reload(false)
	m.Pushed(9)
	return m
}

func gather(t *testing.T, m *Metrics) []*dto.MetricFamily {
	t.Helper()
	families, err := m.Gather()
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// docs/metrics.md lists what is there.
func TestDocumentation(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "metrics.md")
	got := document(gather(t, of(sample(1, 1), nil)))
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("docs/metrics.md is old; -update writes it (-file +metrics):\n%s", diff)
	}
}

const heading = `# Metrics

What ` + "`/metrics`" + ` of a director shows to Prometheus, if the configuration has a table ` + "`[http]`" + `. Counters of IPVS are read from the kernel at each scrape, with 64 bits;
they begin anew when a service or a server is removed from the kernel and added again. Beside these there are the usual ` + "`go_*`" + ` and ` + "`process_*`" + `.
The labels ` + "`virtual`, `real`, `vrrp` and `receiver`" + ` are names of the configuration (empty for what only the kernel has), ` + "`service` and `address`" + ` are
what the kernel knows it by. [examples/monitoring](../examples/monitoring) has alert rules and a dashboard.

| metric | type | labels | what it says |
|---|---|---|---|
`

func document(families []*dto.MetricFamily) string {
	var b strings.Builder
	b.WriteString(heading)
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "lvsd_") {
			continue
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.GetName(), strings.ToLower(f.GetType().String()), strings.Join(labelNames(f), ", "), f.GetHelp())
	}
	return b.String()
}

func labelNames(f *dto.MetricFamily) []string {
	var names []string
	for _, l := range f.GetMetric()[0].GetLabel() {
		names = append(names, l.GetName())
	}
	return names
}

// What the registry would check for other metrics holds for the table's: one name
// is one family, labels are sorted, no series is there twice.
func TestConsistent(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range gather(t, of(sample(3, 3), nil)) {
		if seen[f.GetName()] {
			t.Errorf("%s is there twice", f.GetName())
		}
		seen[f.GetName()] = true
		for _, m := range f.GetMetric() {
			series := f.GetName() + fmt.Sprint(m.GetLabel())
			if seen[series] {
				t.Errorf("twice: %s", series)
			}
			seen[series] = true
			if !slices.IsSortedFunc(m.GetLabel(), func(a, b *dto.LabelPair) int { return strings.Compare(a.GetName(), b.GetName()) }) {
				t.Errorf("labels not sorted: %s", series)
			}
		}
	}
}

func scrapeText(t *testing.T, m *Metrics) string {
	t.Helper()
	server := httptest.NewServer(m.Handler())
	defer server.Close()
	resp, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s, %v", resp.Status, err)
	}
	return string(body)
}

func TestScrape(t *testing.T) {
	text := scrapeText(t, of(sample(1, 1), nil))
	for _, line := range []string{
		`lvsd_server_connections_total{address="10.0.0.0:80",real="web0",service="tcp 192.0.0.0:80",virtual="web0"} 8.589934592e+09`,
		`lvsd_server_up{address="10.0.0.0:80",real="web0",service="tcp 192.0.0.0:80",virtual="web0"} 1`,
		`lvsd_service_incoming_bytes_total{service="tcp 192.0.0.0:80",virtual="web0"} 4`,
		`lvsd_vrrp_role{role="active",vrrp="front"} 1`,
		`lvsd_vrrp_role{role="standby",vrrp="front"} 0`,
		`lvsd_vrrp_adverts_refused_total{reason="ttl",vrrp="front"} 2`,
		`lvsd_config_reloads_total{result="failed"} 1`,
		`lvsd_check_duration_seconds_count{result="ok",type="http"} 1`,
		`lvsd_reconcile_operations_total{result="ok"} 2`,
		`lvsd_sync_daemon_running{interface="eth1",role="master"} 1`,
		`lvsd_scrape_kernel_read_success 1`,
	} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("not there: %s", line)
		}
	}
}

// What is not known is not there, rather than 0.
func TestUnknown(t *testing.T) {
	s := sample(1, 2)
	s.Status.Services[0].Servers[0].Health = nil
	s.Status.Services[0].Servers[1].Health = &status.Health{State: health.Unknown}
	s.Status.VRRP[0].External = true
	text := scrapeText(t, of(s, nil))
	for _, name := range []string{"lvsd_server_up", "lvsd_server_check_duration_seconds", "lvsd_vrrp_priority", "lvsd_vrrp_adverts_sent_total"} {
		if strings.Contains(text, name) {
			t.Errorf("%s is there", name)
		}
	}
}

// A kernel that cannot be read leaves what the daemon knows.
func TestUnreadableKernel(t *testing.T) {
	s := sample(0, 0)
	s.Status.VRRP, s.Status.VIPs = nil, nil
	text := scrapeText(t, of(s, errors.New("no such device")))
	for _, line := range []string{"lvsd_scrape_kernel_read_success 0", "lvsd_scrape_errors_total 1", "lvsd_config_last_reload_successful 1"} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("not there: %s", line)
		}
	}
}

// The names and texts are as Prometheus wants them.
func TestPromtool(t *testing.T) {
	cmd := exec.Command("promtool", "check", "metrics")
	cmd.Stdin = strings.NewReader(scrapeText(t, of(sample(2, 2), nil)))
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}

// The number of series follows from the numbers of services and servers, and ten
// thousand servers are scraped in good time: within a second on a machine with
// nothing else to do.
func TestTenThousandServers(t *testing.T) {
	series := func(services, servers int) int {
		n := 0
		for _, f := range gather(t, of(sample(services, servers), nil)) {
			n += len(f.GetMetric())
		}
		return n
	}
	base, services := series(0, 0), series(1, 0)-series(0, 0)
	servers := series(1, 1) - series(1, 0)
	if got, want := series(20, 10), base+20*services+200*servers; got != want {
		t.Errorf("%d series, want %d", got, want)
	}
	if servers > 16 || services > 10 {
		t.Errorf("%d series for each server and %d for each service", servers, services)
	}
	m := of(sample(500, 20), nil)
	start := time.Now()
	text := scrapeText(t, m)
	took := time.Since(start)
	t.Logf("%d bytes, %d lines in %s", len(text), strings.Count(text, "\n"), took)
	if took > 10*time.Second {
		t.Errorf("a scrape of 10,000 servers took %s", took)
	}
}
