package netdev

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// detourPriority marks the filters of traffic control that are lvsd's: "Lv".
const detourPriority = 0x4c76

// Detours lists lvsd's detours. Filters that others made are not looked at.
func (d *Devices) Detours() (map[lvs.Detour]bool, error) {
	all := map[lvs.Detour]bool{}
	err := d.eachDetour(func(name string, f *netlink.U32) error {
		if detour, ok := parseDetour(name, f.Sel); ok {
			all[detour] = true
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the filters of traffic control: %w", err)
	}
	return all, nil
}

// AddDetour makes a detour, and the qdisc that it hangs on if the interface has
// none for incoming packets. That one stays: it may be used by others by then.
func (d *Devices) AddDetour(detour lvs.Detour) error {
	if err := d.addDetour(detour); err != nil {
		return fmt.Errorf("add detour %s: %w", detour, err)
	}
	return nil
}

func (d *Devices) addDetour(detour lvs.Detour) error {
	link, err := d.link(detour.Interface)
	if err != nil {
		return err
	}
	lo, err := d.link("lo")
	if err != nil {
		return err
	}
	qdisc := &netlink.Clsact{QdiscAttrs: netlink.QdiscAttrs{
		LinkIndex: link.Attrs().Index, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT,
	}}
	if err := d.handle.QdiscAdd(qdisc); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("add a clsact qdisc: %w", err)
	}
	redirect := netlink.NewMirredAction(lo.Attrs().Index)
	redirect.MirredAction = netlink.TCA_INGRESS_REDIR
	return d.handle.FilterAdd(&netlink.U32{
		FilterAttrs: netlink.FilterAttrs{
			LinkIndex: link.Attrs().Index,
			Parent:    netlink.HANDLE_MIN_INGRESS,
			Priority:  detourPriority,
			Protocol:  unix.ETH_P_IP,
		},
		Sel:     selectorOf(detour),
		Actions: []netlink.Action{redirect},
	})
}

// DeleteDetour ends a detour; one that is gone is no error.
func (d *Devices) DeleteDetour(detour lvs.Detour) error {
	err := d.eachDetour(func(name string, f *netlink.U32) error {
		if found, ok := parseDetour(name, f.Sel); ok && found == detour {
			return d.handle.FilterDel(f)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("delete detour %s: %w", detour, err)
	}
	return nil
}

// eachDetour calls f for every filter of lvsd's priority.
func (d *Devices) eachDetour(f func(name string, filter *netlink.U32) error) error {
	links, err := dump(d.handle.LinkList)
	if err != nil {
		return err
	}
	qdiscs, err := dump(func() ([]netlink.Qdisc, error) { return d.handle.QdiscList(nil) })
	if err != nil {
		return err
	}
	for _, link := range links {
		if !slices.ContainsFunc(qdiscs, func(q netlink.Qdisc) bool {
			return q.Attrs().LinkIndex == link.Attrs().Index && q.Attrs().Parent == netlink.HANDLE_CLSACT
		}) {
			continue
		}
		filters, err := dump(func() ([]netlink.Filter, error) {
			return d.handle.FilterList(link, netlink.HANDLE_MIN_INGRESS)
		})
		if err != nil {
			return err
		}
		for _, filter := range filters {
			u32, ok := filter.(*netlink.U32)
			if !ok || u32.Priority != detourPriority || u32.Sel == nil {
				continue
			}
			if err := f(link.Attrs().Name, u32); err != nil {
				return err
			}
		}
	}
	return nil
}

// selectorOf matches whole IPv4 packets without options, by words of the header
// (RFC 791, RFC 9293 section 3.1, RFC 768). Of TCP only packets with ACK match,
// which cannot open a connection, and of UDP only those to the ports from which
// the kernel takes those of clients: the detour leads past what filters the
// interface, and is to lead to the director's own checks only.
func selectorOf(d lvs.Detour) *nl.TcU32Sel {
	from, to := d.From.Addr().As4(), d.To.As4()
	ports := nl.TcU32Key{Off: 20, Mask: 0xffff0000, Val: uint32(d.From.Port()) << 16}
	keys := []nl.TcU32Key{
		{Off: 0, Mask: 0xff000000, Val: 0x45000000},
		{Off: 4, Mask: 0x00003fff, Val: 0}, // no fragment
		{Off: 8, Mask: 0x00ff0000, Val: uint32(d.Protocol) << 16},
		{Off: 12, Mask: 0xffffffff, Val: binary.BigEndian.Uint32(from[:])},
		{Off: 16, Mask: 0xffffffff, Val: binary.BigEndian.Uint32(to[:])},
	}
	if d.Protocol == lvs.TCP {
		keys = append(keys, ports, nl.TcU32Key{Off: 32, Mask: 0x00100000, Val: 0x00100000})
	} else {
		ports.Mask |= 0x8000
		ports.Val |= 0x8000
		keys = append(keys, ports)
	}
	// The library sends all of the capacity (netlink v1.3.1, filter_linux.go).
	return &nl.TcU32Sel{Flags: nl.TC_U32_TERMINAL, Nkeys: uint8(len(keys)), Keys: slices.Clip(keys)}
}

// parseDetour reads what selectorOf made; anything else is not lvsd's.
func parseDetour(name string, sel *nl.TcU32Sel) (lvs.Detour, bool) {
	words := map[int32]uint32{}
	for _, k := range sel.Keys {
		words[k.Off] = k.Val
	}
	d := lvs.Detour{
		Interface: name,
		Protocol:  lvs.Protocol(words[8] >> 16),
		From:      netip.AddrPortFrom(addr4(words[12]), uint16(words[20]>>16)),
		To:        addr4(words[16]),
	}
	return d, slices.Equal(sel.Keys, selectorOf(d).Keys)
}

func addr4(word uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], word)
	return netip.AddrFrom4(b)
}
