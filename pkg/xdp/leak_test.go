package xdp

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

// thing is something of BPF in the kernel, by its number there.
type thing struct {
	kind string // program, map, link
	id   uint32
}

type things map[thing]bool

// add notes what a guard has, and the links that are pinned.
func (all things) add(t *testing.T, g *Guard) {
	t.Helper()
	for _, p := range []*ebpf.Program{g.objects.Guard, g.objects.Explain} {
		info, err := p.Info()
		if err != nil {
			t.Fatal(err)
		}
		id, _ := info.ID()
		all[thing{"program", uint32(id)}] = true
		maps, _ := info.MapIDs()
		for _, id := range maps {
			all[thing{"map", uint32(id)}] = true
		}
	}
	for _, path := range g.links() {
		l, err := link.LoadPinnedLink(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		info, err := l.Info()
		if err != nil {
			t.Fatal(err)
		}
		all[thing{"link", uint32(info.ID)}] = true
		l.Close()
	}
}

// left gives those that the kernel still has.
func (all things) left(t *testing.T) things {
	t.Helper()
	left := things{}
	for one := range all {
		closer, err := one.open()
		switch {
		case err == nil:
			left[one] = true
			closer()
		case !errors.Is(err, os.ErrNotExist):
			t.Fatal(err)
		}
	}
	return left
}

func (one thing) open() (closer func() error, err error) {
	switch one.kind {
	case "program":
		p, err := ebpf.NewProgramFromID(ebpf.ProgramID(one.id))
		return p.Close, err
	case "map":
		m, err := ebpf.NewMapFromID(ebpf.MapID(one.id))
		return m.Close, err
	}
	l, err := link.NewFromID(link.ID(one.id))
	if err != nil {
		return nil, err
	}
	return l.Close, nil
}

func (all things) count(kind string) (n int) {
	for one := range all {
		if one.kind == kind {
			n++
		}
	}
	return n
}

func (all things) String() string {
	return fmt.Sprintf("%d programs, %d maps, %d links", all.count("program"), all.count("map"), all.count("link"))
}
