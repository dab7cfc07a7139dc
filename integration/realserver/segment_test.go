package realserver

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
)

const tenMB = 10 << 20

// counters are what the kernel counts about packets that are too large.
type counters struct {
	fragments int // made or put together, on all hosts
	tooBig    int // ICMP messages that the director sent
}

func count(t *testing.T, l *lab.Lab) counters {
	t.Helper()
	var c counters
	for _, h := range l.Hosts() {
		for _, name := range []string{"IpFragCreates", "IpReasmReqds", "Ip6FragCreates", "Ip6ReasmReqds"} {
			c.fragments += counter(t, h, name)
		}
	}
	lb := l.Host("lb1")
	c.tooBig = counter(t, lb, "IcmpOutDestUnreachs") + counter(t, lb, "Icmp6OutPktTooBigs")
	return c
}

func counter(t *testing.T, h *lab.Host, name string) int {
	t.Helper()
	fields := strings.Fields(labtest.Run(t, h, "nstat", "--ignore", "--zeros", name))
	for i, f := range fields {
		if f == name {
			n, err := strconv.Atoi(fields[i+1])
			labtest.NoError(t, err)
			return n
		}
	}
	t.Fatalf("no counter %s on %s", name, h.Name)
	return 0
}

// transfer sends 10 MB up and fetches 10 MB.
func transfer(t *testing.T, client *lab.Host, w way) {
	t.Helper()
	c := client.HTTPClient()
	c.Timeout = time.Minute
	url := labtest.URL(w.vip(), 80)
	up, err := c.Post(url+"upload", "application/octet-stream", bytes.NewReader(make([]byte, tenMB)))
	labtest.NoError(t, err)
	var n int
	_, err = fmt.Fscan(up.Body, &n)
	up.Body.Close()
	if err != nil || n != tenMB {
		t.Errorf("upload: %d bytes arrived, %v", n, err)
	}
	down, err := c.Get(url + "bytes?n=" + strconv.Itoa(tenMB))
	labtest.NoError(t, err)
	defer down.Body.Close()
	var body bytes.Buffer
	if got, err := body.ReadFrom(down.Body); err != nil || got != tenMB || down.StatusCode != http.StatusOK {
		t.Errorf("download: %d bytes arrived, %v", got, err)
	}
}

// With an MTU of 1500 everywhere, no packet of 10 MB up and 10 MB down is too large
// for the tunnel; without the smaller segments some are.
func TestSegmentsFitIntoTheTunnel(t *testing.T) {
	for _, w := range ways {
		if !w.tunnel {
			continue
		}
		t.Run(w.name, func(t *testing.T) {
			if c := tooLarge(t, w, ""); c != (counters{}) {
				t.Errorf("%+v, want none", c)
			}
		})
		if !strings.HasPrefix(w.name, "ipip") {
			continue // once for each family is enough to see that they are too large otherwise
		}
		t.Run(w.name+" without the clamp", func(t *testing.T) {
			c := tooLarge(t, w, " --no-clamp")
			t.Logf("%+v", c)
			if c == (counters{}) {
				t.Error("none: the test shows nothing")
			}
		})
	}
}

// tooLarge counts packets that were too large, in a lab of its own: clients remember
// the size of the way.
func tooLarge(t *testing.T, w way, flags string) counters {
	t.Helper()
	l := labtest.New(t, lab.Topology{RealServers: 1})
	noOffload(t, l)
	rs := newServer(t, l.Host("rs1"))
	labtest.Must(rs.Web(":80"))(t)
	w.director(t, l.Host("lb1"), rs.Host)
	rs.do(w.setup() + flags)
	before := count(t, l)
	transfer(t, l.Host("client"), w)
	after := count(t, l)
	return counters{after.fragments - before.fragments, after.tooBig - before.tooBig}
}

// noOffload makes packets on the wire as large as they claim to be.
func noOffload(t *testing.T, l *lab.Lab) {
	t.Helper()
	for _, h := range l.Hosts() {
		labtest.NoError(t, h.Script(t.Context(), "ip link set eth0 gso_max_segs 1"))
	}
}
