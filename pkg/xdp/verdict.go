package xdp

import (
	"fmt"

	"github.com/cilium/ebpf"

	"github.com/lvsd/lvsd/pkg/lvs"
)

const (
	ethernetHeader = 14
	xdpDrop        = 1 // XDP_DROP, uapi/linux/bpf.h
	xdpPass        = 2
)

// Test runs the program on an Ethernet frame of at least 14 bytes, and says what
// it would do. Nothing is counted and no limit is used up.
func (g *Guard) Test(frame []byte) (lvs.GuardVerdict, error) {
	if len(frame) < ethernetHeader {
		return lvs.GuardVerdict{}, fmt.Errorf("test a frame: it has %d bytes: expected at least %d", len(frame), ethernetHeader)
	}
	result, err := g.objects.Explain.Run(&ebpf.RunOptions{Data: frame})
	if err != nil {
		return lvs.GuardVerdict{}, fmt.Errorf("test a frame: %w", err)
	}
	return lvs.GuardVerdict{Reason: lvs.GuardReason(result >> 8), Dropped: result&0xff == xdpDrop}, nil
}
