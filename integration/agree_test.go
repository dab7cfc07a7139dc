package integration

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/status"
)

// agrees holds that ipvsadm, which reads the kernel with code of its own, sees
// the table that `lvsd status` shows.
func agrees(t *testing.T, d *director) {
	t.Helper()
	var got []string
	for _, line := range d.table() {
		got = append(got, canonical(line))
	}
	var want []string
	for _, s := range d.status().Services {
		want = append(want, canonical(serviceLine(s)))
		for _, r := range s.Servers {
			want = append(want, canonical(serverLine(s, r)))
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("status and ipvsadm -Sn differ (-status +ipvsadm):\n%s", diff)
	}
}

// canonical sorts the options of a line of ipvsadm's, each with its value, so
// that their order does not count. It drops what ipvsadm 1.31 says of some
// servers only, the default type of a tunnel, and what it cannot say at all, the
// third flag of sh and mh.
func canonical(line string) string {
	line = strings.Replace(line, " --tun-type ipip", "", 1)
	for _, scheduler := range []string{"sh", "mh"} {
		if strings.Contains(line, " -s "+scheduler+" ") {
			line = strings.Replace(line, " -b flag-3", " -b", 1)
		}
	}
	var options []string
	for _, word := range strings.Fields(line) {
		if strings.HasPrefix(word, "-") || len(options) == 0 {
			options = append(options, word)
			continue
		}
		options[len(options)-1] += " " + word
	}
	slices.Sort(options[1:])
	return strings.Join(options, " ")
}

// identity is how ipvsadm names a service.
func identity(k lvs.ServiceKey) string {
	switch {
	case k.Mark != 0 && k.MarkOf == lvs.IPv6:
		return fmt.Sprintf("-f %d -6", k.Mark)
	case k.Mark != 0:
		return fmt.Sprintf("-f %d", k.Mark)
	case k.Protocol == lvs.UDP:
		return "-u " + k.VIP.String()
	case k.Protocol == lvs.SCTP:
		return "--sctp-service " + k.VIP.String()
	}
	return "-t " + k.VIP.String()
}

func serviceLine(s status.Service) string {
	line := fmt.Sprintf("-A %s -s %s", identity(s.Service), s.Scheduler)
	if s.Persistence > 0 {
		line += fmt.Sprintf(" -p %d", s.Persistence)
		line += netmask(s)
	}
	if s.Engine != "" {
		line += " --pe " + s.Engine
	}
	flags := slices.Clone(s.Flags)
	if i := slices.Index(flags, "one-packet"); i >= 0 {
		line += " -o"
		flags = slices.Delete(flags, i, i+1)
	}
	if len(flags) > 0 {
		line += " -b " + strings.Join(flags, ",")
	}
	return line
}

func netmask(s status.Service) string {
	family := s.Service.Family()
	if int(s.Netmask) == family.Bits() {
		return ""
	}
	if family == lvs.IPv6 {
		return fmt.Sprintf(" -M %d", s.Netmask)
	}
	mask := netip.PrefixFrom(netip.AddrFrom4([4]byte{255, 255, 255, 255}), int(s.Netmask)).Masked().Addr()
	return " -M " + mask.String()
}

func serverLine(s status.Service, r status.Server) string {
	method := map[string]string{"nat": "-m", "dr": "-g", "tun": "-i", "local": "-g"}[r.Forwarding]
	line := fmt.Sprintf("-a %s -r %s %s -w %d", identity(s.Service), r.Address, method, r.Weight)
	words := strings.Fields(r.Tunnel)
	if len(words) == 0 || words[0] == "ipip" {
		return line
	}
	line += " --tun-type " + words[0]
	checksum := "--tun-nocsum"
	for i, w := range words {
		switch w {
		case "port":
			line += " --tun-port " + words[i+1]
		case "checksum":
			checksum = map[string]string{"checksum": "--tun-csum", "remote": "--tun-remcsum"}[words[i+1]]
		}
	}
	return line + " " + checksum
}
