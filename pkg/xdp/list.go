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

// trie is a list's map of IPv6 networks.
func (g *Guard) trie(l lvs.GuardList) *ebpf.Map {
	if l == lvs.AllowList {
		return g.objects.Allow6
	}
	return g.objects.Block6
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
	g.lists[l] = nil
	return g.readList(l)
}

// readList gives the fewest networks of IPv4 that say the same as those that were
// written.
func (g *Guard) readList(l lvs.GuardList) (lvs.PrefixSet, error) {
	var set lvs.PrefixSetBuilder
	covered, err := g.readCover(l)
	if err != nil {
		return lvs.PrefixSet{}, fmt.Errorf("read the %s: %w", l, err)
	}
	for p := range covered.prefixes() {
		set.Add(p)
	}
	all6, err := dump[guardPrefix6, uint8](g.trie(l))
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
	other, err := g.list(1-l, lvs.PrefixSet{})
	if err != nil {
		return err
	}
	if err := fits(l, want, other); err != nil {
		return err
	}
	have, err := g.list(l, want)
	if err != nil {
		return err
	}
	if g.lists[l] == nil { // it may be that nobody has written it to its end
		if err := g.sweep(); err != nil {
			return err
		}
	}
	g.lists[l] = nil
	if err := g.keepDigest(l, [32]byte{}); err != nil {
		return err
	}
	if err := g.changeList(l, have, want, other); err != nil {
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
func fits(l lvs.GuardList, want, other lvs.PrefixSet) error {
	if n := len(toPrefixes6(want)); n > MaxPrefixes {
		return fmt.Errorf("%d prefixes of IPv6: the %s takes at most %d", n, l, MaxPrefixes)
	}
	if n := listsOf(l, want, other).parts(); n > MaxParts {
		return fmt.Errorf("the IPv4 networks of both lists that are smaller than 24 bits are in %d networks of 27 bits: at most %d fit", n, MaxParts)
	}
	return nil
}

// listsOf are the lists, of which one is l.
func listsOf(l lvs.GuardList, prefixes, other lvs.PrefixSet) (all lists) {
	all[l], all[1-l] = coverOf(prefixes), coverOf(other)
	return all
}

// keepDigest has the kernel keep a list's digest, after the list has changed.
func (g *Guard) keepDigest(l lvs.GuardList, d [32]byte) error {
	s, err := g.read()
	if err != nil {
		return err
	}
	*digestOf(&s, l) = d
	return g.write(s)
}

// keepEmpty has the kernel keep that nothing is on the lists: to find that out would
// be to read the whole table.
func (g *Guard) keepEmpty() error {
	nothing := digest(lvs.PrefixSet{})
	return errors.Join(g.keepDigest(lvs.AllowList, nothing), g.keepDigest(lvs.BlockList, nothing))
}

func (g *Guard) changeList(l lvs.GuardList, have, want, other lvs.PrefixSet) error {
	if err := g.setNets(listsOf(l, have, other), listsOf(l, want, other)); err != nil {
		return err
	}
	fresh, gone := toPrefixes6(want.Minus(have)), toPrefixes6(have.Minus(want))
	add := func() error { return putAll(g.trie(l), fresh, make([]uint8, len(fresh))) }
	remove := func() error { return deleteAll(g.trie(l), gone) }
	if len(toPrefixes6(have))+len(fresh) > MaxPrefixes {
		add, remove = remove, add // there may not be room for both
	}
	if err := add(); err != nil {
		return err
	}
	return remove()
}

func toPrefixes6(s lvs.PrefixSet) []guardPrefix6 {
	var all []guardPrefix6
	for p := range s.All() {
		if p.Addr().Is6() {
			all = append(all, guardPrefix6{Bits: uint32(p.Bits()), Address: toAddress(p.Addr())})
		}
	}
	return all
}
