package xdp

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// dispatcher is the name of the program that libxdp attaches in order to run
// several others (libxdp's protocol.org).
const dispatcher = "xdp_dispatcher"

// links are the paths of the pinned links. A link is named by its interface's
// index: names may have dots, and the bpf file system takes none.
func (g *Guard) links() []string {
	paths, _ := filepath.Glob(filepath.Join(g.dir, linksDir, "*")) // the pattern is a good one
	return paths
}

func (g *Guard) linkPath(index int) string {
	return filepath.Join(g.dir, linksDir, strconv.Itoa(index))
}

// interfaces gives those that the guard is attached to.
func (g *Guard) interfaces() (map[string]lvs.GuardLink, error) {
	all := map[string]lvs.GuardLink{}
	for _, path := range g.links() {
		if err := g.interfaceOf(path, all); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// interfaceOf adds the interface of a pinned link. When an interface goes, its
// link stays, without one.
func (g *Guard) interfaceOf(path string, all map[string]lvs.GuardLink) error {
	l, err := link.LoadPinnedLink(path, nil)
	if err != nil {
		return fmt.Errorf("open the pinned link %s: %w", path, err)
	}
	defer l.Close()
	info, err := l.Info()
	if err != nil {
		return fmt.Errorf("read the pinned link %s: %w", path, err)
	}
	device := info.XDP()
	if device == nil || device.Ifindex == 0 {
		return nil
	}
	state, err := readLink(int(device.Ifindex))
	if errors.Is(err, unix.ENODEV) {
		return nil // it goes just now
	}
	if err != nil {
		return err
	}
	outdated, err := g.outdated(info.Program)
	if err != nil {
		return err
	}
	all[state.name] = lvs.GuardLink{Mode: state.mode, Outdated: outdated}
	return nil
}

// outdated tells whether an attached program is another than ours or has other
// maps.
func (g *Guard) outdated(id ebpf.ProgramID) (bool, error) {
	p, err := ebpf.NewProgramFromID(id)
	if err != nil {
		return false, fmt.Errorf("open program %d: %w", id, err)
	}
	defer p.Close()
	theirs, err := p.Info()
	if err != nil {
		return false, fmt.Errorf("read program %d: %w", id, err)
	}
	ours, err := g.objects.Guard.Info()
	if err != nil {
		return false, fmt.Errorf("read the program: %w", err)
	}
	config, err := g.objects.Config.Info()
	if err != nil {
		return false, fmt.Errorf("read the settings' map: %w", err)
	}
	id2, _ := config.ID() // since Linux 4.13
	maps, _ := theirs.MapIDs()
	return theirs.Tag != ours.Tag || !slices.Contains(maps, id2), nil
}

// attach attaches the guard where it is not yet.
func (g *Guard) attach(name string, mode lvs.GuardMode) error {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return fmt.Errorf("find the interface: %w", err)
	}
	if err := g.clear(i.Index); err != nil {
		return err
	}
	return g.attachTo(i, mode)
}

func (g *Guard) attachTo(i *net.Interface, mode lvs.GuardMode) error {
	l, err := g.newLink(i, mode)
	if err != nil {
		return err
	}
	// Closing it detaches nothing once it is pinned.
	defer l.Close()
	if err := l.Pin(g.linkPath(i.Index)); err != nil {
		return fmt.Errorf("pin the link: %w", err)
	}
	return nil
}

// newLink tries the driver first if any mode will do.
func (g *Guard) newLink(i *net.Interface, mode lvs.GuardMode) (link.Link, error) {
	if mode == lvs.GuardGeneric {
		return g.linkIn(i, link.XDPGenericMode)
	}
	l, err := g.linkIn(i, link.XDPDriverMode)
	if err == nil || mode == lvs.GuardDriver || occupied(err) {
		return l, err
	}
	l, errGeneric := g.linkIn(i, link.XDPGenericMode)
	if errGeneric != nil {
		return nil, errors.Join(err, errGeneric)
	}
	return l, nil
}

// occupied tells whether an error is about another program on the interface.
func occupied(err error) bool { return errors.Is(err, unix.EBUSY) || errors.Is(err, unix.EEXIST) }

func (g *Guard) linkIn(i *net.Interface, mode link.XDPAttachFlags) (link.Link, error) {
	l, err := link.AttachXDP(link.XDPOptions{Program: g.objects.Guard, Interface: i.Index, Flags: mode})
	switch {
	case err == nil:
		return l, nil
	case occupied(err):
		return nil, occupier(i.Index, err)
	case mode == link.XDPDriverMode && errors.Is(err, unix.EOPNOTSUPP):
		return nil, fmt.Errorf("the driver of %s has no XDP, or not with its present settings (MTU, queues, offloads): %w", i.Name, err)
	case mode == link.XDPDriverMode:
		return nil, fmt.Errorf("driver mode: %w", err)
	}
	return nil, fmt.Errorf("generic mode: %w", err)
}

// occupier names the program that is on an interface already.
func occupier(index int, err error) error {
	state, errState := readLink(index)
	if errState != nil || state.program == 0 {
		return fmt.Errorf("another XDP program is attached: %w", err)
	}
	name := programName(state.program)
	what := fmt.Sprintf("another XDP program is attached in %s mode: %s", state.mode, name)
	if name == dispatcher {
		what += ", which is libxdp's; the guard cannot be one of the programs that it runs"
	}
	return fmt.Errorf("%s (ip link set dev NAME xdp off, or bpftool link detach, removes it): %w", what, err)
}

func programName(id ebpf.ProgramID) string {
	p, err := ebpf.NewProgramFromID(id)
	if err != nil {
		return fmt.Sprintf("program %d", id)
	}
	defer p.Close()
	info, err := p.Info()
	if err != nil || info.Name == "" {
		return fmt.Sprintf("program %d", id)
	}
	return info.Name
}

// clear removes a pinned link that was left by an interface of this index. One
// that is attached is an error.
func (g *Guard) clear(index int) error {
	path := g.linkPath(index)
	l, err := link.LoadPinnedLink(path, nil)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open the pinned link %s: %w", path, err)
	}
	defer l.Close()
	info, err := l.Info()
	if err != nil {
		return fmt.Errorf("read the pinned link %s: %w", path, err)
	}
	if device := info.XDP(); device != nil && device.Ifindex != 0 {
		return fmt.Errorf("the guard is attached already: %w", os.ErrExist)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("remove the link of an interface that is gone: %w", err)
	}
	return nil
}

// replace exchanges an old program in one step, in which no packet is lost. A
// mode can only be changed by detaching; if the new one does not work, the old
// one comes back.
func (g *Guard) replace(name string, mode lvs.GuardMode) error {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return fmt.Errorf("find the interface: %w", err)
	}
	path := g.linkPath(i.Index)
	l, err := link.LoadPinnedLink(path, nil)
	if err != nil {
		return fmt.Errorf("open the pinned link %s: %w", path, err)
	}
	defer l.Close()
	if err := l.Update(g.objects.Guard); err != nil {
		return fmt.Errorf("exchange the program: %w", err)
	}
	state, err := readLink(i.Index)
	if err != nil {
		return err
	}
	if mode != lvs.GuardAuto && mode != state.mode {
		if err := g.reattach(i, l, state.mode, mode); err != nil {
			return err
		}
	}
	return g.pruneIfAlone()
}

func (g *Guard) reattach(i *net.Interface, l link.Link, old, mode lvs.GuardMode) error {
	if err := drop(l); err != nil {
		return err
	}
	err := g.attachTo(i, mode)
	if err == nil {
		return nil
	}
	return errors.Join(err, g.attachTo(i, old))
}

// drop detaches at once; without that the kernel does when the last reference is
// gone, but a little later.
func drop(l link.Link) error {
	if err := errors.Join(l.Detach(), l.Unpin()); err != nil {
		return fmt.Errorf("detach: %w", err)
	}
	return nil
}

// pruneIfAlone removes the maps of other layouts if no interface has them.
func (g *Guard) pruneIfAlone() error {
	all, err := g.interfaces()
	if err != nil {
		return err
	}
	for _, l := range all {
		if l.Outdated {
			return nil
		}
	}
	return g.prune()
}

// detach lets all packets of an interface pass. One that the guard is not on is
// no error.
func (g *Guard) detach(name string) error {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return nil // the guard went with it
	}
	return dropPinned(g.linkPath(i.Index))
}

// dropPinned detaches a pinned link. One that is not there is no error.
func dropPinned(path string) error {
	l, err := link.LoadPinnedLink(path, nil)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open the pinned link %s: %w", path, err)
	}
	defer l.Close()
	return drop(l)
}
