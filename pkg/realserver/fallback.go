package realserver

import (
	"errors"
	"io/fs"
	"slices"
)

// fallbackKey says in which namespaces a tunnel module, when it is loaded, makes a
// device of its own such as tunl0: 0 in all, 1 in the first, 2 in none
// (Documentation/admin-guide/sysctl/net.rst). It is only there in the first.
const fallbackKey = "net.core.fb_tunnels_only_for_init_net"

// withoutFallback wraps the steps that load a tunnel module into two that keep it
// from making a device that nobody asked for, and that teardown could not remove.
func (s *Server) withoutFallback(steps []Step) ([]Step, error) {
	first, last := -1, -1
	for n, step := range steps {
		if step.Undo || step.Item.Tunnel == nil {
			continue
		}
		has, err := s.kernel.Modules.Has(moduleOf[step.Item.Tunnel.Kind])
		if err != nil {
			return nil, err
		}
		if !has && first < 0 {
			first = n
		}
		if !has {
			last = n
		}
	}
	if first < 0 {
		return steps, nil
	}
	old, err := s.kernel.Sysctls.Read(fallbackKey)
	if errors.Is(err, fs.ErrNotExist) || old == "2" {
		return steps, nil
	}
	if err != nil {
		return nil, err
	}
	none := Item{Sysctl: &Sysctl{Key: fallbackKey, Value: "2", Optional: true, Old: old}}
	steps = slices.Insert(steps, last+1, Step{Item: none, Undo: true})
	return slices.Insert(steps, first, Step{Item: none}), nil
}
