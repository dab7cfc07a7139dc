package xdp

import (
	"errors"
	"os"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
)

// counts is how many things of BPF there are in the kernel, whoever has them.
type counts struct{ programs, maps, links int }

func kernelHas(t *testing.T) (c counts) {
	t.Helper()
	count := func(n *int, next func(id uint32) (uint32, error)) {
		for id := uint32(0); ; *n++ {
			var err error
			if id, err = next(id); errors.Is(err, os.ErrNotExist) {
				return
			} else if err != nil {
				t.Fatal(err)
			}
		}
	}
	count(&c.programs, func(id uint32) (uint32, error) {
		next, err := ebpf.ProgramGetNextID(ebpf.ProgramID(id))
		return uint32(next), err
	})
	count(&c.maps, func(id uint32) (uint32, error) {
		next, err := ebpf.MapGetNextID(ebpf.MapID(id))
		return uint32(next), err
	})
	links := link.Iterator{}
	defer links.Close()
	for links.Next() {
		c.links++
	}
	if err := links.Err(); err != nil {
		t.Fatal(err)
	}
	return c
}
