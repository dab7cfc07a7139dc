package integration

import (
	"net"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"

	"github.com/lvsd/lvsd/hack/lab/labtest"
)

// passAll is a program that passes every packet.
func passAll(t *testing.T) *ebpf.Program {
	t.Helper()
	const pass = 2 // XDP_PASS
	p := labtest.Must(ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "other", Type: ebpf.XDP, AttachType: ebpf.AttachXDP, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, pass), asm.Return()},
	}))(t)
	t.Cleanup(func() { p.Close() })
	return p
}

// exchangeProgram puts another program into a pinned link.
func exchangeProgram(t *testing.T, path string) {
	t.Helper()
	l := labtest.Must(link.LoadPinnedLink(path, nil))(t)
	defer l.Close()
	labtest.NoError(t, l.Update(passAll(t)))
}

func interfaceIndex(name string) (int, error) {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return 0, err
	}
	return i.Index, nil
}

// detach takes a pinned link off its interface, as bpftool(8) can, and asks the
// link whether it is off: the interface may have the director's next one by then.
func detach(t *testing.T, path string) {
	t.Helper()
	l := labtest.Must(link.LoadPinnedLink(path, nil))(t)
	defer l.Close()
	labtest.NoError(t, l.Detach())
	if device := labtest.Must(l.Info())(t).XDP(); device != nil && device.Ifindex != 0 {
		t.Errorf("the link is still on interface %d", device.Ifindex)
	}
}
