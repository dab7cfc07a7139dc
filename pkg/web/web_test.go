package web

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/crypto/bcrypt"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/status"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ask sends a request and gives the answer's code, header and body.
func ask(t *testing.T, method, url string, body io.Reader) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(text)
}

func TestAnswers(t *testing.T) {
	f := &fake{now: sample(2, 2)}
	_, url := serve(t, f)
	for _, test := range []struct {
		method, path string
		body         io.Reader
		code         int
		contains     string
	}{
		{"GET", "/", nil, 200, "<!DOCTYPE html>"},
		{"HEAD", "/", nil, 200, ""},
		{"GET", "/page.js", nil, 200, "EventSource"},
		{"GET", "/guard.js", nil, 200, "export function drawGuard"},
		{"GET", "/style.css", nil, 200, "color-scheme"},
		{"GET", "/icon.svg", nil, 200, "<svg"},
		{"GET", "/healthz", nil, 200, "ok\n"},
		{"GET", "/readyz", nil, 200, "ok\n"},
		{"GET", "/api/status", nil, 200, `"director":"lb1"`},
		{"HEAD", "/events", nil, 200, ""},
		{"GET", "/metrics", nil, 404, ""}, // of the test's director
		{"GET", "/page/", nil, 404, ""},
		{"GET", "/../web.go", nil, 404, ""},
		{"POST", "/", nil, 405, "only be read"},
		{"DELETE", "/api/status", nil, 405, "only be read"},
		{"PUT", "/events", strings.NewReader("x"), 405, "only be read"},
		{"GET", "/", strings.NewReader("a body"), 413, "no body"},
		{"GET", "/", io.MultiReader(strings.NewReader("of unknown length")), 413, "no body"},
	} {
		code, head, body := ask(t, test.method, url+test.path, test.body)
		if code != test.code || !strings.Contains(body, test.contains) {
			t.Errorf("%s %s: got %d and %.80q, want %d with %q", test.method, test.path, code, body, test.code, test.contains)
		}
		if head.Get("Content-Security-Policy") != policy || head.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s %s: header %v", test.method, test.path, head)
		}
	}
	f.alive, f.ready, f.err = errors.New("no round for 5m"), errors.New("add x: no such device"), errors.New("read virtual services: timed out")
	time.Sleep(2 * settle)
	for path, want := range map[string]string{"/healthz": "no round for 5m\n", "/readyz": "add x: no such device\n", "/api/status": "read virtual services: timed out\n"} {
		if code, _, body := ask(t, "GET", url+path, nil); code != http.StatusServiceUnavailable || body != want {
			t.Errorf("%s: got %d, %q", path, code, body)
		}
	}
}

// What the page loads is all beside it, so that the policy can be strict.
func TestPolicy(t *testing.T) {
	for name := range files {
		name := strings.Trim(files[name][0], "/")
		text, err := page.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", " style=", " onclick=", "https://", "//cdn"} {
			if strings.Contains(string(text), bad) {
				t.Errorf("%s has %q", name, bad)
			}
		}
	}
}

// The status is read once for all who ask at the same time.
func TestOneReadingForAll(t *testing.T) {
	f := &fake{now: sample(1, 1), slow: 20 * time.Millisecond}
	_, url := serve(t, f)
	var asking sync.WaitGroup
	for range 50 {
		asking.Go(func() { ask(t, "GET", url+"/api/status", nil) })
	}
	asking.Wait()
	if f.reads > 5 {
		t.Errorf("%d readings for 50 requests at the same time", f.reads)
	}
}

// stream reads the events of a page.
type stream struct {
	t    *testing.T
	scan *bufio.Scanner
	body io.Closer
}

func watch(t *testing.T, url string) *stream {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url + "/events")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%s %v", resp.Status, resp.Header)
	}
	s := &stream{t: t, scan: bufio.NewScanner(resp.Body), body: resp.Body}
	s.scan.Buffer(nil, 16<<20)
	return s
}

// next gives the next frame.
func (s *stream) next() frame {
	s.t.Helper()
	for s.scan.Scan() {
		if data, ok := strings.CutPrefix(s.scan.Text(), "data: "); ok {
			var f frame
			if err := json.Unmarshal([]byte(data), &f); err != nil {
				s.t.Fatal(err)
			}
			return f
		}
	}
	s.t.Fatalf("the stream ended: %v", s.scan.Err())
	return frame{}
}

// A stream begins with everything and goes on with what changes, soon after a kick.
func TestEvents(t *testing.T) {
	f := &fake{now: sample(3, 2)}
	server, url := serve(t, f)
	s := watch(t, url)
	first := s.next()
	if !first.Full || len(first.Services) != 3 || len(first.Order) != 3 || first.Changes == nil {
		t.Fatalf("first: %+v", first)
	}
	start := time.Now()
	f.change(func(now *status.Status) {
		down(&now.Services[1].Servers[0], "no answer")
		now.Services = append(now.Services[:2:2], sampleService(9, 1, time.Now()))
	})
	server.Kick()
	for {
		second := s.next()
		if len(second.Services) == 0 {
			continue // it was on its way
		}
		var changed service
		if err := json.Unmarshal(second.Services[0], &changed); err != nil {
			t.Fatal(err)
		}
		if second.Full || len(second.Services) != 2 || len(second.Gone) != 1 || len(second.Order) != 3 ||
			changed.Servers[0].State != "down" || changed.Servers[0].Error != "no answer" {
			t.Errorf("second: %+v %+v", second, changed)
		}
		break
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("the change was shown after %s", took)
	}
}

// Nobody looks at the kernel for a page that nobody looks at.
func TestNobodyWatches(t *testing.T) {
	f := &fake{now: sample(1, 1)}
	server, url := serve(t, f)
	server.Kick()
	s := watch(t, url)
	s.next()
	s.body.Close()
	for end := time.Now().Add(5 * time.Second); server.hub.watched(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the viewer is still there")
		}
	}
	f.mu.Lock()
	before := f.reads
	f.mu.Unlock()
	time.Sleep(tick + 2*settle)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.reads > before+1 {
		t.Errorf("%d readings for nobody", f.reads-before)
	}
}

func TestTooManyWatch(t *testing.T) {
	_, url := serve(t, &fake{now: sample(1, 1)})
	for range streams {
		watch(t, url)
	}
	if code, head, _ := ask(t, "GET", url+"/events", nil); code != http.StatusServiceUnavailable || head.Get("Retry-After") == "" {
		t.Errorf("got %d %v", code, head)
	}
}

// A viewer that is too slow for the differences gets the whole again.
func TestSlowViewer(t *testing.T) {
	f := &fake{now: sample(2, 1)}
	h := newHub(f)
	v := h.enter()
	for range backlog + 3 {
		h.look(t.Context())
	}
	if !v.behind || len(v.frames) != backlog {
		t.Fatalf("behind %t with %d frames", v.behind, len(v.frames))
	}
	for len(v.frames) > 0 {
		<-v.frames
	}
	h.look(t.Context())
	if got := <-v.frames; !bytes.Contains(got, []byte(`"full":true`)) || v.behind {
		t.Errorf("got %.100s", got)
	}
}

// What is the same is not sent again.
func TestSince(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*status.Status)
		want   [3]int // services, order, gone
	}{
		{"nothing", func(*status.Status) {}, [3]int{}},
		{"a weight", func(s *status.Status) { s.Services[1].Servers[0].Weight = 7 }, [3]int{1, 0, 0}},
		{"one goes", func(s *status.Status) { s.Services = s.Services[:2] }, [3]int{0, 0, 1}},
		{"the first goes", func(s *status.Status) { s.Services = s.Services[1:] }, [3]int{0, 2, 1}},
		{"one comes", func(s *status.Status) { s.Services = append(s.Services, sampleService(8, 1, time.Now())) }, [3]int{1, 4, 0}},
	} {
		now := sample(3, 1)
		for i := range now.Services { // the times of the first sample
			for j := range now.Services[i].Servers {
				now.Services[i].Servers[j].Health.Since = time.Time{}
			}
		}
		old, _ := stateOf(now, nil, nil)
		test.change(&now)
		state, err := stateOf(now, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		f := state.since(old)
		if got := [3]int{len(f.Services), len(f.Order), len(f.Gone)}; got != test.want || f.Changes != nil {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}

func TestOther(t *testing.T) {
	now := time.Now()
	v := func(role lvs.Role, heard, since time.Duration, priority uint8) status.VRRP {
		one := sample(0, 0).VRRP[0]
		one.Role, one.Heard, one.Since, one.PeerPriority = role, now.Add(-heard), now.Add(-since), priority
		return one
	}
	never := v(lvs.Standby, 0, 0, 0)
	never.Peer = status.VRRP{}.Peer
	lonely := never
	lonely.Role = lvs.Active
	external := never
	external.External = true
	for _, test := range []struct {
		v    status.VRRP
		want string
	}{
		{v(lvs.Standby, time.Second, time.Minute, 90), "10.0.1.2 with priority 90 is active, heard 1s ago"},
		{v(lvs.Active, time.Minute, 50*time.Second, 90), "10.0.1.2, silent for 1m0s as a standby is"},
		{v(lvs.Active, time.Second, time.Minute, 90), "10.0.1.2 with priority 90 is ACTIVE TOO"},
		{v(lvs.Active, time.Second, time.Minute, 0), "10.0.1.2 gave up 1s ago"},
		{never, "never heard"},
		{lonely, "never heard: a standby is silent"},
		{external, "not heard: others decide the role"},
	} {
		if got := other(test.v, now); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

// ---- listening ----

// listening runs a server that listens as a configuration says.
func listening(t *testing.T, h *config.HTTP, log *slog.Logger) *Server {
	t.Helper()
	s := New(&fake{now: sample(1, 1)}, http.NotFoundHandler(), log)
	s.Set(h)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s
}

// free gives an address that nobody listens on.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("not in time: %s", what)
}

func answers(address string) bool {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	resp, err := client.Get("http://" + address + "/healthz")
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), text)
}

// A port that is taken is tried again, and told once; a reload moves the listener
// or ends it.
func TestListening(t *testing.T) {
	first, second := free(t), free(t)
	taken, err := net.Listen("tcp", first)
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	log := &logBuffer{}
	s := listening(t, &config.HTTP{Listen: first}, slog.New(slog.NewTextHandler(log, nil)))
	eventually(t, "the taken port is told", func() bool { return log.count("address already in use") == 1 })
	s.Set(&config.HTTP{Listen: second})
	eventually(t, "another port is served", func() bool { return answers(second) })
	taken.Close()
	s.Set(&config.HTTP{Listen: first})
	eventually(t, "the first port is served when it is free", func() bool { return answers(first) })
	if answers(second) {
		t.Error("the second port is still served")
	}
	s.Set(nil)
	eventually(t, "nothing is served", func() bool { return !answers(first) })
}

func TestTakenPortIsTriedAgain(t *testing.T) {
	address := free(t)
	taken, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	log := &logBuffer{}
	listening(t, &config.HTTP{Listen: address}, slog.New(slog.NewTextHandler(log, nil)))
	eventually(t, "it is told", func() bool { return log.count("tried again") == 1 })
	taken.Close()
	eventually(t, "it is served after all", func() bool { return answers(address) })
	if log.count("tried again") != 1 {
		t.Error("told more than once")
	}
}

// The file of Prometheus' exporters: users, here. A file with a mistake serves
// nothing, rather than everything to everybody.
func TestWebConfig(t *testing.T) {
	address, path := free(t), filepath.Join(t.TempDir(), "web.yml")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("basic_auth_users:\n  ops: nonsense\n")
	log := &logBuffer{}
	s := listening(t, &config.HTTP{Listen: address, WebConfig: path}, slog.New(slog.NewTextHandler(log, nil)))
	eventually(t, "the mistake is told", func() bool { return log.count("tried again") == 1 })
	if answers(address) {
		t.Error("it is served without its users")
	}
	write("basic_auth_users:\n  ops: " + hashed(t) + "\n")
	s.Set(&config.HTTP{Listen: address})
	s.Set(&config.HTTP{Listen: address, WebConfig: path})
	code := func(password string) int {
		req, _ := http.NewRequest("GET", "http://"+address+"/healthz", nil)
		if password != "" {
			req.SetBasicAuth("ops", password)
		}
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		resp, err := client.Do(req)
		if err != nil {
			return 0
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	eventually(t, "the user gets in", func() bool { return code("secret") == http.StatusOK })
	if got := fmt.Sprint(code(""), code("wrong")); got != "401 401" {
		t.Errorf("strangers get %s", got)
	}
}

// ---- abuse ----

// Whoever opens many connections and asks for nothing, or slowly, keeps nobody out.
func TestIdleConnections(t *testing.T) {
	_, url := serve(t, &fake{now: sample(1, 1)})
	address := strings.TrimPrefix(url, "http://")
	for i := range 1000 {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatalf("after %d: %v", i, err)
		}
		defer c.Close()
		if i%2 == 0 {
			fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
		}
	}
	for range 10 {
		start := time.Now()
		if code, _, _ := ask(t, "GET", url+"/healthz", nil); code != http.StatusOK {
			t.Errorf("got %d", code)
		}
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("the answer took %s", took)
		}
	}
}

// A request that would bring a gigabyte is refused before it is read.
func TestLargeRequest(t *testing.T) {
	_, url := serve(t, &fake{now: sample(1, 1)})
	c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", 1<<30)
	go func() {
		for block := make([]byte, 1<<20); ; {
			if _, err := c.Write(block); err != nil {
				return
			}
		}
	}()
	answer, err := bufio.NewReader(c).ReadString('\n')
	if err != nil || !strings.Contains(answer, "413") {
		t.Errorf("got %q, %v", answer, err)
	}
	code, _, _ := ask(t, "GET", url+"/"+strings.Repeat("a", 1<<20), nil)
	if code != http.StatusRequestHeaderFieldsTooLarge && code != http.StatusRequestURITooLong {
		t.Errorf("a path of a megabyte: got %d", code)
	}
}

func TestCrowd(t *testing.T) {
	c := newCrowd()
	c.limit = 2
	conns := make([]net.Conn, 4)
	for i := range conns {
		conns[i], _ = net.Pipe()
	}
	note := func(i int, s http.ConnState, wantGone net.Conn) {
		t.Helper()
		if gone := c.note(conns[i], s); gone != wantGone {
			t.Errorf("connection %d, %s: closes %v, want %v", i, s, gone, wantGone)
		}
	}
	note(0, http.StateNew, nil)
	note(0, http.StateActive, nil)
	note(1, http.StateNew, nil)
	note(2, http.StateNew, conns[1]) // which is idle; 0 is not
	note(1, http.StateClosed, nil)
	note(2, http.StateActive, nil)
	note(3, http.StateNew, conns[3]) // all others are at work
	note(3, http.StateClosed, nil)
	note(0, http.StateIdle, nil)
	note(1, http.StateNew, conns[0])
	note(0, http.StateClosed, nil)
	note(1, http.StateClosed, nil)
	note(2, http.StateHijacked, nil)
	if c.idle.Len()+len(c.of)+len(c.busy) > 0 {
		t.Errorf("%d, %d and %d are left", c.idle.Len(), len(c.of), len(c.busy))
	}
}

func hashed(t *testing.T) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(hash)
}

// Who goes away while the status is read spoils it for nobody else.
func TestImpatientReader(t *testing.T) {
	d := &fake{now: sample(1, 1)}
	h := newHub(d)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.read(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("who went away got %v", err)
	}
	if _, err := h.read(t.Context()); err != nil {
		t.Errorf("who came after got %v", err)
	}
}
