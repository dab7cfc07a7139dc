package xdp

import (
	"net"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// veth makes a pair of interfaces for a test and gives the name of one.
func veth(t testing.TB) string {
	t.Helper()
	run(t, "ip", "link", "add", "guard.0", "type", "veth", "peer", "name", "guard.1")
	t.Cleanup(func() { _ = exec.Command("ip", "link", "delete", "guard.0").Run() }) // some tests do it themselves
	return "guard.0"
}

func run(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
}

func attach(verb lvs.Verb, name string, mode lvs.GuardMode) lvs.GuardAttach {
	return lvs.GuardAttach{Verb: verb, Interface: name, Link: lvs.GuardLink{Mode: mode}}
}

func checkLinks(t *testing.T, g *Guard, want map[string]lvs.GuardLink) {
	t.Helper()
	state := empty()
	state.Interfaces = want
	checkState(t, g, state)
}

func TestAttach(t *testing.T) {
	name := veth(t)
	g := newGuard(t)
	driver, generic := lvs.GuardLink{Mode: lvs.GuardDriver}, lvs.GuardLink{Mode: lvs.GuardGeneric}
	for _, tt := range []struct {
		mode lvs.GuardMode
		want lvs.GuardLink
	}{{lvs.GuardAuto, driver}, {lvs.GuardGeneric, generic}, {lvs.GuardDriver, driver}} {
		apply(t, g, attach(lvs.Add, name, tt.mode))
		checkLinks(t, g, map[string]lvs.GuardLink{name: tt.want})
		apply(t, g, attach(lvs.Delete, name, 0))
		checkLinks(t, g, map[string]lvs.GuardLink{})
	}
	apply(t, g, attach(lvs.Add, name, lvs.GuardAuto), attach(lvs.Set, name, lvs.GuardGeneric))
	checkLinks(t, g, map[string]lvs.GuardLink{name: generic})
	if err := g.Apply(attach(lvs.Add, name, lvs.GuardAuto)); err == nil || !strings.Contains(err.Error(), "the guard is attached already") {
		t.Errorf("attach twice: %v", err)
	}
}

// TestAttachToWhatCannot: loopback has no XDP in its driver; an interface that is
// missing is named.
func TestAttachToWhatCannot(t *testing.T) {
	g := newGuard(t)
	apply(t, g, attach(lvs.Add, "lo", lvs.GuardAuto))
	checkLinks(t, g, map[string]lvs.GuardLink{"lo": {Mode: lvs.GuardGeneric}})
	err := g.Apply(attach(lvs.Set, "lo", lvs.GuardDriver))
	if err == nil || !strings.Contains(err.Error(), "replace guard on lo (mode driver): the driver of lo has no XDP") {
		t.Errorf("driver mode on lo: %v", err)
	}
	checkLinks(t, g, map[string]lvs.GuardLink{"lo": {Mode: lvs.GuardGeneric}})
	err = g.Apply(attach(lvs.Add, "nobody", lvs.GuardAuto))
	if err == nil || !strings.HasPrefix(err.Error(), "attach guard to nobody (mode auto): find the interface: ") {
		t.Errorf("attach to an interface that is missing: %v", err)
	}
}

// TestInterfaceGoes: its link is left over, and is in nobody's way.
func TestInterfaceGoes(t *testing.T) {
	g := newGuard(t)
	name := veth(t)
	apply(t, g, attach(lvs.Add, name, lvs.GuardAuto))
	i, err := net.InterfaceByName(name)
	if err != nil {
		t.Fatal(err)
	}
	run(t, "ip", "link", "delete", name)
	checkLinks(t, g, map[string]lvs.GuardLink{})
	apply(t, g, attach(lvs.Delete, name, 0))
	run(t, "ip", "link", "add", name, "index", strconv.Itoa(i.Index), "type", "veth", "peer", "name", "guard.1")
	defer run(t, "ip", "link", "delete", name)
	apply(t, g, attach(lvs.Add, name, lvs.GuardGeneric))
	checkLinks(t, g, map[string]lvs.GuardLink{name: {Mode: lvs.GuardGeneric}})
}

// theirProgram is a program that passes everything, as others may attach it.
func theirProgram(t testing.TB, name string) *ebpf.Program {
	t.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: name, Type: ebpf.XDP, AttachType: ebpf.AttachXDP, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 2), asm.Return()},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// TestOccupied: another program on the interface stays, and the error names it.
func TestOccupied(t *testing.T) {
	tests := []struct {
		name  string
		flags link.XDPAttachFlags
		want  string
	}{
		{"filter", link.XDPDriverMode, "another XDP program is attached in driver mode: filter ("},
		{"filter", link.XDPGenericMode, "another XDP program is attached in generic mode: filter ("},
		{dispatcher, link.XDPDriverMode, "xdp_dispatcher, which is libxdp's; the guard cannot be one of the programs that it runs"},
	}
	g := newGuard(t)
	for _, tt := range tests {
		name := veth(t)
		i, err := net.InterfaceByName(name)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := link.AttachXDP(link.XDPOptions{Program: theirProgram(t, tt.name), Interface: i.Index, Flags: tt.flags})
		if err != nil {
			t.Fatal(err)
		}
		for _, mode := range []lvs.GuardMode{lvs.GuardAuto, lvs.GuardDriver, lvs.GuardGeneric} {
			if err := g.Apply(attach(lvs.Add, name, mode)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s over %s: %v", mode, tt.name, err)
			}
		}
		checkLinks(t, g, map[string]lvs.GuardLink{})
		theirs.Close()
		run(t, "ip", "link", "delete", name)
	}
}

// TestOutdated: a program that is not this version's is seen, and exchanged in
// place.
func TestOutdated(t *testing.T) {
	g := newGuard(t)
	name := veth(t)
	apply(t, g, attach(lvs.Add, name, lvs.GuardAuto))
	i, err := net.InterfaceByName(name)
	if err != nil {
		t.Fatal(err)
	}
	l, err := link.LoadPinnedLink(g.linkPath(i.Index), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := l.Update(theirProgram(t, "guard")); err != nil {
		t.Fatal(err)
	}
	checkLinks(t, g, map[string]lvs.GuardLink{name: {Mode: lvs.GuardDriver, Outdated: true}})
	apply(t, g, attach(lvs.Set, name, lvs.GuardAuto))
	checkLinks(t, g, map[string]lvs.GuardLink{name: {Mode: lvs.GuardDriver}})
}

// TestNothingLeaks attaches and detaches a hundred times. Of all the programs,
// maps and links that it made the kernel has none then.
func TestNothingLeaks(t *testing.T) {
	name := veth(t)
	made := things{}
	for range 4 {
		g, err := Open(dir())
		if err != nil {
			t.Fatal(err)
		}
		for range 25 {
			apply(t, g, attach(lvs.Add, name, lvs.GuardAuto))
			made.add(t, g)
			apply(t, g, attach(lvs.Delete, name, 0))
		}
		apply(t, g, attach(lvs.Add, name, lvs.GuardAuto))
		made.add(t, g)
		if err := g.Remove(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("made %s", made)
	if made.count("link") != 104 || made.count("program") != 8 {
		t.Error("expected 104 links and 8 programs")
	}
	var left things
	for range 1500 { // the kernel frees them a little later
		if left = made.left(t); len(left) == 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("left are %s", left)
}
