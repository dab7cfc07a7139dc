package config

import "github.com/lvsd/lvsd/pkg/lvs"

func (c *checker) forwarding(t *text, otherwise lvs.Forwarding) lvs.Forwarding {
	if f, ok := choose(&c.problems, t, "forwarding method", lvs.ForwardingWords, lvs.ParseForwarding); ok {
		return f
	}
	return otherwise
}

// tunnel reads an encapsulation and its options.
func (c *checker) tunnel(raw *rawTunnel, otherwise lvs.Tunnel) lvs.Tunnel {
	if !raw.ok() {
		return otherwise
	}
	if !raw.Type.given() {
		c.add(raw.pos, "type = "+oneOf(lvs.TunnelTypes), "the tunnel has no type")
		return otherwise
	}
	kind, ok := choose(&c.problems, &raw.Type, "tunnel type", lvs.TunnelTypes, lvs.ParseTunnelType)
	if !ok {
		return otherwise
	}
	return lvs.Tunnel{
		Type:     kind,
		Port:     c.tunnelPort(raw, kind),
		Checksum: c.checksum(&raw.Checksum, kind),
	}
}

func (c *checker) tunnelPort(raw *rawTunnel, kind lvs.TunnelType) uint16 {
	switch {
	case kind == lvs.GUE && !raw.Port.given():
		c.add(raw.Type.pos, `a table such as { type = "gue", port = 6080 }`, "a gue tunnel needs a UDP port")
	case kind != lvs.GUE && raw.Port.given():
		c.add(raw.Port.pos, "port only with gue", "a tunnel of type %s has no port", kind)
	}
	return uint16(raw.Port.in(&c.problems, "tunnel port", 1, 65535, 0))
}

func (c *checker) checksum(t *text, kind lvs.TunnelType) lvs.Checksum {
	v, ok := choose(&c.problems, t, "checksum option", lvs.Checksums, lvs.ParseChecksum)
	switch {
	case !ok:
	case kind == lvs.IPIP:
		c.add(t.pos, "checksum only with gue and gre", "a tunnel of type ipip has no checksum")
	case kind == lvs.GRE && v == lvs.RemoteChecksum:
		c.add(t.pos, `"none" or "checksum"`, "remote checksum offload is for gue only")
	}
	return v
}
