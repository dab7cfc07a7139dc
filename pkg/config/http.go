package config

import (
	"net/netip"
	"strings"
)

// DefaultHTTP is where the status page and the metrics are if [http] does not say.
const DefaultHTTP = "127.0.0.1:9280"

// HTTP is the table [http]: the status page and the metrics.
type HTTP struct {
	Listen    string // "ADDRESS:PORT"; ":PORT" is every address of the host
	WebConfig string // file with certificates and users, "" for none
}

type rawHTTP struct {
	at
	Listen    text `toml:"listen"`
	WebConfig text `toml:"web_config"`
}

func (r *rawHTTP) decode(p *problems, n *node) { decodeTable(p, n, r, "a table [http]") }

// http reads [http]; nil if there is none.
func (c *checker) http(raw *rawHTTP) *HTTP {
	if !raw.ok() {
		return nil
	}
	return &HTTP{Listen: c.listen(&raw.Listen), WebConfig: c.file(&raw.WebConfig, "web_config")}
}

const aListener = `"ADDRESS:PORT", such as "127.0.0.1:9280" or "[::1]:9280", or ":9280" for every address of the host`

// listen reads an address of the host itself. It is no name: what a name means may
// change while the listener stays.
func (c *checker) listen(t *text) string {
	if !t.ok() {
		return DefaultHTTP
	}
	address := t.value
	if strings.HasPrefix(address, ":") {
		address = "[::]" + address
	}
	if a, err := netip.ParseAddrPort(address); err != nil || a.Port() == 0 {
		c.add(t.pos, aListener, "listen %q is not an address with a port", t.value)
	}
	return t.value
}
