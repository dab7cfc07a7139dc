package ipvstest

import (
	"fmt"
	"strings"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// Text writes services as text, one thing a line, every attribute that is not
// the usual one with it: for golden tests.
func Text(services []lvs.Service) string {
	var b strings.Builder
	for _, s := range services {
		fmt.Fprintf(&b, "%s %s", s.Key, s.Settings)
		if s.Persistence == 0 && int(s.Netmask) != s.Key.Family().Bits() {
			fmt.Fprintf(&b, " netmask /%d", s.Netmask)
		}
		b.WriteByte('\n')
		for _, server := range s.Servers {
			fmt.Fprintf(&b, "  %s %s\n", server.Key, server.ServerSettings)
		}
	}
	return b.String()
}
