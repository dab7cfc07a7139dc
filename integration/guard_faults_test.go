package integration

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cilium/ebpf/link"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
)

// Whatever is wrong with the guard is told, what was before it stays, and the
// packets flow.
func TestGuardFaults(t *testing.T) {
	l := labtest.New(t, lab.Topology{RealServers: 2, Outside: true})
	for _, rs := range serve(t, l) {
		labtest.NoError(t, rs.TakeVIP(lab.VIP4))
	}
	client, host := l.Host("client"), l.Host("lb1")
	labtest.Run(t, host, "ip", "link", "add", "foreign", "type", "veth", "peer", "name", "foreign2")
	labtest.Run(t, host, "ip", "link", "add", "nodriver", "type", "dummy")
	labtest.NoError(t, host.SetLink("nodriver", true))
	dir := t.TempDir()
	list := filepath.Join(dir, "block")
	write := func(text string) {
		labtest.NoError(t, os.WriteFile(list+".new", []byte(text), 0o600))
		labtest.NoError(t, os.Rename(list+".new", list))
	}
	write("198.51.100.0/24\n")
	config := func(interfaces string, lines ...string) string {
		return fmt.Sprintf("[guard]\ninterfaces = %s\nblock_files = [%q]\n%s\n", interfaces, list, strings.Join(lines, "\n")) + webConfig(1, 1)
	}
	d := startGuarded(t, host, config(`"eth0"`))
	a := newAttacker(t, l)
	// holds is what must be true after each fault.
	holds := func(t *testing.T) {
		t.Helper()
		d.attached("eth0", true)
		before := d.decided()
		a.fire(attackRate, 100, stray)
		if by, sum := since(d.decided(), before); by["block list"] != 100 || sum != 100 {
			t.Errorf("the guard does not guard: %v", by)
		}
		labtest.Get(t, client, labtest.URL(lab.VIP4, webPort))
	}
	holds(t)
	problem := func(t *testing.T, want string) {
		t.Helper()
		eventually(t, want, func() bool {
			s := d.status()
			return strings.Contains(strings.Join(append(s.Daemon.Errors, s.Guard.Problems...), "\n"), want)
		})
		holds(t)
	}
	fine := func(t *testing.T) {
		t.Helper()
		eventually(t, "all is well again", func() bool {
			s := d.status()
			return s.Daemon.InStep && len(s.Guard.Problems) == 0
		})
		holds(t)
	}

	t.Run("a wrong network", func(t *testing.T) {
		d.write(config(`"eth0"`, `block = ["10.0.0.1/24"]`))
		_, err := d.client().Reload(t.Context())
		if err == nil || !strings.Contains(err.Error(), ":10: 10.0.0.1/24 is an address in a network") {
			t.Errorf("reload: %v", err)
		}
		holds(t)
		d.write(config(`"eth0"`))
		d.reload()
		fine(t)
	})
	t.Run("a list that disappears", func(t *testing.T) {
		labtest.NoError(t, os.Remove(list))
		problem(t, "read the list "+list+": no such file or directory")
		d.cmd.Kill() // and the next daemon has never seen it
		d.start()
		problem(t, "read the list "+list+": no such file or directory")
		write("198.51.100.0/24\n203.0.113.0/24\n")
		fine(t)
	})
	t.Run("a list that goes bad", func(t *testing.T) {
		write("198.51.100.0/24\nnobody\n")
		problem(t, list+`:2: "nobody" is not a network`)
		if out, err := d.lvsd("validate", d.config()); err == nil || !strings.Contains(out, list+`:2: "nobody" is not a network`) {
			t.Errorf("validate: %v\n%s", err, out)
		}
		write("198.51.100.0/24\n")
		fine(t)
	})
	t.Run("an interface that is missing", func(t *testing.T) {
		d.write(config(`["eth0", "later"]`))
		if done := d.reload(); !slices.ContainsFunc(done.Errors, func(s string) bool { return strings.Contains(s, "attach guard to later") }) {
			t.Errorf("reload: %q", done.Errors)
		}
		holds(t)
		labtest.Run(t, host, "ip", "link", "add", "later", "type", "dummy")
		fine(t)
		d.attached("later", true)
	})
	t.Run("another program on the interface", func(t *testing.T) {
		attachOther(t, host, "foreign")
		d.write(config(`["eth0", "foreign"]`))
		if done := d.reload(); !slices.ContainsFunc(done.Errors, func(s string) bool { return strings.Contains(s, "other") }) {
			t.Errorf("reload: %q", done.Errors)
		}
		holds(t)
	})
	t.Run("a driver without XDP", func(t *testing.T) {
		d.write(config(`["eth0", "nodriver"]`, `mode = "driver"`))
		if done := d.reload(); !slices.ContainsFunc(done.Errors, func(s string) bool { return strings.Contains(s, "attach guard to nodriver") }) {
			t.Errorf("reload: %q", done.Errors)
		} else {
			t.Log(done.Errors)
		}
		holds(t)
		d.write(config(`["eth0", "nodriver"]`))
		d.reload()
		fine(t)
		d.attached("nodriver", true)
	})
}

// attachOther attaches a program that is not lvsd's.
func attachOther(t *testing.T, host *lab.Host, name string) {
	t.Helper()
	program := passAll(t)
	labtest.NoError(t, host.Do(func() error {
		index, err := interfaceIndex(name)
		if err != nil {
			return err
		}
		l, err := link.AttachXDP(link.XDPOptions{Program: program, Interface: index})
		if err == nil {
			t.Cleanup(func() { l.Close() })
		}
		return err
	}))
}

// Blocks by command hold at once and over a restart, and end in time.
func TestGuardCommands(t *testing.T) {
	l := labtest.New(t, lab.Topology{RealServers: 2, Outside: true})
	for _, rs := range serve(t, l) {
		labtest.NoError(t, rs.TakeVIP(lab.VIP4))
	}
	client := l.Host("client")
	d := startGuarded(t, l.Host("lb1"), guarded("[guard.limit]", "source_syns = 1000")+webConfig(1, 1))
	vip := netip.AddrPortFrom(lab.VIP4, webPort).String()
	says := func(want string, args ...string) {
		t.Helper()
		if out := d.must(args...); !strings.Contains(out, want) {
			t.Errorf("lvsd %s: want %q in\n%s", strings.Join(args, " "), want, out)
		}
	}
	test := []string{"guard", "test", client.V4.String(), vip}
	says("PASSES: no rule speaks against it", test...)
	says("IS DROPPED: no service of 10.0.1.200 has tcp 81; it has tcp 80", "guard", "test", client.V4.String(), "10.0.1.200:81")
	says("10.0.1.77 is no VIP", "guard", "test", client.V4.String(), "10.0.1.77:80")
	d.must("guard", "block", client.V4.String())
	says("IS DROPPED: 10.0.1.10/32 is blocked by command of root", test...)
	soon, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := client.Dial(soon, "tcp", vip); err == nil {
		t.Error("who is blocked gets through")
	}
	d.cmd.Kill()
	d.start()
	says("IS DROPPED: 10.0.1.10/32 is blocked by command of root", test...)
	says("10.0.1.10/32        root", "guard", "status")
	d.must("guard", "unblock", client.V4.String())
	labtest.Get(t, client, labtest.URL(lab.VIP4, webPort))
	if out, err := d.lvsd("guard", "unblock", client.V4.String()); err == nil || !strings.Contains(out, "it is not blocked by command") {
		t.Errorf("unblock twice: %v\n%s", err, out)
	}
	d.must("guard", "block", "10.0.1.0/24", "--for", "1s")
	eventually(t, "the block ends", func() bool { return d.guard().Block == 0 })
	labtest.Get(t, client, labtest.URL(lab.VIP4, webPort))
	d.settled()

	a := newAttacker(t, l)
	var fire sync.WaitGroup
	var seen atomic.Bool
	fire.Go(func() {
		for !seen.Load() {
			a.fire(100, 20, single, stray)
		}
	})
	defer fire.Wait()
	defer seen.Store(true)
	eventually(t, "the attacker in the list", func() bool {
		return strings.Contains(d.must("guard", "top"), "198.19.0.0/32")
	})
	eventually(t, "its packets", func() bool {
		return strings.Contains(d.must("guard", "top", "--for", "100ms"), "on eth0: no such port")
	})
}
