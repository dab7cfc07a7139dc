package integration

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
	"github.com/lvsd/lvsd/pkg/vrrp"
)

// crowd are virtual services with a hundred real servers each.
func crowd(servers int) string {
	var b strings.Builder
	for v := range servers / 100 {
		fmt.Fprintf(&b, "[virtual.v%d]\nvip = \"%s:%d\"\nforwarding = \"nat\"\n[virtual.v%d.real]\n", v, lab.VIP4, 10000+v, v)
		for r := range 100 {
			fmt.Fprintf(&b, "r%d = \"10.8.%d.%d:80\"\n", r, v%250, r+1)
		}
	}
	return b.String()
}

// Adverts are delayed by nothing that the director does: neither by a hundred
// thousand real servers that it adds while its disk is full, nor by its own
// garbage. Nobody takes over.
func TestAdvertsAreNotDelayed(t *testing.T) {
	tests := []struct {
		name    string
		env     string
		servers int
		full    bool
	}{
		{"100,000 real servers on a full disk", "GOGC=100", 100_000, true},
		{"garbage collected without end", "GOGC=1", 10_000, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := labtest.New(t, lab.Topology{Directors: 2, RealServers: 1})
			e := election{interval: "100ms"}
			const dead = 361 * time.Millisecond // three intervals and the skew of the standby's priority
			one := &director{t: t, host: l.Host("lb1"), dir: t.TempDir(), log: &logBuffer{}}
			smallDisk(t, one.dir)
			one.plain(e.config(150))
			one.startWith(tt.env)
			two := startPlain(t, l.Host("lb2"), e.config(100))
			one.becomes("active", true)
			two.becomes("backup", false)
			one.plain(e.config(150) + crowd(tt.servers))
			if tt.full {
				fill(t, one.dir)
			}
			w := listen(t, l.Host("client"), "eth0")
			late := metronome(t)
			begin := time.Now()
			reloaded := one.reload()
			took := time.Since(begin)
			w.next(t, one.host.V4)

			if reloaded.Operations < tt.servers {
				t.Errorf("%d operations; the log:\n%s", reloaded.Operations, one.log)
			}
			if tt.full && one.log.count("no space left on device") == 0 {
				t.Errorf("the disk was not full; the log:\n%s", one.log)
			}
			if others := w.adverts(two.host.V4); len(others) > 0 {
				t.Errorf("the standby took over; its log:\n%s", two.log)
			}
			longest := distance(w.adverts(one.host.V4))
			t.Logf("%d real servers in %s; adverts at most %s apart; the machine itself was late by up to %s",
				tt.servers, took.Round(time.Millisecond), longest.Round(time.Millisecond), late().Round(time.Millisecond))
			if longest > dead+late() {
				t.Errorf("adverts were %s apart, the dead time is %s", longest, dead)
			}
		})
	}
}

// startWith starts a director with a variable of its environment.
func (d *director) startWith(env string) {
	d.t.Helper()
	name, value, _ := strings.Cut(env, "=")
	d.t.Setenv(name, value)
	d.start()
	labtest.NoError(d.t, os.Unsetenv(name))
}

// smallDisk lays a small file system over a folder.
func smallDisk(t *testing.T, dir string) {
	t.Helper()
	labtest.NoError(t, unix.Mount("small", dir, "tmpfs", 0, "size=16m"))
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
}

// fill leaves no room in a folder's file system.
func fill(t *testing.T, dir string) {
	t.Helper()
	f := labtest.Must(os.Create(filepath.Join(dir, "filler")))(t)
	defer f.Close()
	zero := labtest.Must(os.Open("/dev/zero"))(t)
	defer zero.Close()
	if _, err := io.Copy(f, zero); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
}

// distance is the longest time between two of these.
func distance(all []heard) time.Duration {
	longest := time.Duration(0)
	for i := 1; i < len(all); i++ {
		longest = max(longest, all[i].at.Sub(all[i-1].at))
	}
	return longest
}

// metronome gives a function that tells by how much the machine has kept a thread
// waiting that does nothing but sleep, and is as urgent as the one of the adverts.
func metronome(t *testing.T) func() time.Duration {
	t.Helper()
	const pause = 10 * time.Millisecond
	var latest atomic.Int64
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		vrrp.Hasten()
		for {
			select {
			case <-stop:
				return
			default:
			}
			start := time.Now()
			sleep := unix.NsecToTimespec(int64(pause))
			_ = unix.Nanosleep(&sleep, nil)
			latest.Store(max(latest.Load(), int64(time.Since(start)-pause)))
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-done
	})
	runtime.Gosched()
	return func() time.Duration { return time.Duration(latest.Load()) }
}
