package web

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	cdpruntime "github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/lvsd/lvsd/pkg/status"
)

// browser is Debian's Chromium without a window, and what it complained of.
type browser struct {
	t   *testing.T
	ctx context.Context
	url string

	mu         sync.Mutex
	complaints []string // errors of scripts and of the policy
	outside    []string // requests to anywhere else
}

// open opens a page in a browser that ends with the test.
func open(t *testing.T, url string) *browser {
	t.Helper()
	options := []chromedp.ExecAllocatorOption{
		chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.ExecPath("chromium"), chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.WSURLReadTimeout(time.Minute),
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	b := &browser{t: t, ctx: ctx, url: url}
	b.do(log.Enable(), network.Enable())
	chromedp.ListenTarget(ctx, b.hear)
	b.do(chromedp.Navigate(url), chromedp.WaitVisible("details.service"))
	return b
}

func (b *browser) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *log.EventEntryAdded:
		b.complaints = append(b.complaints, e.Entry.Text)
	case *cdpruntime.EventExceptionThrown:
		b.complaints = append(b.complaints, e.ExceptionDetails.Error())
	case *network.EventRequestWillBeSent:
		if !strings.HasPrefix(e.Request.URL, b.url) {
			b.outside = append(b.outside, e.Request.URL)
		}
	}
}

func (b *browser) do(actions ...chromedp.Action) {
	b.t.Helper()
	if err := chromedp.Run(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// value is that of an expression, which may be a promise.
func value[T any](b *browser, expression string) T {
	b.t.Helper()
	var v T
	b.do(chromedp.Evaluate(expression, &v, func(p *cdpruntime.EvaluateParams) *cdpruntime.EvaluateParams { return p.WithAwaitPromise(true) }))
	return v
}

// shows waits until an expression is true, and gives how long that took.
func (b *browser) shows(what, expression string) time.Duration {
	b.t.Helper()
	start := time.Now()
	for end := start.Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if value[bool](b, expression) {
			return time.Since(start)
		}
	}
	b.t.Fatalf("the page does not show in time: %s", what)
	return 0
}

// screen is a size and a colour scheme to look at the page with.
type screen struct {
	name          string
	width, height int64
	mobile        bool
	scheme        string
}

var screens = []screen{
	{"desktop-light", 1280, 1000, false, "light"},
	{"desktop-dark", 1280, 1000, false, "dark"},
	{"phone-light", 390, 1400, true, "light"},
	{"phone-dark", 390, 1400, true, "dark"},
}

func (s screen) use() chromedp.Action {
	return chromedp.Tasks{
		emulation.SetDeviceMetricsOverride(s.width, s.height, 1, s.mobile),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: s.scheme}}),
		chromedp.Sleep(200 * time.Millisecond), // the layout follows
	}
}

// pictures is where the screenshots go: LVSD_SCREENSHOTS, or the test's artifacts.
func pictures(t *testing.T) string {
	if dir := os.Getenv("LVSD_SCREENSHOTS"); dir != "" {
		return dir
	}
	return t.ArtifactDir()
}

// violations are what axe-core finds that is serious or critical by the rules of
// WCAG 2.2 AA and its best practices.
func (b *browser) violations() []string {
	b.t.Helper()
	axe, err := os.ReadFile(filepath.Join("testdata", "axe-core", "axe.min.js"))
	if err != nil {
		b.t.Fatal(err)
	}
	b.do(chromedp.Evaluate(string(axe), nil))
	return value[[]string](b, `axe.run().then((r) => [...(r.passes.length < 20 ? ["only " + r.passes.length + " rules ran"] : []),
		...r.violations.filter((v) => ["serious", "critical"].includes(v.impact))
			.flatMap((v) => v.nodes.map((n) => v.id + ": " + n.html + ": " + n.failureSummary))])`)
}

// The page on each screen: as it looks, and without obstacles for anybody.
func TestPageOnEveryScreen(t *testing.T) {
	f := &fake{now: sample(4, 3)}
	f.recent = []Change{
		{time.Now(), "real server web1/rs2 (10.0.1.2:80) is down: connect 10.0.1.2:80: connection refused (was up for 1h0m0s)", true},
		{time.Now().Add(-time.Hour), "vrrp front is active now (was backup for 2h0m0s)", false},
	}
	f.change(func(s *status.Status) {
		down(&s.Services[1].Servers[1], "connect 10.0.1.2:80: connection refused")
		s.Services[2].Servers[0].Weight = 0
		for i := range s.Services[3].Servers {
			down(&s.Services[3].Servers[i], "no answer in time")
		}
		s.Daemon.Reload = "/etc/lvsd/director.toml:4:1: unknown key \"schedular\" in [virtual.web]"
	})
	_, url := serve(t, f)
	b := open(t, url)
	b.do(chromedp.WaitVisible("#problems li"))
	for _, s := range screens {
		var png []byte
		b.do(s.use(), chromedp.CaptureScreenshot(&png))
		if err := os.WriteFile(filepath.Join(pictures(t), s.name+".png"), png, 0o644); err != nil {
			t.Fatal(err)
		}
		for _, v := range b.violations() {
			t.Errorf("%s: %s", s.name, v)
		}
		if wide := value[int](b, "document.documentElement.scrollWidth"); wide > int(s.width) {
			t.Errorf("%s: the page is %d wide", s.name, wide)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.complaints)+len(b.outside) > 0 {
		t.Errorf("complaints %q, requests elsewhere %q", b.complaints, b.outside)
	}
}

// Everything can be reached and used by keyboard, and a change is said to whoever
// listens.
func TestPageByKeyboard(t *testing.T) {
	f := &fake{now: sample(2, 1)}
	server, url := serve(t, f)
	b := open(t, url)
	b.do(screens[0].use())
	focus := func() string {
		b.do(chromedp.KeyEvent(kb.Tab))
		return value[string](b, `document.activeElement.id || document.activeElement.className || document.activeElement.tagName`)
	}
	var order []string
	for range 8 {
		order = append(order, focus())
	}
	got := strings.Join(order, " ")
	if want := "skip scroll find only open SUMMARY SUMMARY A"; got != want {
		t.Errorf("the order is %s, want %s", got, want)
	}
	b.do(chromedp.Focus("summary"), chromedp.KeyEvent(kb.Enter))
	if value[bool](b, `document.querySelector("details.service").open`) {
		t.Error("a service does not close by the keyboard")
	}
	b.do(chromedp.Focus("#find"), chromedp.KeyEvent("web1"))
	if n := value[int](b, `document.querySelectorAll("details.service:not([hidden])").length`); n != 1 {
		t.Errorf("%d services are found", n)
	}
	f.mu.Lock()
	f.recent = []Change{{time.Now(), "real server web1/rs1 is down", true}}
	f.mu.Unlock()
	server.Kick()
	b.shows("what is said", `document.getElementById("announce").textContent.includes("web1/rs1 is down")`)
}

// A director that goes away and comes back is seen without a reload.
func TestPageWithoutDirector(t *testing.T) {
	f := &fake{now: sample(1, 1)}
	f.now.Services[0].Virtual = "<img src=x onerror=alert(1)>"
	_, url := serve(t, f)
	b := open(t, url)
	if n := value[int](b, `document.querySelectorAll("img").length`); n != 1 {
		t.Errorf("%d images: a name was taken for HTML", n)
	}
	f.mu.Lock()
	f.err = context.DeadlineExceeded
	f.mu.Unlock()
	b.shows("that the status cannot be read", `document.getElementById("problems").textContent.includes("cannot be read")`)
	f.mu.Lock()
	f.err = nil
	f.mu.Unlock()
	b.shows("that all is well again", `document.getElementById("verdict").textContent === "All is well"`)
}

// smoothness is what a browser did in some seconds.
type smoothness struct {
	Frames  int     `json:"frames"`
	Median  float64 `json:"median"`  // ms between two frames
	Longest float64 `json:"longest"` // ms
	Busy    float64 `json:"busy"`    // share of the time in tasks of more than 50 ms
	Updates int     `json:"updates"`
}

const measure = `new Promise((done) => {
	const gaps = []; let last = performance.now(), busy = 0, updates = 0; const start = last;
	const tasks = new PerformanceObserver((l) => { for (const e of l.getEntries()) busy += e.duration; });
	tasks.observe({ type: "longtask" });
	const live = new MutationObserver(() => updates++);
	live.observe(document.getElementById("live"), { childList: true, characterData: true, subtree: true });
	const frame = (t) => {
		const now = performance.now(); gaps.push(now - last); last = now;
		if (now - start < 6000) return requestAnimationFrame(frame);
		tasks.disconnect(); live.disconnect();
		gaps.sort((a, b) => a - b);
		done({ frames: gaps.length, median: gaps[gaps.length >> 1], longest: gaps[gaps.length - 1], busy: busy / (now - start), updates });
	};
	requestAnimationFrame(frame);
})`

// Ten thousand servers, each of which changes every second, leave the page smooth.
// The bounds are for a busy machine; the log has what was.
func TestPageOfTenThousandServers(t *testing.T) {
	f := &fake{now: sample(500, 20)}
	_, url := serve(t, f)
	start := time.Now()
	b := open(t, url)
	b.shows("all services", `document.querySelectorAll("details.service").length === 500`)
	t.Logf("loaded in %s", time.Since(start))
	end := make(chan struct{})
	var changing sync.WaitGroup
	changing.Go(func() {
		for seed := 1; ; seed++ {
			select {
			case <-end:
				return
			case <-time.After(tick):
			}
			f.change(func(s *status.Status) {
				for i := range s.Services {
					traffic(&s.Services[i], i+seed)
				}
			})
		}
	})
	defer changing.Wait()
	defer close(end)
	check := func(what string) {
		m := value[smoothness](b, measure)
		text, _ := json.Marshal(m)
		t.Logf("%s: %s", what, text)
		if m.Median > 100 || m.Longest > 2000 || m.Busy > 0.6 || m.Updates < 2 {
			t.Errorf("%s: not smooth: %s", what, text)
		}
	}
	check("closed")
	b.do(chromedp.Click("#open"))
	check("all open")
	b.do(chromedp.SetValue("#find", "web49"), chromedp.Evaluate(`document.getElementById("find").dispatchEvent(new Event("input"))`, nil))
	if n := value[int](b, `document.querySelectorAll("details.service:not([hidden])").length`); n != 11 {
		t.Errorf("%d services are found", n)
	}
}
