package daemon

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/desired"
	"github.com/lvsd/lvsd/pkg/health"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// with puts another server into a verdict.
func with(v desired.Verdict, id desired.ServerKey, s health.Server) desired.Verdict {
	v.Servers[id] = desired.Server{Server: s}
	return v
}

func TestVerdictChanges(t *testing.T) {
	key := lvs.AddrKey(lvs.TCP, netip.MustParseAddrPort("192.0.2.1:80"))
	c := &config.Config{Virtual: []config.Virtual{{
		Name: "web", Keys: []lvs.ServiceKey{key},
		Real: []config.Real{
			{Name: "web1", Address: netip.MustParseAddr("10.0.0.1")},
			{Name: "web2", Address: netip.MustParseAddr("10.0.0.2")},
		},
	}}}
	rest := health.Server{State: health.Up}
	other := desired.ServerKey{Service: key, Server: netip.MustParseAddrPort("10.0.0.2:80")}
	verdict := func(s health.Server, lost bool) desired.Verdict {
		id := desired.ServerKey{Service: key, Server: netip.MustParseAddrPort("10.0.0.1:80")}
		return desired.Verdict{
			Servers:  map[desired.ServerKey]desired.Server{id: {Server: s}, other: {Server: rest}},
			Services: map[lvs.ServiceKey]desired.Service{key: {Lost: lost}},
		}
	}
	drained := func(s health.Server) desired.Verdict {
		v := verdict(s, false)
		id := desired.ServerKey{Service: key, Server: netip.MustParseAddrPort("10.0.0.1:80")}
		v.Servers[id] = desired.Server{Server: s, Drained: true}
		return v
	}
	up, unknown := health.Server{State: health.Up}, health.Server{State: health.Unknown}
	down := health.Server{State: health.Down, Error: "connection refused"}
	flapping, flappingDown := health.Server{State: health.Up, Flapping: true}, health.Server{State: health.Down, Flapping: true}
	tests := []struct {
		name          string
		before, after desired.Verdict
		want          []string
	}{
		{"nothing", verdict(up, false), verdict(up, false), nil},
		{"the first success is no news", verdict(unknown, false), verdict(up, false), nil},
		{"the first failure is", verdict(unknown, false), verdict(down, false), []string{
			"server-down unknown>down web/web1 10.0.0.1:80 connection refused",
		}},
		{"down, and with it the service", verdict(up, false), verdict(down, true), []string{
			"server-down up>down web/web1 10.0.0.1:80 connection refused",
			"service-down up>down web/ tcp 192.0.2.1:80 too few of its real servers are up",
		}},
		{"up again", verdict(down, true), verdict(up, false), []string{
			"server-up down>up web/web1 10.0.0.1:80 ", "service-up down>up web/ tcp 192.0.2.1:80 ",
		}},
		{"flapping begins", verdict(down, false), verdict(flapping, false), []string{"server-flapping down>up web/web1 10.0.0.1:80 "}},
		{"flapping goes on", verdict(flapping, false), verdict(flappingDown, false), nil},
		{"settled up", verdict(flapping, false), verdict(up, false), []string{"server-up up>up web/web1 10.0.0.1:80 "}},
		{"settled down", verdict(flappingDown, false), verdict(down, false), []string{
			"server-down down>down web/web1 10.0.0.1:80 connection refused",
		}},
		{"the last one goes", with(verdict(up, false), other, down), with(verdict(down, false), other, down), []string{
			"server-down up>down web/web1 10.0.0.1:80 connection refused",
			"service-down up>down web/ tcp 192.0.2.1:80 too few of its real servers are up",
		}},
		{"drained", verdict(up, false), drained(up), nil},
		{"a drained one fails", drained(up), drained(down), []string{
			"not told", "server-down up>down web/web1 10.0.0.1:80 connection refused",
		}},
		{"a drained one fails, and the others have", with(drained(up), other, down), with(drained(down), other, down), []string{
			"not told", "server-down up>down web/web1 10.0.0.1:80 connection refused",
		}},
		{"taken back while it is down", drained(down), verdict(down, false), []string{
			"not logged", "server-down down>down web/web1 10.0.0.1:80 connection refused",
		}},
		{"taken back while it is up ends what was told before", drained(up), verdict(up, false), []string{
			"not logged", "server-up up>up web/web1 10.0.0.1:80 ",
		}},
		{"taken back while nothing is known", drained(unknown), verdict(unknown, false), nil},
		{"the last one beside a drained one goes", drained(up), with(drained(up), other, down), []string{
			"server-down up>down web/web2 10.0.0.2:80 connection refused",
			"service-down up>down web/ tcp 192.0.2.1:80 too few of its real servers are up",
		}},
		{"before the first verdict", desired.Verdict{}, verdict(up, false), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, e := range verdictChanges(c, tt.before, tt.after, time.Now()) {
				if e.told != e.logged {
					got = append(got, map[bool]string{true: "not logged", false: "not told"}[e.told])
				}
				got = append(got, string(e.Kind)+" "+e.From+">"+e.To+" "+e.Virtual+"/"+e.Real+" "+e.Address+" "+e.Cause)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}
