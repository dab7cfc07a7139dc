package integration

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// missing are the schedulers that the test kernel is built without.
func missing(t *testing.T, host *lab.Host) map[string]bool {
	t.Helper()
	without := map[string]bool{}
	for _, s := range lvs.Schedulers {
		if _, err := host.Run(t.Context(), "ipvsadm", "-A", "-t", "10.9.9.9:1", "-s", s); err != nil {
			without[s] = true
			continue
		}
		labtest.Run(t, host, "ipvsadm", "-D", "-t", "10.9.9.9:1")
	}
	return without
}

// Every scheduler that the kernel has, and every flag of each, comes back from
// the kernel as it was asked for.
func TestSchedulersAndFlags(t *testing.T) {
	l := labtest.New(t, lab.Topology{})
	lb := l.Host("lb1")
	without := missing(t, lb)
	if len(lvs.Schedulers)-len(without) < 10 {
		t.Errorf("the kernel has too few schedulers for this test to mean anything: it lacks %v", without)
	}
	var config strings.Builder
	want := map[string][]string{}
	port := 1000
	add := func(scheduler, flag string) {
		port++
		name := fmt.Sprintf("s%d", port)
		fmt.Fprintf(&config, "[virtual.%s]\nvip = \"10.0.1.200:%d\"\nforwarding = \"nat\"\nscheduler = %q\n", name, port, scheduler)
		want[name] = []string{scheduler}
		if flag != "" {
			fmt.Fprintf(&config, "scheduler_flags = [%q]\n", flag)
			bit, _ := lvs.ParseSchedulerFlag(scheduler, flag)
			want[name] = append(want[name], bit.Names(scheduler)...)
		}
		fmt.Fprintf(&config, "real.rs1 = \"10.0.1.101:80\"\nreal.rs2 = { address = \"10.0.1.102:80\", weight = 3 }\n\n")
	}
	for _, s := range lvs.Schedulers {
		if without[s] {
			continue
		}
		add(s, "")
		for _, flag := range lvs.SchedulerFlags(s) {
			add(s, flag)
		}
	}
	d := start(t, lb, config.String())
	d.settled()
	agrees(t, d)
	for _, s := range d.status().Services {
		got := append([]string{s.Scheduler}, s.Flags...)
		if w := want[s.Virtual]; fmt.Sprint(got) != fmt.Sprint(w) {
			t.Errorf("%s: got %v, want %v", s.Virtual, got, w)
		}
	}
}

// A scheduler that the kernel lacks is one clear error, and stops nothing else.
func TestSchedulerThatIsMissing(t *testing.T) {
	l := labtest.New(t, lab.Topology{})
	lb := l.Host("lb1")
	without := missing(t, lb)
	for scheduler := range without {
		d := start(t, lb, fmt.Sprintf("[virtual.bad]\nvip = \"10.0.1.200:81\"\nforwarding = \"nat\"\nscheduler = %q\nreal.a = \"10.0.1.101:80\"\n"+
			"[virtual.good]\nvip = \"10.0.1.200:82\"\nforwarding = \"nat\"\nreal.a = \"10.0.1.101:80\"\n", scheduler))
		s := d.status()
		if s.Daemon.InStep || len(s.Daemon.Errors) == 0 || !strings.Contains(s.Daemon.Errors[0], "10.0.1.200:81") {
			t.Errorf("scheduler %s: in step %t, errors %q", scheduler, s.Daemon.InStep, s.Daemon.Errors)
		}
		for _, service := range s.Services {
			if service.Present != (service.Virtual == "good") {
				t.Errorf("%s: present %t", service.Virtual, service.Present)
			}
		}
		d.stop()
		return
	}
}

// At its upper threshold a server gets no new connection.
func TestThresholds(t *testing.T) {
	l := labtest.New(t, lab.Topology{BehindDirector: true})
	for _, rs := range realServers(l) {
		labtest.Must(rs.TCPEcho(":7"))(t)
	}
	d := start(t, l.Host("lb1"), vipTable(lab.VIP4)+fmt.Sprintf(
		"[virtual.echo]\nvip = \"%s:7\"\nforwarding = \"nat\"\nscheduler = \"rr\"\n"+
			"real.rs1 = { address = \"10.0.2.101:7\", upper_threshold = 2, lower_threshold = 1 }\n"+
			"real.rs2 = \"10.0.2.102:7\"\n", lab.VIP4))
	client := l.Host("client")
	by := map[string]int{}
	for range 8 {
		c := labtest.Must(client.Dial(t.Context(), "tcp", fmt.Sprintf("%s:7", lab.VIP4)))(t)
		defer c.Close()
		by[strings.Fields(labtest.Ask(t, c, "hello"))[0]]++
	}
	if by["rs1"] > 2 || by["rs1"]+by["rs2"] != 8 {
		t.Errorf("8 open connections with a threshold of 2 at rs1: %v", by)
	}
	d.settled()
	s := d.status().Services[0].Servers[0]
	if s.Upper != 2 || s.Lower != 1 || s.Active != uint32(by["rs1"]) {
		t.Errorf("status of rs1: thresholds %d..%d, %d active; want 1..2, %d", s.Lower, s.Upper, s.Active, by["rs1"])
	}
}

func TestTimeouts(t *testing.T) {
	l := labtest.New(t, lab.Topology{})
	d := start(t, l.Host("lb1"), "[timeouts]\ntcp = \"10m\"\nudp = \"1m\"\n")
	if got := labtest.Run(t, d.host, "ipvsadm", "-L", "--timeout"); !strings.Contains(got, "600 120 60") {
		t.Errorf("ipvsadm says %q, want 600 120 60", got)
	}
	d.settled()
}
