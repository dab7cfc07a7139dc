package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/notify/notice"
)

// webhook is a server that keeps the events it is told.
type webhook struct {
	mu     sync.Mutex
	events []notice.Event
}

// newWebhook listens on the host at its port 9000.
func newWebhook(t *testing.T, host *lab.Host) *webhook {
	t.Helper()
	w := &webhook{}
	s := &http.Server{Handler: w}
	listener := labtest.Must(host.Listen("tcp", ":9000"))(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Serve(listener)
	}()
	t.Cleanup(func() {
		s.Close()
		<-done
	})
	return w
}

func (w *webhook) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	var body struct{ Events []notice.Event }
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || r.Header.Get("Authorization") != "Bearer x" {
		out.WriteHeader(http.StatusBadRequest)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, body.Events...)
}

// causes gives the causes of all events of a kind.
func (w *webhook) causes(kind notice.Kind) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var causes []string
	for _, e := range w.events {
		if e.Kind == kind {
			causes = append(causes, e.Cause)
		}
	}
	return causes
}

// People are told of drift, of a reload that is refused and of its end, and of
// nothing that was asked for.
func TestNotify(t *testing.T) {
	l := drLab(t, 2)
	lb, rs := l.Host("lb1"), l.Host("rs1")
	hook := newWebhook(t, rs)
	token := t.TempDir() + "/token"
	labtest.NoError(t, os.WriteFile(token, []byte("Bearer x\n"), 0o600))
	config := func(weights ...int) string {
		return webConfig(weights...) + fmt.Sprintf(
			"[notify.hook]\ntype = \"webhook\"\nurl = \"http://%s:9000/\"\nsecret_file = %q\n", rs.V4, token)
	}
	d := start(t, lb, config(1, 1))
	d.write(config(1, 2))
	d.reload()

	vip := lab.VIP4.String()
	labtest.NoError(t, lb.Script(t.Context(), "ipvsadm -d -t "+vip+":80 -r 10.0.1.101:80"))
	eventually(t, "the drift is told", func() bool { return len(hook.causes(notice.Drift)) == 1 })
	if got := hook.causes(notice.Drift); got[0] != "add 10.0.1.101:80 to tcp "+vip+":80 (dr weight 1)" {
		t.Errorf("drift: %q", got)
	}

	d.write(strings.Replace(config(1, 2), "wrr", "wr", 1))
	for range 2 {
		if _, err := control.Dial(d.socket()).Reload(t.Context()); err == nil {
			t.Error("a bad file is taken")
		}
	}
	eventually(t, "the refused reload is told", func() bool { return len(hook.causes(notice.ReloadRefused)) > 0 })
	d.write(config(1, 2))
	d.reload()
	eventually(t, "the end is told", func() bool { return len(hook.causes(notice.ReloadTaken)) > 0 })
	if got := hook.causes(notice.ReloadRefused); len(got) != 1 || !strings.Contains(got[0], "wrr") {
		t.Errorf("refused reloads: %q", got)
	}
	testMessages(t, d, hook)

	d.write(strings.Replace(config(1, 2), ":9000", ":9001", 1))
	d.reload()
	if out, err := d.command("notify", "test").Output(); err == nil || !strings.Contains(out, "hook: NOT taken: post to") {
		t.Errorf("nobody listens, but the test says %q, %v", out, err)
	}
	d.stop()
	for _, kind := range []notice.Kind{notice.KernelError, notice.ServerDown} {
		if got := hook.causes(kind); len(got) > 0 {
			t.Errorf("%s: %q; the log:\n%s", kind, got, d.log)
		}
	}
}

// testMessages sends one by the director, and none to a receiver that is not
// there.
func testMessages(t *testing.T, d *director, hook *webhook) {
	t.Helper()
	out, err := d.command("notify", "test", "hook").Output()
	if err != nil || !strings.HasPrefix(out, "hook: taken (") {
		t.Errorf("notify test: %q, %v", out, err)
	}
	if got := hook.causes(notice.Test); !slices.Equal(got, []string{"sent by lvsd notify test"}) {
		t.Errorf("test messages: %q", got)
	}
	if out, err := d.command("notify", "test", "hok").Output(); err == nil || !strings.Contains(err.Error(), "[notify.hok]") {
		t.Errorf("a receiver that is not there: %q, %v", out, err)
	}
}

// People are told of servers that go and come, and of a service without any.
func TestNotifyOfHealth(t *testing.T) {
	l := labtest.New(t, lab.Topology{BehindDirector: true})
	lb, client := l.Host("lb1"), l.Host("client")
	hook := newWebhook(t, client)
	token := t.TempDir() + "/token"
	labtest.NoError(t, os.WriteFile(token, []byte("Bearer x\n"), 0o600))
	var web []*lab.Service
	for _, rs := range realServers(l) {
		web = append(web, labtest.Must(rs.Web(":80"))(t))
	}
	start(t, lb, vipTable(lab.VIP4)+fmt.Sprintf(
		"[virtual.web]\nvip = \"%s:80\"\nforwarding = \"nat\"\ncheck = { type = \"tcp\", interval = \"200ms\", timeout = \"5s\" }\n"+
			"real.rs1 = \"10.0.2.101\"\nreal.rs2 = \"10.0.2.102\"\nfallback = \"127.0.0.1\"\n"+
			"[notify.hook]\ntype = \"webhook\"\nurl = \"http://%s:9000/\"\nsecret_file = %q\n", lab.VIP4, client.V4, token))
	labtest.NoError(t, web[0].Close())
	eventually(t, "rs1 is told to be down", func() bool { return len(hook.causes(notice.ServerDown)) == 1 })
	if got := hook.causes(notice.ServerDown)[0]; !strings.Contains(got, "connection refused") {
		t.Errorf("the cause is %q", got)
	}
	labtest.NoError(t, web[1].Close())
	eventually(t, "the service is told to be down", func() bool { return len(hook.causes(notice.ServiceDown)) == 1 })
	labtest.Must(realServers(l)[0].Web(":80"))(t)
	eventually(t, "both are told to be up again", func() bool {
		return len(hook.causes(notice.ServerUp)) == 1 && len(hook.causes(notice.ServiceUp)) == 1
	})
}
