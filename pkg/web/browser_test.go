package web

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/lvsd/lvsd/hack/browser"
	"github.com/lvsd/lvsd/pkg/status"
)

// open opens the page and waits until it has its services.
func open(t *testing.T, url string) *browser.Browser {
	t.Helper()
	b := browser.Open(t, url)
	b.Do(chromedp.WaitVisible("details.service"))
	return b
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
	b.Do(chromedp.WaitVisible("#problems li"), chromedp.Sleep(3*time.Second)) // the charts have a few points then
	for _, s := range browser.Screens {
		b.Use(s)
		b.Picture(s.Name)
		for _, v := range b.Violations() {
			t.Errorf("%s: %s", s.Name, v)
		}
		if wide := browser.Value[int](b, "document.documentElement.scrollWidth"); wide > int(s.Width) {
			t.Errorf("%s: the page is %d wide", s.Name, wide)
		}
	}
	if complaints := b.Complaints(); len(complaints) > 0 {
		t.Errorf("complaints: %q", complaints)
	}
}

// Everything can be reached and used by keyboard, and a change is said to whoever
// listens.
func TestPageByKeyboard(t *testing.T) {
	f := &fake{now: sample(2, 1)}
	server, url := serve(t, f)
	b := open(t, url)
	b.Use(browser.Screens[0])
	focus := func() string {
		b.Do(chromedp.KeyEvent(kb.Tab))
		return browser.Value[string](b, `document.activeElement.id || document.activeElement.className || document.activeElement.tagName`)
	}
	var order []string
	for range 8 {
		order = append(order, focus())
	}
	got := strings.Join(order, " ")
	if want := "skip scroll find only open SUMMARY SUMMARY A"; got != want {
		t.Errorf("the order is %s, want %s", got, want)
	}
	b.Do(chromedp.Focus("details.service > summary"), chromedp.KeyEvent(kb.Enter))
	if browser.Value[bool](b, `document.querySelector("details.service").open`) {
		t.Error("a service does not close by the keyboard")
	}
	b.Do(chromedp.Focus("#find"), chromedp.KeyEvent("web1"))
	if n := browser.Value[int](b, `document.querySelectorAll("details.service:not([hidden])").length`); n != 1 {
		t.Errorf("%d services are found", n)
	}
	f.mu.Lock()
	f.recent = []Change{{time.Now(), "real server web1/rs1 is down", true}}
	f.mu.Unlock()
	server.Kick()
	b.Shows("what is said", `document.getElementById("announce").textContent.includes("web1/rs1 is down")`)
}

// A director that goes away and comes back is seen without a reload.
func TestPageWithoutDirector(t *testing.T) {
	f := &fake{now: sample(1, 1)}
	f.now.Services[0].Virtual = "<img src=x onerror=alert(1)>"
	_, url := serve(t, f)
	b := open(t, url)
	if n := browser.Value[int](b, `document.querySelectorAll("img").length`); n != 1 {
		t.Errorf("%d images: a name was taken for HTML", n)
	}
	f.mu.Lock()
	f.err = context.DeadlineExceeded
	f.mu.Unlock()
	b.Shows("that the status cannot be read", `document.getElementById("problems").textContent.includes("cannot be read")`)
	f.mu.Lock()
	f.err = nil
	f.mu.Unlock()
	b.Shows("that all is well again", `document.getElementById("verdict").textContent === "All is well"`)
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
	b.Shows("all services", `document.querySelectorAll("details.service").length === 500`)
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
		m := browser.Value[smoothness](b, measure)
		text, _ := json.Marshal(m)
		t.Logf("%s: %s", what, text)
		if m.Median > 100 || m.Longest > 2000 || m.Busy > 0.6 || m.Updates < 2 {
			t.Errorf("%s: not smooth: %s", what, text)
		}
	}
	check("closed")
	b.Do(chromedp.Click("#open"))
	check("all open")
	b.Do(chromedp.SetValue("#find", "web49"), chromedp.Evaluate(`document.getElementById("find").dispatchEvent(new Event("input"))`, nil))
	if n := browser.Value[int](b, `document.querySelectorAll("details.service:not([hidden])").length`); n != 11 {
		t.Errorf("%d services are found", n)
	}
}
