package web

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/lvsd/lvsd/pkg/status"
)

// browser starts Debian's Chromium without a window, until the test ends.
func browser(t *testing.T) context.Context {
	t.Helper()
	options := []chromedp.ExecAllocatorOption{
		chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.ExecPath("chromium"), chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.WSURLReadTimeout(time.Minute),
	}
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancelTab := chromedp.NewContext(ctx)
	t.Cleanup(cancelTab)
	ctx, cancelTime := context.WithTimeout(ctx, 3*time.Minute)
	t.Cleanup(cancelTime)
	if err := chromedp.Run(ctx); err != nil {
		t.Fatalf("start chromium: %v", err)
	}
	return ctx
}

// screen is a size and a colour scheme to look at the page with.
type screen struct {
	name          string
	width, height int64
	scale         float64
	mobile        bool
	scheme        string
}

var screens = []screen{
	{"desktop-light", 1280, 900, 1, false, "light"},
	{"desktop-dark", 1280, 900, 1, false, "dark"},
	{"phone-light", 390, 1600, 1, true, "light"},
	{"phone-dark", 390, 844, 2, true, "dark"},
}

func (s screen) use() chromedp.Action {
	return chromedp.Tasks{
		emulation.SetDeviceMetricsOverride(s.width, s.height, s.scale, s.mobile),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: s.scheme}}),
	}
}

func TestLook(t *testing.T) {
	dir := os.Getenv("LVSD_SCREENSHOTS")
	if dir == "" {
		dir = t.ArtifactDir()
	}
	f := &fake{now: sample(4, 3)}
	f.recent = []Change{{time.Now(), "real server web1/rs2 (10.0.1.2:80) is down: connect 10.0.1.2:80: connection refused", true}, {time.Now().Add(-time.Hour), "vrrp front is active now (was backup for 2h0m0s)", false}}
	f.change(func(s *status.Status) { down(&s.Services[1].Servers[1], "connect 10.0.1.2:80: connection refused") })
	_, url := serve(t, f)
	ctx := browser(t)
	if err := chromedp.Run(ctx, chromedp.Navigate(url), chromedp.WaitVisible("details.service")); err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		f.change(func(s *status.Status) {
			for j := range s.Services {
				traffic(&s.Services[j], j+i*3)
			}
		})
		time.Sleep(time.Second)
	}
	for _, s := range screens {
		var png []byte
		if err := chromedp.Run(ctx, s.use(), chromedp.Sleep(300*time.Millisecond), chromedp.CaptureScreenshot(&png)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, s.name+".png"), png, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
