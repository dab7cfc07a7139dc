// Package browser looks at pages with Debian's Chromium, without a window, for
// tests.
package browser

import (
	"context"
	_ "embed" // axe-core
	"fmt"
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
)

// axe is axe-core 4.14.1 (MPL-2.0, beside it), unchanged.
//
//go:embed axe-core/axe.min.js
var axe string

// Browser is a page in a browser, and what the browser complained of.
type Browser struct {
	t   testing.TB
	ctx context.Context
	url string

	mu         sync.Mutex
	complaints []string
}

// Open opens a page in a browser of its own that ends with the test.
func Open(t testing.TB, url string) *Browser {
	t.Helper()
	options := []chromedp.ExecAllocatorOption{
		chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.ExecPath("chromium"), chromedp.UserDataDir(profile(t)), chromedp.WSURLReadTimeout(time.Minute),
	}
	for _, flag := range []string{"disable-quic", "disable-background-networking", "disable-component-update", "disable-sync", "disable-dev-shm-usage"} {
		options = append(options, chromedp.Flag(flag, true))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	t.Cleanup(func() { _ = chromedp.Cancel(ctx) }) // a browser that does not end nicely is killed by the others
	b := &Browser{t: t, ctx: ctx, url: url}
	b.Do(log.Enable(), network.Enable())
	chromedp.ListenTarget(ctx, b.hear)
	b.Do(chromedp.Navigate(url))
	return b
}

// profile is a folder for the browser. Its processes write there for a moment after
// their end has begun.
func profile(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "lvsd-browser")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for end := time.Now().Add(10 * time.Second); os.RemoveAll(dir) != nil; time.Sleep(50 * time.Millisecond) {
			if time.Now().After(end) {
				t.Errorf("%s is left", dir)
				return
			}
		}
	})
	return dir
}

func (b *Browser) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *log.EventEntryAdded:
		b.complaints = append(b.complaints, e.Entry.Text)
	case *cdpruntime.EventExceptionThrown:
		b.complaints = append(b.complaints, e.ExceptionDetails.Error())
	case *network.EventRequestWillBeSent:
		if !strings.HasPrefix(e.Request.URL, b.url) {
			b.complaints = append(b.complaints, "a request to "+e.Request.URL)
		}
	}
}

// Complaints are errors of scripts and of the content security policy, and requests
// to anywhere but the page's own host.
func (b *Browser) Complaints() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string{}, b.complaints...)
}

// Do does something with the page, and ends the test if that cannot be done.
func (b *Browser) Do(actions ...chromedp.Action) {
	b.t.Helper()
	if err := chromedp.Run(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// Value gives the value of an expression of JavaScript, which may be a promise.
func Value[T any](b *Browser, expression string) T {
	b.t.Helper()
	var v T
	b.Do(chromedp.Evaluate(expression, &v, func(p *cdpruntime.EvaluateParams) *cdpruntime.EvaluateParams { return p.WithAwaitPromise(true) }))
	return v
}

// Shows waits until an expression is true.
func (b *Browser) Shows(what, expression string) {
	b.t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if Value[bool](b, expression) {
			return
		}
	}
	b.t.Fatalf("the page does not show in time: %s", what)
}

// Violations are what axe-core finds serious or critical, by WCAG 2.2 AA and its best
// practices.
func (b *Browser) Violations() []string {
	b.t.Helper()
	b.Do(chromedp.Evaluate(axe, nil))
	return Value[[]string](b, `axe.run().then((r) => [...(r.passes.length < 20 ? ["only " + r.passes.length + " rules ran"] : []),
		...r.violations.filter((v) => ["serious", "critical"].includes(v.impact))
			.flatMap((v) => v.nodes.map((n) => v.id + ": " + n.html + ": " + n.failureSummary))])`)
}

// Screen is a size and a colour scheme to look at a page with.
type Screen struct {
	Name          string
	Width, Height int64
	Phone         bool
	Scheme        string // light or dark
}

// Screens are those that a page is tested on.
var Screens = []Screen{
	{"desktop-light", 1280, 1000, false, "light"},
	{"desktop-dark", 1280, 1000, false, "dark"},
	{"phone-light", 390, 1400, true, "light"},
	{"phone-dark", 390, 1400, true, "dark"},
}

// Use puts the page on a screen.
func (b *Browser) Use(s Screen) {
	b.t.Helper()
	b.Do(emulation.SetDeviceMetricsOverride(s.Width, s.Height, 1, s.Phone),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: s.Scheme}}),
		chromedp.Sleep(200*time.Millisecond)) // the layout follows
}

// Picture takes a picture of the page as it is, into the folder LVSD_SCREENSHOTS or
// the test's artifacts.
func (b *Browser) Picture(name string) {
	b.t.Helper()
	var png []byte
	b.Do(chromedp.CaptureScreenshot(&png))
	dir := os.Getenv("LVSD_SCREENSHOTS")
	if dir == "" {
		dir = b.t.ArtifactDir()
	}
	if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s.png", name)), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}
