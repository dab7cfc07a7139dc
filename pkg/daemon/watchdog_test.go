package daemon

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The watchdog is fed after rounds only, and waits for as long as the
// configuration in force lets pass between two.
func TestWatchdog(t *testing.T) {
	t.Setenv("WATCHDOG_USEC", "60000000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	r := start(t, web("", "rs1"))
	for _, want := range []string{"WATCHDOG_USEC=90000000", "WATCHDOG=1"} {
		r.d.reconciler.Kick()
		for r.next(want) != want {
		}
	}

	r.write(web("director.resync = \"5m\"\n", "rs1"))
	must(t, r.reload())
	for _, want := range []string{"WATCHDOG_USEC=360000000", "WATCHDOG=1", "READY=1"} {
		for r.next(want) != want { // rounds that nobody asked for feed it too
		}
	}

	until := make(chan struct{})
	r.modules.hang("ip_vs_ftp", until)
	r.write(strings.NewReplacer(":80", ":21", "scheduler", "forwarding = \"nat\"\nscheduler").Replace(web("", "rs1")))
	done := make(chan error, 1)
	go func() { done <- r.reload() }()
	eventually(t, "the round hangs", func() bool { return r.modules.loads("ip_vs_ftp") })
	for len(r.notices) > 0 {
		<-r.notices
	}
	select {
	case got := <-r.notices:
		t.Errorf("while a round hangs the director says %q", got)
	case <-time.After(200 * time.Millisecond):
	}
	close(until)
	r.hears("WATCHDOG=1")
	must(t, <-done)
}

// Without a watchdog, or with that of another process, nothing is told.
func TestNoWatchdog(t *testing.T) {
	for _, test := range []struct{ usec, pid string }{{"", ""}, {"0", ""}, {"soon", ""}, {"-1", ""}, {"60000000", "1"}} {
		t.Setenv("WATCHDOG_USEC", test.usec)
		t.Setenv("WATCHDOG_PID", test.pid)
		if w := newWatchdog(); w.patience != 0 {
			t.Errorf("WATCHDOG_USEC=%s WATCHDOG_PID=%s: %s", test.usec, test.pid, w.patience)
		}
	}
}
