package integration

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
)

const foreign = "-A -t 10.0.1.99:25 -s rr\n-a -t 10.0.1.99:25 -r 10.0.1.101:25 -g -w 7\n"

// natConfig uses every kind of kernel thing: services, an address, rules,
// parameters and time-outs.
func natConfig() string {
	return vipTable(lab.VIP4) + "[nat]\nmasquerade = [\"10.0.2.0/24\"]\n[timeouts]\ntcp = \"10m\"\n" + fmt.Sprintf(
		"[virtual.web]\nvip = \"%s:80\"\nforwarding = \"nat\"\nscheduler = \"wrr\"\nsnat = true\n"+
			"real.rs1 = \"10.0.2.101\"\nreal.rs2 = { address = \"10.0.2.102\", weight = 2 }\n", lab.VIP4)
}

// Whatever somebody does to the kernel is put right within one resync and told
// as drift.
func TestDriftIsRepaired(t *testing.T) {
	l := labtest.New(t, lab.Topology{BehindDirector: true})
	lb := l.Host("lb1")
	d := start(t, lb, natConfig())
	before := d.table()
	vip := lab.VIP4.String()
	for _, vandal := range []struct{ name, script string }{
		{"clear the table", "ipvsadm -C"},
		{"delete a server", "ipvsadm -d -t " + vip + ":80 -r 10.0.2.101:80"},
		{"add a server", "ipvsadm -a -t " + vip + ":80 -r 10.0.2.109:80 -m -w 5"},
		{"change a weight", "ipvsadm -e -t " + vip + ":80 -r 10.0.2.102:80 -m -w 9"},
		{"change a threshold", "ipvsadm -e -t " + vip + ":80 -r 10.0.2.102:80 -m -w 2 -x 5 -y 2"},
		{"change the method", "ipvsadm -e -t " + vip + ":80 -r 10.0.2.102:80 -g -w 2"},
		{"change the scheduler", "ipvsadm -E -t " + vip + ":80 -s lc"},
		{"make it persistent", "ipvsadm -E -t " + vip + ":80 -s wrr -p 60"},
		{"change the time-outs", "ipvsadm --set 100 100 100"},
		{"flush the nat table", "iptables -t nat -F"},
		{"delete the jump", "iptables -t nat -D POSTROUTING -j LVSD-POSTROUTING"},
		{"double the jump", "iptables -t nat -I POSTROUTING -j LVSD-POSTROUTING"},
		{"add to our chain", "iptables -t nat -A LVSD-POSTROUTING -s 10.7.7.7 -j MASQUERADE"},
		{"take the VIP", "ip addr del " + vip + "/32 dev eth0"},
		{"stop forwarding", "sysctl -qw net.ipv4.ip_forward=0"},
	} {
		t.Run(vandal.name, func(t *testing.T) {
			repaired, logged := d.status().Daemon.Drift.Repaired, d.log.count("drift repaired")
			labtest.NoError(t, lb.Script(t.Context(), vandal.script))
			eventually(t, "the drift is counted", func() bool { return d.status().Daemon.Drift.Repaired > repaired })
			eventually(t, "all is as it was", func() bool { return len(d.plan()) == 0 && slices.Equal(d.table(), before) })
			if got := d.log.count("drift repaired"); got <= logged {
				t.Errorf("%d repairs in the log, before there were %d:\n%s", got, logged, d.log)
			}
		})
	}
}

// What is not lvsd's is the same to the letter after start, reload, stop and
// removal.
func TestForeignIsUntouched(t *testing.T) {
	l := labtest.New(t, lab.Topology{BehindDirector: true})
	lb := l.Host("lb1")
	labtest.NoError(t, lb.Script(t.Context(), `ip addr add 10.0.1.99/32 dev eth0
iptables -t nat -A POSTROUTING -s 172.16.0.0/12 -j MASQUERADE
iptables -t nat -N THEIRS
iptables -t nat -A THEIRS -d 10.9.0.0/16 -j RETURN
iptables -A FORWARD -s 192.0.2.66/32 -j DROP
ipvsadm -A -t 10.0.1.99:25 -s rr
ipvsadm -a -t 10.0.1.99:25 -r 10.0.1.101:25 -g -w 7`))
	look := func() string {
		t.Helper()
		ipvs := strings.Split(labtest.Run(t, lb, "ipvsadm", "-Sn"), "\n")
		rules := strings.Split(labtest.Run(t, lb, "iptables", "-t", "nat", "-S")+labtest.Run(t, lb, "iptables", "-S"), "\n")
		mine := func(line string) bool {
			return strings.Contains(line, "LVSD-") || strings.Contains(line, lab.VIP4.String())
		}
		return strings.Join(slices.DeleteFunc(append(ipvs, rules...), mine), "\n")
	}
	before := look()
	same := func(when string) {
		t.Helper()
		if diff := cmp.Diff(before, look()); diff != "" {
			t.Errorf("after %s (-before +after):\n%s", when, diff)
		}
	}
	d := start(t, lb, natConfig())
	same("start")
	d.write(strings.Replace(natConfig(), "wrr", "wlc", 1))
	d.reload()
	same("reload")
	d.stop()
	same("stop")
	if table := strings.Join(d.table(), "\n"); !strings.Contains(table, lab.VIP4.String()) {
		t.Errorf("stopping took the service away:\n%s", table)
	}
	d.write("[timeouts]\ntcp = \"10m\"\n")
	d.start()
	same("removal")
	got := labtest.Run(t, lb, "ipvsadm", "-Sn") + labtest.Run(t, lb, "iptables", "-t", "nat", "-S") + labtest.Run(t, lb, "ip", "addr")
	for _, trace := range []string{"LVSD-", lab.VIP4.String()} {
		if strings.Contains(got, trace) {
			t.Errorf("removed from the file while the daemon was down, but %s is still there:\n%s", trace, got)
		}
	}
}

// With on_stop = "flush" the daemon takes all that is its own with it, and only
// that.
func TestFlushOnStop(t *testing.T) {
	l := labtest.New(t, lab.Topology{BehindDirector: true})
	lb := l.Host("lb1")
	cmd := lb.Command(t.Context(), "ipvsadm", "-R")
	cmd.Stdin = strings.NewReader(foreign)
	labtest.NoError(t, cmd.Run())
	d := start(t, lb, "[director]\non_stop = \"flush\"\n"+natConfig())
	if len(d.table()) != 5 {
		t.Errorf("before the stop: %q", d.table())
	}
	d.stop()
	if got := strings.Join(d.table(), "\n") + "\n"; got != foreign {
		t.Errorf("after the stop: %q", got)
	}
	got := labtest.Run(t, lb, "iptables", "-t", "nat", "-S") + labtest.Run(t, lb, "ip", "addr")
	if strings.Contains(got, "LVSD-") || strings.Contains(got, lab.VIP4.String()) {
		t.Errorf("after the stop there is still:\n%s", got)
	}
}

// With unmanaged = "remove" the whole table is the director's.
func TestUnmanagedIsRemoved(t *testing.T) {
	l := labtest.New(t, lab.Topology{BehindDirector: true})
	lb := l.Host("lb1")
	cmd := lb.Command(t.Context(), "ipvsadm", "-R")
	cmd.Stdin = strings.NewReader(foreign)
	labtest.NoError(t, cmd.Run())
	d := start(t, lb, "[director]\nunmanaged = \"remove\"\n"+natConfig())
	if got := strings.Join(d.table(), "\n"); strings.Contains(got, "10.0.1.99") {
		t.Errorf("the foreign service is still there:\n%s", got)
	}
}
