package config

import (
	"fmt"
	"math"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/track"
)

// VRRP is one table [vrrp.NAME]: VIPs that several directors share, of which
// one serves.
type VRRP struct {
	Name         string
	External     bool // the role comes from elsewhere; what is for the election is zero
	Interface    string
	ID           uint8 // VRID
	Version      uint8 // 2 or 3
	Family       lvs.Family
	Priority     uint8
	Interval     time.Duration
	Preempt      bool
	PreemptDelay time.Duration
	InitialDead  time.Duration
	Warn         time.Duration
	Refresh      time.Duration // the neighbours are told again so often; 0 is never
	Password     string
	Plain        bool         // the checksum of RFC 9568 over IPv4
	MinTTL       uint8        // of adverts that are believed
	Group        string       // of instances that move together; "" is none
	Track        []track.Spec // by name
	Links        []VRRPLink   // for the adverts, that of Interface first
	VIPs         []lvs.Address
	Virtual      lvs.VirtualLink // that carries the VIPs; the zero one: Interface itself does
}

// VRRPLink is an interface over which adverts go.
type VRRPLink struct {
	Interface string
	Source    netip.Addr   // the zero one: the interface's own
	Peers     []netip.Addr // unicast; none: multicast
}

type rawVRRP struct {
	at
	Role         text                            `toml:"role"`
	Interface    text                            `toml:"interface"`
	ID           number                          `toml:"id"`
	VIPs         list[rawVIP, *rawVIP]           `toml:"vips"`
	Priority     number                          `toml:"priority"`
	Interval     duration                        `toml:"interval"`
	Preempt      boolean                         `toml:"preempt"`
	PreemptDelay duration                        `toml:"preempt_delay"`
	InitialDead  duration                        `toml:"initial_dead_time"`
	Warn         duration                        `toml:"warn_time"`
	Version      number                          `toml:"version"`
	Family       text                            `toml:"family"`
	Checksum     text                            `toml:"checksum"`
	Password     text                            `toml:"password"`
	PasswordFile text                            `toml:"password_file"`
	Source       text                            `toml:"source"`
	Peers        list[text, *text]               `toml:"peers"`
	Links        list[rawVRRPLink, *rawVRRPLink] `toml:"links"`
	MinTTL       number                          `toml:"min_ttl"`
	Group        text                            `toml:"group"`
	Refresh      duration                        `toml:"announce_refresh"`
	VirtualMAC   boolean                         `toml:"virtual_mac"`
	Track        named[rawTrack, *rawTrack]      `toml:"track"`
}

func (r *rawVRRP) decode(p *problems, n *node) { decodeTable(p, n, r, "a table ["+n.path+"]") }

// rawVIP is an address that may be on another interface than the instance's.
type rawVIP struct {
	rawAddress
	Interface text `toml:"interface"`
}

func (r *rawVIP) decode(p *problems, n *node) {
	if _, ok := n.value.(string); ok {
		r.rawAddress.decode(p, n)
		return
	}
	decodeTable(p, n, r, `"ADDRESS/PREFIX" or a table { address = "ADDRESS/PREFIX" }`)
}

type rawVRRPLink struct {
	at
	Interface text              `toml:"interface"`
	Source    text              `toml:"source"`
	Peers     list[text, *text] `toml:"peers"`
}

func (r *rawVRRPLink) decode(p *problems, n *node) {
	if _, ok := n.value.(string); ok {
		r.pos = n.pos
		r.Interface.decode(p, n)
		return
	}
	decodeTable(p, n, r, `"INTERFACE" or a table { interface = "INTERFACE" }`)
}

// Defaults and bounds of [vrrp.NAME].
const (
	defaultPriority = 100 // RFC 9568 section 5.2.4
	defaultAdvert   = time.Second
	ownerPriority   = 255
	maxAdvertVIPs   = math.MaxUint8 // IPvX Addr Count, RFC 9568 section 5.2.5
	maxPassword     = 8             // RFC 3768 section 5.3.10
)

// instances reads [vrrp].
func (c *checker) instances(raw *named[rawVRRP, *rawVRRP], kept []lvs.Address) []VRRP {
	v := &vrrpChecker{checker: c, ids: map[vrid]Position{}, addresses: map[interfaceAddr]bool{}, virtuals: map[string]Position{}}
	for _, a := range kept {
		v.addresses[interfaceAddr{a.Interface, a.Prefix.Addr()}] = true
	}
	var all []VRRP
	for i := range raw.entries {
		all = append(all, v.instance(&raw.entries[i]))
	}
	return all
}

// vrrpChecker knows what the instances may have only once.
type vrrpChecker struct {
	*checker
	ids       map[vrid]Position
	addresses map[interfaceAddr]bool
	virtuals  map[string]Position
}

// vrid is what tells virtual routers apart.
type vrid struct {
	device string
	family lvs.Family
	id     uint8
}

type interfaceAddr struct {
	device string
	addr   netip.Addr
}

func (c *vrrpChecker) instance(e *entry[rawVRRP]) VRRP {
	raw := &e.value
	checkName(&c.problems, e.pos, "VRRP instance", e.name)
	if raw.bad {
		return VRRP{}
	}
	v := VRRP{Name: e.name, Refresh: raw.Refresh.in(&c.problems, "announce_refresh", 0, time.Hour, 0)}
	v.Interface = c.needDevice(&raw.Interface, e.pos, "vrrp."+e.name)
	v.VIPs = c.sharedVIPs(e, v.Interface)
	v.Family = c.advertFamily(e, v.VIPs)
	role, _ := choose(&c.problems, &raw.Role, "role", []string{"vrrp", "external"}, word("vrrp", "external"))
	if v.External = role == "external"; v.External {
		c.noElection(raw)
		return v
	}
	c.election(e, &v)
	return v
}

// noElection refuses what has no meaning where somebody else decides.
func (c *vrrpChecker) noElection(raw *rawVRRP) {
	for _, key := range []struct {
		name string
		at   *at
	}{
		{"id", &raw.ID.at}, {"priority", &raw.Priority.at}, {"interval", &raw.Interval.at}, {"preempt", &raw.Preempt.at},
		{"version", &raw.Version.at}, {"password", &raw.Password.at}, {"password_file", &raw.PasswordFile.at},
		{"peers", &raw.Peers.at}, {"links", &raw.Links.at}, {"min_ttl", &raw.MinTTL.at}, {"group", &raw.Group.at},
		{"track", &raw.Track.at}, {"virtual_mac", &raw.VirtualMAC.at},
	} {
		if key.at.given() {
			c.add(key.at.pos, `role = "vrrp"`, "%s is for an election, and the role is external", key.name)
		}
	}
}

// needDevice reads the name of an interface that must be given.
func (c *checker) needDevice(t *text, pos Position, of string) string {
	if !t.given() {
		c.add(pos, `interface = "NAME"`, "%s has no interface", of)
	}
	if !t.ok() {
		return ""
	}
	return c.device(t)
}

func (c *vrrpChecker) sharedVIPs(e *entry[rawVRRP], device string) []lvs.Address {
	raw := &e.value.VIPs
	if !raw.bad && len(raw.values) == 0 {
		pos := e.pos
		if raw.given() {
			pos = raw.pos
		}
		c.add(pos, `vips = ["ADDRESS/PREFIX"]`, "vrrp.%s has no VIP", e.name)
	}
	var all []lvs.Address
	for i := range raw.values {
		r := &raw.values[i]
		on := device
		if r.Interface.given() {
			on = c.needDevice(&r.Interface, r.pos, "the VIP")
		}
		a, ok := c.vipAddress(on, &r.rawAddress)
		if !ok {
			continue
		}
		key := interfaceAddr{on, a.Prefix.Addr()}
		if c.addresses[key] {
			c.add(r.Address.pos, "each address once on an interface, in [vip] or in one instance", "%s on %s is already given",
				a.Prefix.Addr(), on)
			continue
		}
		c.addresses[key] = true
		all = append(all, a)
	}
	return all
}

// advertFamily is the family of the adverts: they carry the VIPs of one.
func (c *vrrpChecker) advertFamily(e *entry[rawVRRP], vips []lvs.Address) lvs.Family {
	count := map[lvs.Family]int{}
	for _, a := range vips {
		count[lvs.FamilyOf(a.Prefix.Addr())]++
	}
	family := lvs.IPv4
	if count[lvs.IPv4] == 0 && count[lvs.IPv6] > 0 {
		family = lvs.IPv6
	}
	t := &e.value.Family
	if f, ok := choose(&c.problems, t, "family", []string{"ipv4", "ipv6"}, parseFamily); ok {
		family = f
		if len(vips) > 0 && count[f] == 0 {
			c.add(t.pos, "the family of a VIP", "vrrp.%s has no VIP of family %s for its adverts", e.name, f)
		}
	}
	if count[family] > maxAdvertVIPs {
		c.add(e.value.VIPs.pos, span(1, maxAdvertVIPs), "%d VIPs of family %s do not fit into an advert", count[family], family)
	}
	return family
}

// election reads what VRRP needs.
func (c *vrrpChecker) election(e *entry[rawVRRP], v *VRRP) {
	raw := &e.value
	if !raw.ID.given() {
		c.add(e.pos, "id = NUMBER, the same on every director of the pair", "vrrp.%s has no id", e.name)
	}
	v.ID = uint8(raw.ID.in(&c.problems, "id", 1, math.MaxUint8, 0))
	v.Version = uint8(raw.Version.in(&c.problems, "version", 2, 3, 3))
	v.Priority = uint8(raw.Priority.in(&c.problems, "priority", 1, ownerPriority, defaultPriority))
	v.Preempt = raw.Preempt.or(true)
	v.PreemptDelay = raw.PreemptDelay.in(&c.problems, "preempt_delay", 0, time.Hour, 0)
	v.InitialDead = raw.InitialDead.in(&c.problems, "initial_dead_time", 0, time.Hour, 0)
	v.Interval = c.advertInterval(&raw.Interval, v.Version)
	v.Warn = raw.Warn.in(&c.problems, "warn_time", 0, time.Hour, 2*v.Interval)
	if raw.Warn.ok() && v.Warn >= 3*v.Interval {
		c.add(raw.Warn.pos, "less than "+short(3*v.Interval)+", when the silence is a failure", "warn_time %s is too long", short(v.Warn))
	}
	if raw.Group.ok() {
		checkName(&c.problems, raw.Group.pos, "group", raw.Group.value)
		v.Group = raw.Group.value
	}
	if v.Version == 2 && v.Family == lvs.IPv6 {
		c.add(raw.Version.pos, "version = 3", "version 2 is for IPv4 only")
	}
	v.MinTTL = uint8(raw.MinTTL.in(&c.problems, "min_ttl", 1, math.MaxUint8, math.MaxUint8))
	if raw.MinTTL.ok() && v.MinTTL < math.MaxUint8 && len(raw.Peers.values) == 0 {
		c.add(raw.MinTTL.pos, "255 without peers", "no router forwards multicast adverts")
	}
	v.Track = c.tracks(&raw.Track)
	c.checksum(raw, v)
	v.Password = c.password(raw, v.Version)
	v.Links = c.links(raw, v)
	c.uniqueID(raw, v)
	if raw.VirtualMAC.or(false) {
		c.virtual(e, v)
	}
}

// uniqueID refuses an id that another instance has on one of the links: each would
// take the other one's adverts for its own.
func (c *vrrpChecker) uniqueID(raw *rawVRRP, v *VRRP) {
	for _, l := range v.Links {
		key := vrid{l.Interface, v.Family, v.ID}
		if old, twice := c.ids[key]; twice && old != raw.ID.pos && v.ID != 0 {
			c.add(raw.ID.pos, "an id of its own", "id %d on %s is already given at %s", v.ID, l.Interface, old)
		}
		c.ids[key] = raw.ID.pos
	}
}

// virtual gives an instance an interface with the virtual router's hardware
// address (RFC 9568 section 7.3), and moves its VIPs there. They must be single
// addresses: the route of their network leads over the interface below.
func (c *vrrpChecker) virtual(e *entry[rawVRRP], v *VRRP) {
	raw := &e.value
	name, mac := "lvsd.", "00:00:5e:00:01:"
	if v.Family == lvs.IPv6 {
		name, mac = "lvsd6.", "00:00:5e:00:02:"
	}
	v.Virtual = lvs.VirtualLink{Name: name + strconv.Itoa(int(v.ID)), Base: v.Interface, MAC: mac + fmt.Sprintf("%02x", v.ID)}
	if old, twice := c.virtuals[v.Virtual.Name]; twice && v.ID != 0 {
		c.add(raw.VirtualMAC.pos, "an id of its own, or no virtual_mac", "interface %s is already made for the one at %s", v.Virtual.Name, old)
	}
	c.virtuals[v.Virtual.Name] = raw.VirtualMAC.pos
	for i, a := range v.VIPs {
		if a.Interface != v.Interface {
			continue
		}
		if !a.Prefix.IsSingleIP() || a.Label != "" {
			c.add(raw.VIPs.pos, fmt.Sprintf("%s/%d without a label", a.Prefix.Addr(), a.Prefix.Addr().BitLen()),
				"VIP %s is not a single address, as virtual_mac wants it", a.Prefix)
		}
		v.VIPs[i].Interface = v.Virtual.Name
	}
}

// advertInterval checks what the packet can say: hundredths of a second up to
// 40.95 s, in version 2 seconds up to 255 s.
func (c *checker) advertInterval(d *duration, version uint8) time.Duration {
	least, most, what := 10*time.Millisecond, 40950*time.Millisecond, "a multiple of 10ms"
	if version == 2 {
		least, most, what = time.Second, math.MaxUint8*time.Second, "whole seconds in version 2"
	}
	v := d.in(&c.problems, "interval", least, most, defaultAdvert)
	if v%least != 0 {
		c.add(d.pos, what, "interval %s cannot be advertised", short(v))
	}
	return v
}

func (c *vrrpChecker) checksum(raw *rawVRRP, v *VRRP) {
	word, ok := choose(&c.problems, &raw.Checksum, "checksum", []string{"rfc5798", "rfc9568"}, word("rfc5798", "rfc9568"))
	if ok && (v.Version == 2 || v.Family == lvs.IPv6) {
		c.add(raw.Checksum.pos, "checksum with version 3 over IPv4 only", "the checksum is the same in all RFCs here")
	}
	v.Plain = word == "rfc9568"
}

// password reads a password or the file that holds it.
func (c *checker) password(raw *rawVRRP, version uint8) string {
	t := &raw.Password
	value := t.value
	if raw.PasswordFile.ok() {
		if t.given() {
			c.add(raw.PasswordFile.pos, "one of them", "both password and password_file are given")
		}
		t = &raw.PasswordFile
		data, err := readFile(t.value)
		if !filepath.IsAbs(t.value) || err != nil {
			c.passwordFile(t, err)
			return ""
		}
		value = strings.TrimRight(data, "\r\n")
	}
	switch {
	case !t.ok():
		return ""
	case version != 2:
		c.add(t.pos, "version = 2", "version 3 has no authentication")
	case value == "" || len(value) > maxPassword || strings.Contains(value, "\x00"):
		c.add(t.pos, "1 to 8 bytes", "the password is %d bytes long", len(value))
	}
	return value
}

func (c *checker) passwordFile(t *text, err error) {
	if !filepath.IsAbs(t.value) {
		c.add(t.pos, `a path that begins with "/"`, "password_file %q is not absolute", t.value)
		return
	}
	c.addCause(t.pos, err, "read password_file")
}

// links gives the instance's own link and then the others.
func (c *vrrpChecker) links(raw *rawVRRP, v *VRRP) []VRRPLink {
	all := []VRRPLink{{
		Interface: v.Interface,
		Source:    c.advertAddr(&raw.Source, v.Family),
		Peers:     c.peers(&raw.Peers, v.Family),
	}}
	seen := map[string]bool{v.Interface: true}
	for i := range raw.Links.values {
		l := &raw.Links.values[i]
		if l.bad {
			continue
		}
		link := VRRPLink{
			Interface: c.needDevice(&l.Interface, l.pos, "the link"),
			Source:    c.advertAddr(&l.Source, v.Family),
			Peers:     c.peers(&l.Peers, v.Family),
		}
		if seen[link.Interface] {
			c.add(l.pos, "each interface once", "adverts go over %s already", link.Interface)
		}
		seen[link.Interface] = true
		all = append(all, link)
	}
	return all
}

// advertAddr reads an address between which adverts go.
func (c *checker) advertAddr(t *text, family lvs.Family) netip.Addr {
	if !t.ok() {
		return netip.Addr{}
	}
	a, err := netip.ParseAddr(t.value)
	switch {
	case err != nil || a.Zone() != "" || a.Is4In6():
		c.add(t.pos, "an address", "%q is not an address", t.value)
	case lvs.FamilyOf(a) != family:
		c.add(t.pos, "an address of family "+family.String(), "%s is of another family", a)
	case faultOf(a) != "":
		c.add(t.pos, "the address of a host", "%s %s", a, faultOf(a))
	}
	return a
}

func (c *checker) peers(l *list[text, *text], family lvs.Family) []netip.Addr {
	var all []netip.Addr
	seen := map[netip.Addr]bool{}
	for i := range l.values {
		a := c.advertAddr(&l.values[i], family)
		if a.IsValid() && seen[a] {
			c.add(l.values[i].pos, "each peer once", "%s is already given", a)
		}
		seen[a] = true
		all = append(all, a)
	}
	return all
}
