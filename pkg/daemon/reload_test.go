package daemon

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/control"
)

// systemd is told of each step, in the words of sd_notify(3).
func TestNotices(t *testing.T) {
	r := start(t, web("", "rs1"))
	for _, text := range []string{web("", "rs1", "rs2"), "broken"} {
		r.write(text)
		before := monotonic(t)
		_ = r.reload()
		got := r.hears("RELOADING=1\nMONOTONIC_USEC=")
		usec, err := strconv.ParseInt(strings.TrimPrefix(got, "RELOADING=1\nMONOTONIC_USEC="), 10, 64)
		if err != nil || usec < before || usec > monotonic(t) {
			t.Errorf("%q, %v: not a time of this reload", got, err)
		}
		r.hears("READY=1")
	}
}

// A supervisor that reads nothing does not hold the director up.
func TestNoticesThatNobodyReads(t *testing.T) {
	notifySocket(t, filepath.Join(t.TempDir(), "notify"))
	conn, err := net.Dial("unixgram", os.Getenv("NOTIFY_SOCKET"))
	must(t, err)
	defer conn.Close()
	for err == nil {
		must(t, conn.SetWriteDeadline(time.Now().Add(10*time.Millisecond)))
		_, err = conn.Write([]byte("full"))
	}
	begin := time.Now()
	tellSystemd("READY=1")
	if took := time.Since(begin); took > patience/4 {
		t.Errorf("the notice took %s", took)
	}
}

func monotonic(t *testing.T) int64 {
	t.Helper()
	var now unix.Timespec
	must(t, unix.ClockGettime(unix.CLOCK_MONOTONIC, &now))
	return now.Nano() / 1000
}

// A reload that is refused changes nothing and says why, to the one who asked, in
// the log and in the status, until one succeeds.
func TestRefusedReload(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(r *running)
		want   string
	}{
		{"two mistakes", func(r *running) { r.write(web("director.watch = 1\n", "rs1", "rs2") + "wight = 3\n") },
			"director.toml:4:18: director.watch is a whole number; expected true or false\n"},
		{"no file", func(r *running) { must(r.t, os.Remove(r.path())) }, "director.toml: open: no such file or directory"},
		{"nothing", func(r *running) { r.write("") }, "nothing is declared"},
		{"another state directory", func(r *running) { r.write(web("director.state_dir = \"/run/other\"\n", "rs2")) },
			"director.state_dir changed from %DIR% to /run/other: that needs a restart"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := start(t, web("", "rs1"))
			loaded, table := r.status().Daemon.Loaded, r.table.String()
			test.change(r)
			want := strings.ReplaceAll(test.want, "%DIR%", r.dir)
			err := r.reload()
			var refused control.Refused
			if !errors.As(err, &refused) || !strings.Contains(refused.Err.Error(), want) {
				t.Errorf("got %v, want %s", err, want)
			}
			s := r.status().Daemon
			if !strings.Contains(s.Reload, want) || !s.Loaded.Equal(loaded) || !s.InStep {
				t.Errorf("the status says %+v", s)
			}
			if r.log.count("reload refused, the old configuration stays in force") != 1 {
				t.Errorf("the log:\n%s", r.log)
			}
			if diff := cmp.Diff(table, r.table.String()); diff != "" {
				t.Errorf("the table changed:\n%s", diff)
			}
			r.write(web("", "rs3"))
			must(t, r.reload())
			if s := r.status().Daemon; s.Reload != "" || !s.Loaded.After(loaded) {
				t.Errorf("after a good reload the status says %+v", s)
			}
		})
	}
}

// While a round hangs, or the name service does, the director still says what it
// knows.
func TestStatusWhileReloadHangs(t *testing.T) {
	for _, test := range []struct {
		name string
		text string
		hang func(r *running) (asked <-chan struct{}, release func())
	}{
		{"in the kernel", "scheduler = \"sed\"\n", func(r *running) (<-chan struct{}, func()) {
			until := make(chan struct{})
			r.modules.hang("ip_vs", until)
			return nil, func() { close(until) }
		}},
		{"in the name service", "real.rs9 = \"name.invalid\"\n", func(r *running) (<-chan struct{}, func()) {
			asked := make(chan struct{})
			hangingNames(r.t, asked)
			return asked, func() {}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := start(t, web("", "rs1"))
			asked, release := test.hang(r)
			r.write(strings.Replace(web("", "rs1", "rs2"), "scheduler = \"rr\"\n", test.text, 1))
			done := make(chan error, 1)
			go func() { done <- r.reload() }()
			if asked != nil {
				<-asked
			} else {
				eventually(t, "a round hangs", func() bool { return r.modules.loads("ip_vs") })
			}
			begin := time.Now()
			if s := r.status(); len(s.Services) != 1 {
				t.Errorf("the status has %d services", len(s.Services))
			}
			if took := time.Since(begin); took > patience/4 {
				t.Errorf("the status took %s", took)
			}
			release()
			if asked == nil {
				must(t, <-done)
			}
		})
	}
}

// However an editor or a tool replaces a file, it is read once it is quiet, and
// what is none of the configuration's is not looked at.
func TestWatch(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(r *running)
	}{
		{"written in place", func(r *running) { r.write(web(watched, "rs1", "rs2")) }},
		{"put in its place", func(r *running) {
			must(r.t, os.Rename(r.path(), r.path()+".old"))
			r.write(web(watched, "rs1", "rs2"))
			must(r.t, os.Rename(r.path(), r.path()+".new"))
			must(r.t, os.Rename(r.path()+".new", r.path()))
		}},
		{"moved away and written anew, as vim does", func(r *running) {
			must(r.t, os.WriteFile(filepath.Join(r.dir, "4913"), nil, 0o600))
			must(r.t, os.Remove(filepath.Join(r.dir, "4913")))
			must(r.t, os.Rename(r.path(), r.path()+"~"))
			r.write(web(watched, "rs1", "rs2"))
			must(r.t, os.Remove(r.path()+"~"))
		}},
		{"a fragment", func(r *running) {
			must(r.t, os.Mkdir(filepath.Join(r.dir, "conf.d"), 0o755))
			r.fragment("more.toml", "real.rs2 = \"10.0.0.2\"\n")
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := start(t, web(watched, "rs1"))
			must(t, os.WriteFile(filepath.Join(r.dir, "notes.txt"), []byte("x"), 0o600))
			test.change(r)
			eventually(t, "the change is read", func() bool { return strings.Contains(r.table.String(), "10.0.0.2:80") })
			if n := r.log.count("msg=reloaded"); n != 1 {
				t.Errorf("reloaded %d times:\n%s", n, r.log)
			}
		})
	}
}

const watched = "director.watch = true\n"

func (r *running) fragment(name, text string) {
	r.t.Helper()
	must(r.t, os.WriteFile(filepath.Join(r.dir, "conf.d", name), []byte("[virtual.web]\n"+text), 0o600))
}

// The folder of fragments may go and come again.
func TestWatchFragmentsComeAgain(t *testing.T) {
	r := start(t, web(watched, "rs1"))
	for i, server := range []string{"2", "3"} {
		must(t, os.Mkdir(filepath.Join(r.dir, "conf.d"), 0o755))
		eventually(t, "the new folder is read", func() bool { return r.log.count("msg=reloaded") == 3*i+1 })
		r.fragment("more.toml", "real.rs"+server+" = \"10.0.0."+server+"\"\n")
		eventually(t, "the fragment is read", func() bool { return strings.Contains(r.table.String(), "10.0.0."+server+":80") })
		must(t, os.RemoveAll(filepath.Join(r.dir, "conf.d")))
		eventually(t, "its end is seen", func() bool { return r.log.count("msg=reloaded") == 3*i+3 })
	}
}

// A file may be a link, and what changes may be the link, what it leads over, as
// Kubernetes has it with its ConfigMaps, or the file at its end.
func TestWatchLinks(t *testing.T) {
	link := func(dir, target, name string) {
		must(t, os.Symlink(target, filepath.Join(dir, "new")))
		must(t, os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, name)))
	}
	for _, test := range []struct {
		name         string
		lay, replace func(dir, elsewhere string)
	}{
		{"the folder that the link leads over", func(dir, _ string) {
			link(dir, "..v1", "..data")
			link(dir, "..data/director.toml", "director.toml")
		}, func(dir, _ string) {
			link(dir, "..v2", "..data")
		}},
		{"the folder of the fragments", func(dir, _ string) {
			link(dir, "..v1", "..data")
			link(dir, "..data", "conf.d")
			must(t, os.Rename(filepath.Join(dir, "..v1/director.toml"), filepath.Join(dir, "director.toml")))
			must(t, os.Rename(filepath.Join(dir, "..v2/director.toml"), filepath.Join(dir, "..v2/more.toml")))
			must(t, os.WriteFile(filepath.Join(dir, "..v2/more.toml"), []byte("[virtual.web.real]\nrs2 = \"10.0.0.2\"\n"), 0o600))
		}, func(dir, _ string) {
			link(dir, "..v2", "..data")
		}},
		{"the file elsewhere", func(dir, elsewhere string) {
			must(t, os.Rename(filepath.Join(dir, "..v1/director.toml"), filepath.Join(elsewhere, "lb.toml")))
			link(dir, filepath.Join(elsewhere, "lb.toml"), "director.toml")
		}, func(dir, elsewhere string) {
			must(t, os.Rename(filepath.Join(dir, "..v2/director.toml"), filepath.Join(elsewhere, "lb.toml")))
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var replace func()
			r := start(t, web(watched, "rs1"), func(dir string) {
				text, err := os.ReadFile(filepath.Join(dir, "director.toml"))
				must(t, err)
				more := strings.Replace(string(text), "10.0.0.1", "10.0.0.2", 1)
				for folder, text := range map[string]string{"..v1": string(text), "..v2": more} {
					must(t, os.Mkdir(filepath.Join(dir, folder), 0o755))
					must(t, os.WriteFile(filepath.Join(dir, folder, "director.toml"), []byte(text), 0o600))
				}
				elsewhere := t.TempDir()
				test.lay(dir, elsewhere)
				replace = func() { test.replace(dir, elsewhere) }
			})
			replace()
			eventually(t, "the change is read", func() bool { return strings.Contains(r.table.String(), "10.0.0.2:80") })
		})
	}
}

// Without watch a changed file waits to be asked for; SIGHUP is one way to ask.
func TestNoWatch(t *testing.T) {
	r := start(t, web("", "rs1"))
	r.write(web(watched, "rs1", "rs2"))
	time.Sleep(2 * settleTime)
	if n := r.log.count("msg=reloaded"); n != 0 {
		t.Errorf("reloaded %d times", n)
	}
	must(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
	eventually(t, "SIGHUP reads the file", func() bool { return strings.Contains(r.table.String(), "10.0.0.2:80") })
	r.write(web(watched, "rs3"))
	eventually(t, "the watch that was switched on works", func() bool { return strings.Contains(r.table.String(), "10.0.0.3:80") })
}

func TestConcerns(t *testing.T) {
	w := &watch{path: "/etc/lvsd/director.toml"}
	for path, want := range map[string]bool{
		"/etc/lvsd/director.toml":       true,
		"/etc/lvsd/conf.d":              true,
		"/etc/lvsd/conf.d/a.toml":       true,
		"/etc/lvsd/conf.d/.a.toml":      false,
		"/etc/lvsd/conf.d/a.toml~":      false,
		"/etc/lvsd/conf.d/.#a.toml":     false,
		"/etc/lvsd/.director.toml.swp":  false,
		"/etc/lvsd/director.toml.new":   false,
		"/etc/lvsd/realserver.toml":     false,
		"/etc/lvsd/conf.d/sub/b.toml":   false,
		"/etc/lvsd/conf.d/director.txt": false,
	} {
		if got := w.concerns(path); got != want {
			t.Errorf("%s: got %t", path, got)
		}
	}
}
