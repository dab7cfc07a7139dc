// Package xdp is the guard's edge of the kernel: it loads the program of bpf/,
// attaches it to interfaces and keeps its maps, and reads what it counted. It
// alone imports cilium/ebpf.
//
// Everything is pinned to a directory of a bpf file system, so that it goes on
// without its maker; who opens the directory again adopts it.
package xdp

import (
	"context"
	"errors"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// Root is where bpf file systems are mounted by convention.
const Root = "/sys/fs/bpf"

// Bounds of what one guard holds.
const (
	MaxVIPs     = 1024
	MaxPorts    = 16384   // of all VIPs together
	MaxPrefixes = 1 << 21 // of each list and address family
)

// A Lack is a feature that this kernel has not.
type Lack struct {
	Feature string // "BPF links for XDP"
	Since   string // the version of Linux that brought it: "5.9"
	Without string // what does not work: "the guard"
	Fatal   bool   // the guard does not work at all
	Err     error  // what the kernel said
}

// Probe asks the kernel for every feature that the guard uses; what is there is
// not in the answer. It needs the same privileges as Open.
func Probe() []Lack { return nil }

// Guard is the guard of one director. Its methods may be called from several
// goroutines at once.
type Guard struct{}

// Open loads the program and adopts what is pinned below the directory, or
// makes it. The directory is made if it is missing; it has to be in a bpf file
// system, which is mounted on Root if nothing is there. Nothing is attached and
// no packet is looked at until Apply says so. The error says which feature of
// the kernel is missing, if that is the reason.
func Open(dir string) (*Guard, error) { return nil, errors.ErrUnsupported }

// Observe reads what the guard holds. Lists that are as wanted are recognised by
// a digest that the kernel keeps; others are read, which takes a second for a
// million prefixes. Interfaces that are gone are not among those attached.
func (g *Guard) Observe(want lvs.Guard) (lvs.Guard, error) {
	return lvs.Guard{}, errors.ErrUnsupported
}

// Apply makes one change. Packets are looked at meanwhile, by what was there
// before or by what comes: there is no moment without the guard. An error leaves
// the state before, except that a list may have been changed in part; it is not
// as wanted then, so that the next Observe shows it.
//
// An interface with another XDP program is an error that names the program: a
// guard never takes its place, and does not chain itself into libxdp's dispatcher.
func (g *Guard) Apply(c lvs.GuardChange) error { return errors.ErrUnsupported }

// Counters gives what was decided, summed over all processors.
func (g *Guard) Counters() (lvs.GuardCounters, error) {
	return lvs.GuardCounters{}, errors.ErrUnsupported
}

// Talkers gives the n sources that sent most packets to the VIPs, the loudest
// first. Sources are forgotten when there are more than the table holds, those
// that were silent longest first.
func (g *Guard) Talkers(n int) ([]lvs.GuardTalker, error) { return nil, errors.ErrUnsupported }

// Retransmissions gives the SYNs to each service and how many of them were
// repeated, in the order of VIPs and ports.
func (g *Guard) Retransmissions() ([]lvs.GuardSYNCount, error) { return nil, errors.ErrUnsupported }

// Samples gives the heads of dropped packets to f until the context is done;
// that is no error. One call at a time gets them.
func (g *Guard) Samples(ctx context.Context, f func(lvs.GuardSample)) error {
	return errors.ErrUnsupported
}

// Test runs the program on an Ethernet frame of at least 14 bytes, and says what
// it would do. Nothing is counted and no limit is used up.
func (g *Guard) Test(frame []byte) (lvs.GuardVerdict, error) {
	return lvs.GuardVerdict{}, errors.ErrUnsupported
}

// Remove detaches the guard from all interfaces and removes all that is pinned.
// The guard must not be used after it.
func (g *Guard) Remove() error { return errors.ErrUnsupported }

// Close gives up what this process holds. What is attached goes on.
func (g *Guard) Close() error { return nil }
