package page

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/lvsd/lvsd/hack/browser"
)

// soon is within what time the page shows what happens.
const soon = 5 * time.Second

// tap makes the device by which the guest is reached.
func tap(t *testing.T) string {
	t.Helper()
	// The library's devices have several queues, which User-Mode Linux cannot open.
	if out, err := exec.Command("ip", "tuntap", "add", "tap0", "mode", "tap").CombinedOutput(); err != nil {
		t.Fatalf("make a tap device: %v\n%s", err, out)
	}
	if err := up("lo", "127.0.0.2/8"); err != nil {
		t.Fatal(err)
	}
	if err := up("tap0", hostAddress); err != nil {
		t.Fatal(err)
	}
	return "tap0"
}

// boot boots the guest and waits until it is ready.
func boot(t *testing.T) {
	t.Helper()
	launcher := filepath.Join(t.TempDir(), "kernel")
	build := exec.Command("go", "build", "-o", launcher, "../../hack/kernel")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := exec.CommandContext(ctx, launcher, "-tap", tap(t), "--", os.Args[0])
	c.Env = append(os.Environ(), "KERNEL=uml", asGuest+"=1")
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	log := &logBuffer{}
	c.Stdout, c.Stderr = log, log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = c.Wait() // killed
		if t.Failed() {
			t.Logf("the guest's log:\n%s", log)
		}
	})
	for end := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
		err := do("ready")
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the guest is not ready: %v", err)
		}
	}
}

// do has something done in the guest.
func do(what string) error {
	client := http.Client{Timeout: 30 * time.Second} // a command takes seconds to start in a busy guest
	resp, err := client.Get("http://" + guestHost + controlPort + "/" + what)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", what, resp.Status)
	}
	return nil
}

type logBuffer struct {
	mu sync.Mutex
	b  []byte
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b = append(l.b, p...)
	return len(p), nil
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.b)
}

// server is an expression: what the page says of a server's state.
func server(service, name string) string {
	return fmt.Sprintf(`[...document.querySelectorAll("details.service")].filter((d) => d.querySelector("b").textContent === %q)
		.flatMap((d) => [...d.querySelectorAll("tr.server")]).filter((r) => r.querySelector(".name").textContent === %q)
		.map((r) => r.querySelector(".badge").textContent).join()`, service, name)
}

// dropped is an expression: how many packets the page says were dropped in all, for
// being to no service of the VIP.
const dropped = `[...document.querySelectorAll("#guard-rows tr.rule")].filter((r) => r.querySelector(".who").textContent === "no service at this port")
	.map((r) => r.cells[7].textContent).join()`

// The page of a director at work shows what happens, each thing within a few seconds
// and without being loaded again: a server dies and comes back, is drained and is
// not any more, the guard drops what is for no service, and the director hands over
// to the other one.
func TestPage(t *testing.T) {
	boot(t)
	b := browser.Open(t, "http://"+guestHost+lb1Port)
	b.Do(chromedp.WaitVisible("details.service"), chromedp.Evaluate(`window.loadedOnce = true`, nil))
	rs2 := server("shop", "rs2")
	b.Shows("three services", `document.querySelectorAll("details.service").length === 3`)
	b.Shows("all servers", fmt.Sprintf(`%s === "up"`, rs2))
	b.Shows("the role", `document.getElementById("role").textContent === "active"`)
	b.Shows("the guard", `document.getElementById("guard-badges").textContent.startsWith("enforcing")`)
	for _, step := range []struct {
		do    string
		shows string
	}{
		{"server-dies", rs2 + ` === "down"`},
		{"server-comes-back", rs2 + ` === "up"`},
		{"server-drained", rs2 + ` === "drained" && document.getElementById("list").textContent.includes("(a new disk)")`},
		{"server-enabled", rs2 + ` === "up"`},
		{"strays", fmt.Sprintf(`%s === "%d"`, dropped, strayFrames)},
		{"failover", `document.getElementById("role").textContent === "standby" && document.getElementById("instances").textContent.includes("is active, heard")`},
	} {
		start := time.Now()
		if err := do(step.do); err != nil {
			t.Fatal(err)
		}
		done := time.Since(start)
		b.Shows(step.do, step.shows)
		shown := time.Since(start)
		t.Logf("%s: done after %s, shown after %s", step.do, done.Round(time.Millisecond), shown.Round(time.Millisecond))
		if late := shown - done; late > soon {
			t.Errorf("%s: shown %s after it was done", step.do, late)
		}
		if step.do == "server-dies" || step.do == "strays" {
			for _, s := range browser.Screens {
				b.Use(s)
				b.Picture(step.do + "-" + s.Name)
				for _, v := range b.Violations() {
					t.Errorf("%s: %s", s.Name, v)
				}
			}
		}
	}
	b.Shows("all of it among the changes", `document.getElementById("changes").textContent.includes("shop/rs2")`)
	if !browser.Value[bool](b, `window.loadedOnce === true`) {
		t.Error("the page was loaded again")
	}
	if complaints := b.Complaints(); len(complaints) > 0 {
		t.Errorf("complaints: %q", complaints)
	}
	other := browser.Open(t, "http://"+guestHost+lb2Port)
	other.Shows("the other director is active", `document.getElementById("role").textContent === "active"`)
}
