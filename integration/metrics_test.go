package integration

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
)

// httpAddress is where the directors of the tests serve their page and metrics.
const httpAddress = "127.0.0.1:9280"

// scrape gets the metrics of a host's director, by their names with labels.
func scrape(t *testing.T, h *lab.Host) map[string]float64 {
	t.Helper()
	values := map[string]float64{}
	for line := range strings.Lines(labtest.Get(t, h, "http://"+httpAddress+"/metrics")) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		i := strings.LastIndex(line, " ")
		values[line[:i]] = labtest.Must(strconv.ParseFloat(strings.TrimSpace(line[i:]), 64))(t)
	}
	return values
}

// columns are the counters of `ipvsadm -Ln --stats --exact`, in its order.
var columns = []string{"connections", "incoming_packets", "outgoing_packets", "incoming_bytes", "outgoing_bytes"}

// exactStats reads those counters as the metrics' names have them. ipvsadm speaks to
// the kernel with code of its own.
func exactStats(t *testing.T, h *lab.Host, names map[string]string) map[string]float64 {
	t.Helper()
	values := map[string]float64{}
	service := ""
	for line := range strings.Lines(labtest.Run(t, h, "ipvsadm", "-Ln", "--stats", "--exact")) {
		words := strings.Fields(line)
		if len(words) != 7 || words[0] != "TCP" && words[0] != "->" || words[1] == "RemoteAddress:Port" {
			continue
		}
		metric, labels := "lvsd_server_", ""
		if words[0] == "TCP" {
			service = "tcp " + words[1]
			metric, labels = "lvsd_service_", fmt.Sprintf("{service=%q,virtual=\"web\"}", service)
		} else {
			labels = fmt.Sprintf("{address=%q,real=%q,service=%q,virtual=\"web\"}", words[1], names[words[1]], service)
		}
		for i, column := range columns {
			values[metric+column+"_total"+labels] = labtest.Must(strconv.ParseFloat(words[i+2], 64))(t)
		}
	}
	return values
}

// The counters are the kernel's, to the last packet.
func TestMetricsAgreeWithIPVSAdm(t *testing.T) {
	l := labtest.New(t, lab.Topology{BehindDirector: true})
	lb, client := l.Host("lb1"), l.Host("client")
	names := map[string]string{}
	config := fmt.Sprintf("[http]\n%s[virtual.web]\nvip = \"%s:80\"\nforwarding = \"nat\"\nscheduler = \"rr\"\n", vipTable(lab.VIP4), lab.VIP4)
	for _, rs := range realServers(l) {
		labtest.Must(rs.Web(":80"))(t)
		names[rs.V4.String()+":80"] = rs.Name
		config += fmt.Sprintf("real.%s = %q\n", rs.Name, rs.V4)
	}
	start(t, lb, config)
	for range 10 {
		labtest.Get(t, client, labtest.URL(lab.VIP4, 80))
	}
	// The kernel sums up every two seconds; when nothing moves any more, all agree.
	var want, got map[string]float64
	eventually(t, "the counters of ten connections", func() bool {
		want = exactStats(t, lb, names)
		all := scrape(t, lb)
		got = map[string]float64{}
		for name := range want {
			got[name] = all[name]
		}
		return want[fmt.Sprintf("lvsd_service_connections_total{service=\"tcp %s:80\",virtual=\"web\"}", lab.VIP4)] == 10 &&
			maps.Equal(want, exactStats(t, lb, names))
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-ipvsadm +metrics):\n%s", diff)
	}
	if len(want) != 15 {
		t.Errorf("%d counters of a service and two servers: %v", len(want), want)
	}
	labtest.Run(t, lb, "ipvsadm", "-C")
	eventually(t, "the repair is counted", func() bool { return scrape(t, lb)["lvsd_drift_repaired_total"] >= 3 })
}

// vrrpMetrics are what the metrics say of the instance "front".
func vrrpMetrics(t *testing.T, h *lab.Host) (role string, transitions, sent, received float64) {
	t.Helper()
	all := scrape(t, h)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if rest, ok := strings.CutPrefix(name, `lvsd_vrrp_role{role="`); ok && all[name] == 1 {
			role = strings.TrimSuffix(rest, `",vrrp="front"}`)
		}
	}
	of := func(name string) float64 { return all["lvsd_vrrp_"+name+`{vrrp="front"}`] }
	return role, of("transitions_total"), of("adverts_sent_total"), of("adverts_received_total")
}

// Two directors of a pair tell their roles, and count adverts and transitions.
func TestMetricsOfAPair(t *testing.T) {
	l := newPairLab(t)
	e := election{interval: "100ms", more: "[sync]\ninterface = \"eth0\"\nid = 51\n[http]\n"}
	a, b := startPlain(t, l.Host("lb1"), e.config(200)), startPlain(t, l.Host("lb2"), e.config(100))
	a.becomes("active", true)
	b.becomes("backup", false)
	eventually(t, "the metrics of both", func() bool {
		roleA, _, sentA, _ := vrrpMetrics(t, a.host)
		roleB, _, _, receivedB := vrrpMetrics(t, b.host)
		return roleA == "active" && roleB == "standby" && sentA > 3 && receivedB > 3
	})
	_, before, _, _ := vrrpMetrics(t, b.host)
	a.run("failover")
	b.becomes("active", true)
	eventually(t, "the metrics of a failover", func() bool {
		role, transitions, _, _ := vrrpMetrics(t, b.host)
		all := scrape(t, b.host)
		return role == "active" && transitions == before+1 &&
			all[`lvsd_sync_daemon_running{interface="eth0",role="master"}`] == 1 &&
			all[fmt.Sprintf(`lvsd_vrrp_vip_present{address="%s/32",interface="eth0",vrrp="front"}`, lab.VIP4)] == 1
	})
}

// Ten thousand servers are read and written in good time, and the rounds go on.
func TestMetricsOfTenThousandServers(t *testing.T) {
	l := labtest.New(t, lab.Topology{})
	lb := l.Host("lb1")
	var config strings.Builder
	config.WriteString("[http]\n")
	for i := range 500 {
		fmt.Fprintf(&config, "[virtual.s%d]\nvip = \"10.9.%d.%d:80\"\nforwarding = \"nat\"\n", i, i/250, i%250)
		for j := range 20 {
			fmt.Fprintf(&config, "real.r%d = \"10.%d.%d.%d\"\n", j, 20+i/250, i%250, j+1)
		}
	}
	d := start(t, lb, config.String())
	var best time.Duration
	for range 3 {
		begin := time.Now()
		values := scrape(t, lb)
		took := time.Since(begin)
		if best == 0 || took < best {
			best = took
		}
		if values["lvsd_scrape_kernel_read_success"] != 1 || len(values) < 100_000 {
			t.Fatalf("%d series", len(values))
		}
		t.Logf("scraped and parsed in %s, of it the kernel's part %.3fs", took, values["lvsd_scrape_kernel_read_duration_seconds"])
	}
	if best > 10*time.Second { // a bound for a busy machine; the log has the time
		t.Errorf("a scrape took %s", best)
	}
	if !d.status().Daemon.InStep {
		t.Error("the kernel is not as configured")
	}
}

// Whoever opens a thousand connections, sends a gigabyte or reads nothing of a large
// answer holds up neither the rounds nor other people.
func TestAbusedListener(t *testing.T) {
	l := labtest.New(t, lab.Topology{})
	lb := l.Host("lb1")
	d := start(t, lb, "[http]\n[virtual.web]\nvip = \"10.9.0.1:80\"\nforwarding = \"nat\"\nreal.rs1 = \"10.0.1.101\"\n")
	dial := func() net.Conn {
		c := labtest.Must(lb.Dial(t.Context(), "tcp", httpAddress))(t)
		t.Cleanup(func() { c.Close() })
		return c
	}
	for i := range 1000 {
		if c := dial(); i%2 == 0 {
			fmt.Fprint(c, "GET /metrics HTTP/1.1\r\nHost: x\r\n") // and never the end of it
		}
	}
	large := dial()
	fmt.Fprintf(large, "POST /api/status HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", 1<<30)
	_, err := io.Copy(large, io.LimitReader(zeros{}, 1<<30))
	if err == nil {
		t.Error("a gigabyte was taken")
	}
	for range 3 {
		if got := scrape(t, lb)["lvsd_scrape_kernel_read_success"]; got != 1 {
			t.Errorf("the scrape beside them: %v", got)
		}
	}
	labtest.Run(t, lb, "ipvsadm", "-C")
	eventually(t, "what was removed is put back", func() bool { return len(d.table()) == 2 })
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }

// A port that another process has does not stop the director.
func TestTakenPort(t *testing.T) {
	l := labtest.New(t, lab.Topology{})
	lb := l.Host("lb1")
	taken := labtest.Must(lb.Listen("tcp", httpAddress))(t)
	d := start(t, lb, "[http]\n[virtual.web]\nvip = \"10.9.0.1:80\"\nforwarding = \"nat\"\nreal.rs1 = \"10.0.1.101\"\n")
	eventually(t, "it is told", func() bool { return d.log.count("address already in use") == 1 })
	if s := d.status(); !s.Daemon.InStep {
		t.Errorf("%+v", s.Daemon)
	}
	taken.Close()
	client := lb.HTTPClient()
	ready := func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		req := labtest.Must(http.NewRequestWithContext(ctx, http.MethodGet, "http://"+httpAddress+"/readyz", nil))(t)
		resp, err := client.Do(req)
		if errors.Is(err, context.DeadlineExceeded) || err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}
	eventually(t, "it is served after all", ready)
}
