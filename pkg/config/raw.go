package config

// The raw structs are the file's language: one field for each key, named by
// its toml tag. They say where each value stands and not yet what it means;
// each table's own file checks that.

// rawFile is all files together.
type rawFile struct {
	at
	Director rawDirector                        `toml:"director"`
	Defaults rawSettings                        `toml:"defaults"`
	Virtual  named[rawVirtual, *rawVirtual]     `toml:"virtual"`
	VIP      named[rawAddresses, *rawAddresses] `toml:"vip"`
	VRRP     named[rawVRRP, *rawVRRP]           `toml:"vrrp"`
	Sync     rawSync                            `toml:"sync"`
	NAT      rawNAT                             `toml:"nat"`
	Timeouts rawTimeouts                        `toml:"timeouts"`
	Notify   named[rawReceiver, *rawReceiver]   `toml:"notify"`
	Guard    rawGuard                           `toml:"guard"`
}

func (r *rawFile) decode(p *problems, n *node) { decodeTable(p, n, r, "tables") }

// declares tells whether the files ask for anything that a director could do.
func (r *rawFile) declares() bool {
	return len(r.Virtual.entries)+len(r.VIP.entries)+len(r.VRRP.entries) > 0 || r.VRRP.bad || r.Virtual.bad || r.VIP.bad ||
		r.NAT.given() || r.Sync.given() || r.Timeouts.given()
}

type rawDirector struct {
	at
	Name      text     `toml:"name"`
	Resync    duration `toml:"resync"`
	StateDir  text     `toml:"state_dir"`
	DataDir   text     `toml:"data_dir"`
	Group     text     `toml:"group"`
	Watch     boolean  `toml:"watch"`
	OnStop    text     `toml:"on_stop"`
	Unmanaged text     `toml:"unmanaged"`
}

func (r *rawDirector) decode(p *problems, n *node) { decodeTable(p, n, r, "a table [director]") }

// rawSettings is what may stand in [defaults] as well as in [virtual.NAME].
type rawSettings struct {
	at
	Protocol       text                            `toml:"protocol"`
	Forwarding     text                            `toml:"forwarding"`
	Tunnel         rawTunnel                       `toml:"tunnel"`
	Scheduler      text                            `toml:"scheduler"`
	SchedulerFlags list[text, *text]               `toml:"scheduler_flags"`
	Weight         number                          `toml:"weight"`
	Quiescent      boolean                         `toml:"quiescent"`
	Persistence    rawPersistence                  `toml:"persistence"`
	OnePacket      boolean                         `toml:"one_packet"`
	Upper          number                          `toml:"upper_threshold"`
	Lower          number                          `toml:"lower_threshold"`
	SNAT           boolean                         `toml:"snat"`
	Fallback       list[rawFallback, *rawFallback] `toml:"fallback"`
	Quorum         rawQuorum                       `toml:"quorum"`
	MinAvailable   number                          `toml:"min_available"`
	SlowStart      duration                        `toml:"slow_start"`
	rawChecks
}

func (r *rawSettings) decode(p *problems, n *node) { decodeTable(p, n, r, "a table [defaults]") }

type rawVirtual struct {
	at
	VIP    list[text, *text] `toml:"vip"`
	FWMark number            `toml:"fwmark"`
	Family text              `toml:"family"`
	rawSettings
	Guard rawLimits                `toml:"guard"`
	Real  named[rawReal, *rawReal] `toml:"real"`
}

func (r *rawVirtual) decode(p *problems, n *node) {
	decodeTable(p, n, r, "a table ["+n.path+"]")
}

type rawTunnel struct {
	at
	Type     text   `toml:"type"`
	Port     number `toml:"port"`
	Checksum text   `toml:"checksum"`
}

func (r *rawTunnel) decode(p *problems, n *node) {
	if _, ok := n.value.(string); ok {
		r.pos = n.pos
		r.Type.decode(p, n)
		return
	}
	decodeTable(p, n, r, `"ipip", "gre" or a table such as { type = "gue", port = 6080 }`)
}

type rawPersistence struct {
	at
	Timeout duration   `toml:"timeout"`
	Netmask rawNetmask `toml:"netmask"`
	Engine  text       `toml:"engine"`
}

func (r *rawPersistence) decode(p *problems, n *node) {
	if n.table == nil {
		r.Timeout.decode(p, n)
		r.at = r.Timeout.at
		return
	}
	decodeTable(p, n, r, "")
}

// rawQuorum is a weight, or a table.
type rawQuorum struct {
	at
	Weight     number `toml:"weight"`
	Hysteresis number `toml:"hysteresis"`
}

func (r *rawQuorum) decode(p *problems, n *node) {
	if n.table == nil {
		r.Weight.decode(p, n)
		r.at = r.Weight.at
		return
	}
	decodeTable(p, n, r, "")
}

// rawNetmask is a prefix length, or a mask such as "255.255.255.0".
type rawNetmask struct {
	at
	bits   int64
	dotted string
}

func (r *rawNetmask) decode(p *problems, n *node) {
	if s, ok := n.value.(string); ok {
		r.pos, r.dotted = n.pos, s
		return
	}
	r.bits = single[int64](p, n, &r.at, aNetmask)
}

type rawReal struct {
	at
	Address    text      `toml:"address"`
	Forwarding text      `toml:"forwarding"`
	Tunnel     rawTunnel `toml:"tunnel"`
	Weight     number    `toml:"weight"`
	Upper      number    `toml:"upper_threshold"`
	Lower      number    `toml:"lower_threshold"`
	rawChecks
}

func (r *rawReal) decode(p *problems, n *node) {
	if _, ok := n.value.(string); ok {
		r.pos = n.pos
		r.Address.decode(p, n)
		return
	}
	decodeTable(p, n, r, `"ADDRESS:PORT" or a table { address = "ADDRESS:PORT" }`)
}

type rawFallback struct {
	at
	Address    text      `toml:"address"`
	Forwarding text      `toml:"forwarding"`
	Tunnel     rawTunnel `toml:"tunnel"`
}

func (r *rawFallback) decode(p *problems, n *node) {
	if _, ok := n.value.(string); ok {
		r.pos = n.pos
		r.Address.decode(p, n)
		return
	}
	decodeTable(p, n, r, `"ADDRESS:PORT", a table { address = "ADDRESS:PORT" } or a list of these`)
}

type rawAddress struct {
	at
	Address text    `toml:"address"`
	Label   text    `toml:"label"`
	NoDAD   boolean `toml:"nodad"`
}

func (r *rawAddress) decode(p *problems, n *node) {
	if _, ok := n.value.(string); ok {
		r.pos = n.pos
		r.Address.decode(p, n)
		return
	}
	decodeTable(p, n, r, `"ADDRESS/PREFIX" or a table { address = "ADDRESS/PREFIX" }`)
}

type rawAddresses struct{ list[rawAddress, *rawAddress] }

func (r *rawAddresses) decode(p *problems, n *node) {
	if _, ok := n.table["address"]; n.table != nil && !n.inline && !ok {
		r.pos, r.bad = n.pos, true
		p.add(n.pos, `a list of "ADDRESS/PREFIX"; the name of an interface with a dot is written in quotes, such as "eth0.100"`,
			"%s is a table", n.path)
		return
	}
	r.list.decode(p, n)
}

type rawNAT struct {
	at
	Masquerade list[text, *text] `toml:"masquerade"`
}

func (r *rawNAT) decode(p *problems, n *node) { decodeTable(p, n, r, "a table [nat]") }

type rawTimeouts struct {
	at
	TCP    duration `toml:"tcp"`
	TCPFin duration `toml:"tcpfin"`
	UDP    duration `toml:"udp"`
}

func (r *rawTimeouts) decode(p *problems, n *node) { decodeTable(p, n, r, "a table [timeouts]") }
