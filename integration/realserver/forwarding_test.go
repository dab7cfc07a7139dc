package realserver

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
)

// Without the setup the client gets nothing, with it this server answers; a second
// setup changes nothing, and after the teardown the host is as it was.
func TestEveryWay(t *testing.T) {
	l := labtest.New(t, lab.Topology{RealServers: 1})
	rs := newServer(t, l.Host("rs1"))
	labtest.Must(rs.Web(":80"))(t)
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			rs := &server{Host: rs.Host, t: t, dir: rs.dir}
			w.director(t, l.Host("lb1"), rs.Host)
			before := rs.snapshot()
			unanswered(t, l.Host("client"), w)
			rs.do(w.setup())
			if got := labtest.Get(t, l.Host("client"), labtest.URL(w.vip(), 80)); got != "rs1" {
				t.Errorf("%q answered", got)
			}
			if out := rs.do(w.setup()); out != "nothing to change\n" {
				t.Errorf("the second setup:\n%s", out)
			}
			if out, code := rs.run(w.status() + " --port 80"); code != 0 {
				t.Errorf("status: exit code %d\n%s", code, out)
			}
			if out := rs.do("teardown"); out != "" {
				t.Errorf("teardown:\n%s", out)
			}
			if diff := cmp.Diff(before, rs.snapshot()); diff != "" {
				t.Errorf("the host after the teardown (-before +after):\n%s", diff)
			}
		})
	}
}

// unanswered holds that a client gets nothing from the VIP.
func unanswered(t *testing.T, client *lab.Host, w way) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if got, err := client.Get(ctx, labtest.URL(w.vip(), 80)); err == nil {
		t.Errorf("before the setup %q answers", got)
	}
}

// The client and the router in front of the director find the VIP at the director
// only, however often they ask, while two real servers have it as well.
func TestOnlyTheDirectorIsFound(t *testing.T) {
	l := labtest.New(t, lab.Topology{Router: true})
	lb, router := l.Host("lb1"), l.Host("router")
	want := labtest.Must(lb.MAC("eth0"))(t).String()
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			w.director(t, lb, l.Host("rs1"), l.Host("rs2"))
			for _, name := range []string{"rs1", "rs2"} {
				rs := newServer(t, l.Host(name))
				web := labtest.Must(rs.Web(":80"))(t)
				t.Cleanup(func() { web.Close() })
				rs.do(w.setup())
				t.Cleanup(func() { rs.do("teardown") })
			}
			for range 100 {
				labtest.NoError(t, router.FlushNeighbours())
				c, err := router.Dial(t.Context(), "tcp", netip.AddrPortFrom(w.vip(), 80).String())
				labtest.NoError(t, err)
				c.Close()
				if got := labtest.Must(router.Neighbour(w.vip()))(t).String(); got != want {
					t.Fatalf("the router found %s at %s, want the director's %s", w.vip(), got, want)
				}
			}
		})
	}
}
