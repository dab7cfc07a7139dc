package config

// rawGuard is the table [guard].
type rawGuard struct {
	at
	Interfaces list[text, *text] `toml:"interfaces"`
	Mode       text              `toml:"mode"`
	Enforce    boolean           `toml:"enforce"`
	OnStop     text              `toml:"on_stop"`
	Allow      list[text, *text] `toml:"allow"`
	AllowFiles list[text, *text] `toml:"allow_files"`
	Block      list[text, *text] `toml:"block"`
	BlockFiles list[text, *text] `toml:"block_files"`
	OpenPorts  list[text, *text] `toml:"open_ports"`
	Sample     number            `toml:"sample"`
	Limit      rawLimits         `toml:"limit"`
}

func (r *rawGuard) decode(p *problems, n *node) { decodeTable(p, n, r, "a table [guard]") }

// rawLimits is [guard.limit] and [virtual.NAME.guard].
type rawLimits struct {
	at
	SourceSYNs    rawRate `toml:"source_syns"`
	SourcePackets rawRate `toml:"source_packets"`
	SYNs          rawRate `toml:"syns"`
	Packets       rawRate `toml:"packets"`
	Fragments     rawRate `toml:"fragments"`
}

func (r *rawLimits) decode(p *problems, n *node) { decodeTable(p, n, r, "a table ["+n.path+"]") }

// rawRate is a number per second, or a table with a burst.
type rawRate struct {
	at
	Rate  number `toml:"rate"`
	Burst number `toml:"burst"`
}

func (r *rawRate) decode(p *problems, n *node) {
	if n.table == nil {
		r.Rate.decode(p, n)
		r.at = r.Rate.at
		return
	}
	decodeTable(p, n, r, "")
}
