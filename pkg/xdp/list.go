package xdp

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"

	"github.com/cilium/ebpf"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// digest is a number of a set that no other has. It is never zero, which stands
// for a list that is being changed.
func digest(s lvs.PrefixSet) [32]byte {
	h := sha256.New()
	var buf [18]byte
	for p := range s.All() {
		a := p.Addr().As16()
		copy(buf[:], a[:])
		buf[16] = byte(p.Bits())
		buf[17] = byte(lvs.FamilyOf(p.Addr()))
		_, _ = h.Write(buf[:]) // never fails
	}
	return [32]byte(h.Sum(nil))
}

// digestOf is where the settings have a list's digest.
func digestOf(s *guardSettings, l lvs.GuardList) *[32]uint8 {
	if l == lvs.AllowList {
		return &s.AllowDigest
	}
	return &s.BlockDigest
}

// tries are a list's maps.
func (g *Guard) tries(l lvs.GuardList) (v4, v6 *ebpf.Map) {
	if l == lvs.AllowList {
		return g.objects.Allow4, g.objects.Allow6
	}
	return g.objects.Block4, g.objects.Block6
}

// known is a list that the kernel is known to hold, if it keeps this digest.
type known struct {
	set    lvs.PrefixSet
	digest [32]byte
}

// list gives what a list holds. If it is what we know or want, by its digest, it
// is not read.
func (g *Guard) list(l lvs.GuardList, want lvs.PrefixSet) (lvs.PrefixSet, error) {
	s, err := g.read()
	if err != nil {
		return lvs.PrefixSet{}, err
	}
	kept := *digestOf(&s, l)
	if k := g.lists[l]; k != nil && k.digest == kept {
		return k.set, nil
	}
	if d := digest(want); d == kept {
		g.lists[l] = &known{want, d}
		return want, nil
	}
	return g.readList(l)
}

func (g *Guard) readList(l lvs.GuardList) (lvs.PrefixSet, error) {
	var set lvs.PrefixSetBuilder
	v4, v6 := g.tries(l)
	all4, err := dump[guardPrefix4, uint8](v4)
	if err != nil {
		return lvs.PrefixSet{}, fmt.Errorf("read the %s: %w", l, err)
	}
	for p := range all4 {
		set.Add(netip.PrefixFrom(fromWord(p.Address), int(p.Bits)))
	}
	all6, err := dump[guardPrefix6, uint8](v6)
	if err != nil {
		return lvs.PrefixSet{}, fmt.Errorf("read the %s: %w", l, err)
	}
	for p := range all6 {
		set.Add(netip.PrefixFrom(fromAddress(p.Address), int(p.Bits)))
	}
	return set.Set(), nil
}

// setList makes a list hold a set by the difference to what it holds. What is
// new comes before what is over goes. While that is under way the digest is
// zero: whoever dies in between leaves a list that the next one reads.
func (g *Guard) setList(l lvs.GuardList, want lvs.PrefixSet) error {
	if err := fits(l, want); err != nil {
		return err
	}
	have, err := g.list(l, want)
	if err != nil {
		return err
	}
	g.lists[l] = nil
	if err := g.keepDigest(l, [32]byte{}); err != nil {
		return err
	}
	if err := g.changeList(l, have, want); err != nil {
		return errors.Join(err, g.keepDigest(l, [32]byte{}))
	}
	k := known{want, digest(want)}
	if err := g.keepDigest(l, k.digest); err != nil {
		return err
	}
	g.lists[l] = &k
	return nil
}

// fits refuses what the maps cannot hold.
func fits(l lvs.GuardList, want lvs.PrefixSet) error {
	n := map[lvs.Family]int{}
	for p := range want.All() {
		n[lvs.FamilyOf(p.Addr())]++
	}
	for _, family := range []lvs.Family{lvs.IPv4, lvs.IPv6} {
		if n[family] > MaxPrefixes {
			return fmt.Errorf("%d prefixes of %s: the %s takes at most %d", n[family], family, l, MaxPrefixes)
		}
	}
	return nil
}

// keepDigest has the kernel keep a list's digest, after the list has changed.
func (g *Guard) keepDigest(l lvs.GuardList, d [32]byte) error {
	return g.renew(func(s *guardSettings) { *digestOf(s, l) = d })
}

func (g *Guard) changeList(l lvs.GuardList, have, want lvs.PrefixSet) error {
	v4, v6 := g.tries(l)
	add4, add6 := toPrefixes(want.Minus(have))
	remove4, remove6 := toPrefixes(have.Minus(want))
	add := func() error {
		return errors.Join(putAll(v4, add4, make([]uint8, len(add4))), putAll(v6, add6, make([]uint8, len(add6))))
	}
	remove := func() error { return errors.Join(deleteAll(v4, remove4), deleteAll(v6, remove6)) }
	if have.Len()+len(add4)+len(add6) > MaxPrefixes {
		add, remove = remove, add // there may not be room for both
	}
	if err := add(); err != nil {
		return err
	}
	return remove()
}

func toPrefixes(s lvs.PrefixSet) (v4 []guardPrefix4, v6 []guardPrefix6) {
	for p := range s.All() {
		if p.Addr().Is4() {
			v4 = append(v4, guardPrefix4{Bits: uint32(p.Bits()), Address: toWord(p.Addr())})
			continue
		}
		v6 = append(v6, guardPrefix6{Bits: uint32(p.Bits()), Address: toAddress(p.Addr())})
	}
	return v4, v6
}
