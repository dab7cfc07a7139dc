package track

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestSum(t *testing.T) {
	up, down := State{Known: true, Up: true}, State{Known: true, Why: "gone"}
	tests := []struct {
		name   string
		weight int
		state  State
		want   Effect
		known  bool
	}{
		{"up", 0, up, Effect{}, true},
		{"down", 0, down, Effect{Fault: "web: gone"}, true},
		{"down, and its repair has failed", 0, State{Known: true, Why: "gone", Repair: "exit code 1"},
			Effect{Fault: "web: gone; its repair: exit code 1"}, true},
		{"down, and its repair was in vain", 0, State{Known: true, Why: "gone", Repair: "done"},
			Effect{Fault: "web: gone; its repair: done"}, true},
		{"down with a weight", -30, down, Effect{Change: -30}, true},
		{"up with a weight below 0", -30, up, Effect{}, true},
		{"up with a weight", 30, up, Effect{Change: 30}, true},
		{"down with a weight above 0", 30, down, Effect{}, true},
		{"a number", 0, State{Known: true, Up: true, Number: -7}, Effect{Change: -7}, true},
		{"unknown", 0, State{}, Effect{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, known := Sum([]Spec{{Name: "web", Weight: tt.weight}}, []State{tt.state})
			if got != tt.want || known != tt.known {
				t.Errorf("got %+v, %t, want %+v, %t", got, known, tt.want, tt.known)
			}
		})
	}
}

func TestRiseAndFall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad := errors.New("bad")
		outcomes := []error{nil, bad, nil, bad, bad, nil, nil, nil}
		tracker := New(Spec{Process: "x", Interval: time.Second, Timeout: time.Second, Rise: 2, Fall: 2}, nil)
		tracker.look = func(context.Context) (int, error) {
			err := outcomes[0]
			outcomes = outcomes[1:]
			return 0, err
		}
		ctx, cancel := context.WithCancel(t.Context())
		start := time.Now()
		var got []string
		go tracker.Run(ctx, func(s State) {
			got = append(got, time.Since(start).String()+" "+map[bool]string{true: "up", false: "down"}[s.Up])
		})
		time.Sleep(7500 * time.Millisecond)
		cancel()
		synctest.Wait()
		if diff := cmp.Diff([]string{"0s up", "4s down", "6s up"}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// A repair runs after the first bad look, once, while looking goes on, and is
// followed by a look at once.
func TestRepair(t *testing.T) {
	tests := []struct {
		name  string
		takes time.Duration
		err   error
		helps bool
		want  []string
	}{
		{"one that helps", 1500 * time.Millisecond, nil, true, []string{"0s up", "2.5s up, repair done"}},
		{"one that helps too late", 5500 * time.Millisecond, nil, true, []string{"0s up", "3s down", "6.5s down, repair done", "6.5s up, repair done"}},
		{"one that fails", 500 * time.Millisecond, errors.New("exit code 1"), false,
			[]string{"0s up", "1.5s up, repair exit code 1", "2s down, repair exit code 1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				var broken atomic.Bool
				tracker := New(Spec{Process: "x", Interval: time.Second, Timeout: time.Second, Rise: 1, Fall: 3}, nil)
				tracker.look = func(context.Context) (int, error) {
					if time.Since(start) == time.Second {
						broken.Store(true)
					}
					if broken.Load() {
						return 0, errors.New("gone")
					}
					return 0, nil
				}
				repairs := 0
				tracker.repair = func(context.Context) error {
					repairs++
					time.Sleep(tt.takes)
					broken.Store(!tt.helps)
					return tt.err
				}
				ctx, cancel := context.WithCancel(t.Context())
				var got []string
				go tracker.Run(ctx, func(s State) {
					line := time.Since(start).String() + " " + map[bool]string{true: "up", false: "down"}[s.Up]
					if s.Repair != "" {
						line += ", repair " + s.Repair
					}
					got = append(got, line)
				})
				time.Sleep(9500 * time.Millisecond)
				cancel()
				synctest.Wait()
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if repairs != 1 {
					t.Errorf("%d repairs, want 1", repairs)
				}
			})
		})
	}
}

// What an earlier repair has said is not told of the next failure.
func TestNextRepair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		tracker := New(Spec{Process: "x", Interval: time.Second, Timeout: time.Second, Rise: 1, Fall: 3}, nil)
		tracker.look = func(context.Context) (int, error) {
			if passed := time.Since(start); passed == time.Second || passed >= 5*time.Second {
				return 0, errors.New("gone")
			}
			return 0, nil
		}
		repairs := 0
		tracker.repair = func(ctx context.Context) error {
			if repairs++; repairs == 1 {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		}
		ctx, cancel := context.WithCancel(t.Context())
		var got []State
		go tracker.Run(ctx, func(s State) { got = append(got, s) })
		time.Sleep(9500 * time.Millisecond)
		cancel()
		synctest.Wait()
		if last := got[len(got)-1]; repairs != 2 || last != (State{Known: true, Why: "gone"}) {
			t.Errorf("after %d repairs, of which the second goes on: %+v", repairs, last)
		}
	})
}

func TestLooks(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	tests := []struct {
		name   string
		spec   Spec
		number int
		ok     bool
	}{
		{"a number", Spec{File: write("number", " -20\n")}, -20, true},
		{"no number", Spec{File: write("word", "many")}, 0, false},
		{"too large", Spec{File: write("large", "255")}, 0, false},
		{"no file", Spec{File: filepath.Join(dir, "none")}, 0, false},
		{"a link", Spec{Link: "lo"}, 0, true},
		{"no link", Spec{Link: "none0"}, 0, false},
		{"a program", Spec{Command: []string{"/bin/true"}}, 0, true},
		{"one that fails", Spec{Command: []string{"/bin/false"}}, 0, false},
		{"no process", Spec{Process: "there-is-no-such"}, 0, false},
		{"a process", Spec{Process: self(t)}, 0, true},
		{"a quorum", Spec{Virtual: "web"}, 0, true},
		{"no quorum", Spec{Virtual: "mail"}, 0, false},
	}
	quorum := func(name string) error {
		if name == "mail" {
			return errors.New("no quorum")
		}
		return nil
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			number, err := looker(tt.spec, quorum)(ctx)
			if number != tt.number || (err == nil) != tt.ok {
				t.Errorf("got %d, %v, want %d, %t", number, err, tt.number, tt.ok)
			}
		})
	}
}

// A process that has ended does not count while its parent has not asked how.
func TestEndedProcess(t *testing.T) {
	const name = "lvsd-zombie (1)"
	program := filepath.Join(t.TempDir(), name)
	if err := os.Symlink("/bin/sleep", program); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	if err := process("/proc", name); err != nil {
		t.Errorf("while it runs: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	var info unix.Siginfo
	if err := unix.Waitid(unix.P_PID, cmd.Process.Pid, &info, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	if err := process("/proc", name); err == nil {
		t.Error("it is found after its end")
	}
}

// self is the name of the test's own process.
func self(t *testing.T) string {
	comm, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	return string(comm[:len(comm)-1])
}

// A look that hangs, as one at a file whose server is gone, is a bad look, and does
// not hold up whoever ends the tracker.
func TestHangingLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		var looks atomic.Int64
		tracker := New(Spec{File: "x", Interval: time.Second, Timeout: time.Second, Rise: 1, Fall: 1}, nil)
		tracker.look = func(context.Context) (int, error) {
			n := looks.Add(1)
			if n == 2 {
				<-hang
			}
			return int(n), nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		var got []string
		done := make(chan struct{})
		start := time.Now()
		go func() {
			defer close(done)
			tracker.Run(ctx, func(s State) {
				got = append(got, fmt.Sprintf("%s up %t, %d", time.Since(start).Round(time.Second/10), s.Up, s.Number))
			})
		}()
		time.Sleep(10 * time.Second)
		if n := looks.Load(); n != 2 {
			t.Errorf("%d looks while one hangs", n)
		}
		close(hang)
		time.Sleep(3 * time.Second)
		cancel()
		<-done
		if len(got) < 4 || !slices.Equal(got[:2], []string{"0s up true, 1", "2.5s up false, 0"}) || !strings.HasPrefix(got[3], "1") {
			t.Errorf("got %q", got)
		}
	})
}

// The end of a tracker waits for no look that hangs.
func TestEndWhileLookHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		tracker := New(Spec{File: "x", Interval: time.Second, Timeout: time.Second, Rise: 1, Fall: 1}, nil)
		tracker.look = func(context.Context) (int, error) { <-hang; return 0, nil }
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			tracker.Run(ctx, func(State) {})
		}()
		time.Sleep(10 * time.Second)
		cancel()
		time.Sleep(time.Second)
		select {
		case <-done:
		default:
			t.Error("it has not ended")
		}
		close(hang)
		<-done
	})
}
