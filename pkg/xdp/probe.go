package xdp

import (
	"errors"
	"net"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/features"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// A Lack is a feature that this kernel has not.
type Lack struct {
	Feature string // "BPF links for XDP"
	Since   string // the version of Linux that brought it: "5.9"
	Without string // what does not work without: "the guard"
	Fatal   bool   // the guard does not work at all
	Err     error  // what the kernel said
}

// feature is something that the kernel is asked for.
type feature struct {
	Lack
	ask func() error
}

var featureList = []feature{
	{Lack{Feature: "XDP programs", Since: "4.8", Without: "the guard", Fatal: true}, func() error { return features.HaveProgramType(ebpf.XDP) }},
	{Lack{Feature: "BPF maps of prefixes", Since: "4.11", Without: "the guard", Fatal: true}, func() error { return features.HaveMapType(ebpf.LPMTrie) }},
	{Lack{Feature: "BPF maps that forget the least used", Since: "4.10", Without: "the guard", Fatal: true}, func() error { return features.HaveMapType(ebpf.LRUHash) }},
	{Lack{Feature: "BPF ring buffer", Since: "5.8", Without: "the guard", Fatal: true}, func() error { return features.HaveMapType(ebpf.RingBuf) }},
	{Lack{Feature: "bounded loops in BPF programs", Since: "5.3", Without: "the guard", Fatal: true}, features.HaveBoundedLoops},
	{Lack{Feature: "BPF links for XDP", Since: "5.9", Without: "the guard", Fatal: true}, haveLink},
	{Lack{Feature: "batches for BPF maps of prefixes", Since: "5.13", Without: "long lists load one system call for each prefix"}, haveTrieBatch},
	{Lack{Feature: "BPF just-in-time compiler (sysctl net.core.bpf_jit_enable=1)", Since: "3.0", Without: "the guard costs about ten times as much for each packet"}, haveJIT},
}

// Probe asks the kernel for every feature that the guard uses; what is there is
// not in the answer. It needs the same privileges as Open.
func Probe() []Lack {
	var lacks []Lack
	for _, f := range featureList {
		if err := f.ask(); err != nil {
			f.Err = err
			lacks = append(lacks, f.Lack)
		}
	}
	return lacks
}

// passing makes a program that passes everything.
func passing() (*ebpf.Program, error) {
	return ebpf.NewProgram(&ebpf.ProgramSpec{
		Type:         ebpf.XDP,
		AttachType:   ebpf.AttachXDP,
		Instructions: asm.Instructions{asm.LoadImm(asm.R0, xdpPass, asm.DWord), asm.Return()},
		License:      "GPL",
	})
}

// haveLink attaches such a program to the loopback interface for a moment: the
// kernel does not tell otherwise. One that is there already stays.
func haveLink() error {
	pass, err := passing()
	if err != nil {
		return err
	}
	defer pass.Close()
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		return err
	}
	l, err := link.AttachXDP(link.XDPOptions{Program: pass, Interface: lo.Index, Flags: link.XDPGenericMode})
	if occupied(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(l.Detach(), l.Close())
}

// haveTrieBatch writes a batch into a trie of its own.
func haveTrieBatch() error {
	trie, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.LPMTrie, KeySize: 8, ValueSize: 1, MaxEntries: 1, Flags: unix.BPF_F_NO_PREALLOC})
	if err != nil {
		return err
	}
	defer trie.Close()
	_, err = trie.BatchUpdate([]uint64{0}, []uint8{0}, nil)
	return err
}

// haveJIT looks at what became of a program.
func haveJIT() error {
	pass, err := passing()
	if err != nil {
		return err
	}
	defer pass.Close()
	info, err := pass.Info()
	if err != nil {
		return err
	}
	if size, err := info.JitedSize(); err != nil || size == 0 {
		return errors.New("programs are interpreted")
	}
	return nil
}
