package ipvstest

import (
	"net/netip"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/lvs"
)

var (
	plain  = lvs.Settings{Scheduler: "rr", Netmask: 32}
	plain6 = lvs.Settings{Scheduler: "rr", Netmask: 128}
	dr     = lvs.ServerSettings{Forwarding: lvs.DR, Weight: 1}
)

func tcp(s string) lvs.ServiceKey { return lvs.AddrKey(lvs.TCP, netip.MustParseAddrPort(s)) }

func ofService(v lvs.Verb, k lvs.ServiceKey, s lvs.Settings) lvs.Change {
	return lvs.Change{Verb: v, Service: lvs.Service{Key: k, Settings: s}}
}

func ofServer(v lvs.Verb, k lvs.ServiceKey, server string, s lvs.ServerSettings) lvs.Change {
	return lvs.Change{Verb: v, Service: lvs.Service{Key: k}, Server: &lvs.Server{
		Key: netip.MustParseAddrPort(server), ServerSettings: s}}
}

var (
	web  = tcp("192.0.2.1:80")
	web6 = tcp("[2001:db8::1]:80")
)

var serviceCases = []contractCase{{
	name: "add twice",
	steps: []step{
		{ofService(lvs.Add, web, plain), nil},
		{ofService(lvs.Add, web, lvs.Settings{Scheduler: "wrr", Netmask: 32}), unix.EEXIST},
	},
	table: `
tcp 192.0.2.1:80 scheduler rr
`,
}, {
	name: "no such service",
	steps: []step{
		{ofService(lvs.Set, web, plain), unix.ESRCH},
		{ofService(lvs.Delete, web, plain), unix.ESRCH},
		{ofServer(lvs.Add, web, "10.0.0.1:80", dr), unix.ESRCH},
		{ofServer(lvs.Set, web, "10.0.0.1:80", dr), unix.ESRCH},
		{ofServer(lvs.Delete, web, "10.0.0.1:80", dr), unix.ESRCH},
	},
}, {
	name: "keys",
	steps: []step{
		{ofService(lvs.Add, web, plain), nil},
		{ofService(lvs.Add, lvs.AddrKey(lvs.UDP, web.VIP), plain), nil},
		{ofService(lvs.Add, lvs.AddrKey(lvs.SCTP, web.VIP), plain), nil},
		{ofService(lvs.Add, tcp("192.0.2.1:0"), plain), nil},
		{ofService(lvs.Add, tcp("192.0.2.2:80"), plain), nil},
		{ofService(lvs.Add, web6, plain6), nil},
		{ofService(lvs.Add, lvs.MarkKey(1, lvs.IPv4), plain), nil},
		{ofService(lvs.Add, lvs.MarkKey(1, lvs.IPv6), plain6), nil},
		{ofService(lvs.Add, lvs.MarkKey(1<<32-1, lvs.IPv4), plain), nil},
		{ofServer(lvs.Add, web, "10.0.0.1:80", dr), nil},
		{ofServer(lvs.Add, tcp("192.0.2.2:80"), "10.0.0.1:80", dr), nil},
		{ofServer(lvs.Add, lvs.MarkKey(1, lvs.IPv4), "10.0.0.1:0", dr), nil},
		{ofServer(lvs.Add, lvs.MarkKey(1, lvs.IPv6), "[2001:db8::2]:0", dr), nil},
		{ofService(lvs.Add, tcp("[::ffff:192.0.2.1]:80"), plain6), nil},
	},
	table: `
tcp 192.0.2.1:0 scheduler rr
tcp 192.0.2.1:80 scheduler rr
  10.0.0.1:80 dr weight 1
udp 192.0.2.1:80 scheduler rr
sctp 192.0.2.1:80 scheduler rr
tcp 192.0.2.2:80 scheduler rr
  10.0.0.1:80 dr weight 1
tcp [::ffff:192.0.2.1]:80 scheduler rr
tcp [2001:db8::1]:80 scheduler rr
fwmark 1 ipv4 scheduler rr
  10.0.0.1:0 dr weight 1
fwmark 1 ipv6 scheduler rr
  [2001:db8::2]:0 dr weight 1
fwmark 4294967295 ipv4 scheduler rr
`,
}, {
	name: "unknown names",
	steps: []step{
		{ofService(lvs.Add, web, lvs.Settings{Scheduler: "nonesuch", Netmask: 32}), unix.ENOENT},
		{ofService(lvs.Add, web, lvs.Settings{Scheduler: "rr", Engine: "nonesuch", Netmask: 32}), unix.ENOENT},
		{ofService(lvs.Add, web, plain), nil},
		{ofService(lvs.Set, web, lvs.Settings{Scheduler: "nonesuch", Netmask: 32}), unix.ENOENT},
		{ofService(lvs.Set, web, lvs.Settings{Scheduler: "wrr", Engine: "nonesuch", Netmask: 32}), unix.ENOENT},
	},
	table: `
tcp 192.0.2.1:80 scheduler rr
`,
}, {
	name: "netmask",
	steps: []step{
		{ofService(lvs.Add, web6, lvs.Settings{Scheduler: "rr"}), unix.EINVAL},
		{ofService(lvs.Add, web6, lvs.Settings{Scheduler: "rr", Netmask: 1}), nil},
		{ofService(lvs.Set, web6, lvs.Settings{Scheduler: "rr"}), unix.EINVAL},
		{ofService(lvs.Add, web, lvs.Settings{Scheduler: "rr", Netmask: 0, Persistence: time.Second}), nil},
		{ofService(lvs.Add, tcp("192.0.2.2:80"), lvs.Settings{Scheduler: "rr", Netmask: 9}), nil},
	},
	table: `
tcp 192.0.2.1:80 scheduler rr persistence 1s/0
tcp 192.0.2.2:80 scheduler rr netmask /9
tcp [2001:db8::1]:80 scheduler rr netmask /1
`,
}, {
	name: "longest persistence",
	steps: []step{
		{ofService(lvs.Add, web, lvs.Settings{Scheduler: "rr", Netmask: 32, Persistence: 31 * 24 * time.Hour}), nil},
	},
	table: `
tcp 192.0.2.1:80 scheduler rr persistence 744h/32
`,
}, {
	name: "set is of everything",
	steps: []step{
		{ofService(lvs.Add, web, lvs.Settings{Scheduler: "sh", Flags: lvs.Sched1 | lvs.Sched2,
			Persistence: 5 * time.Minute, Netmask: 24, Engine: "sip"}), nil},
		{ofServer(lvs.Add, web, "10.0.0.1:80", dr), nil},
		{ofService(lvs.Set, web, plain), nil},
	},
	table: `
tcp 192.0.2.1:80 scheduler rr
  10.0.0.1:80 dr weight 1
`,
}, {
	name: "one-packet on tcp",
	steps: []step{
		{ofService(lvs.Add, web, lvs.Settings{Scheduler: "rr", Flags: lvs.OnePacket, Netmask: 32}), nil},
	},
	table: `
tcp 192.0.2.1:80 scheduler rr one-packet
`,
}, {
	name: "no scheduler",
	steps: []step{
		{ofService(lvs.Add, web, lvs.Settings{Scheduler: "none", Netmask: 32}), nil},
	},
	table: `
tcp 192.0.2.1:80 scheduler none
`,
}, {
	name: "delete with servers",
	steps: []step{
		{ofService(lvs.Add, web, plain), nil},
		{ofServer(lvs.Add, web, "10.0.0.1:80", dr), nil},
		{ofService(lvs.Delete, web, lvs.Settings{}), nil},
		{ofService(lvs.Add, web, plain), nil},
	},
	table: `
tcp 192.0.2.1:80 scheduler rr
`,
}}

var serverCases = []contractCase{{
	name: "servers",
	steps: []step{
		{ofService(lvs.Add, web, plain), nil},
		{ofServer(lvs.Add, web, "10.0.0.1:80", dr), nil},
		{ofServer(lvs.Add, web, "10.0.0.1:80", lvs.ServerSettings{Weight: 5}), unix.EEXIST},
		{ofServer(lvs.Set, web, "10.0.0.2:80", dr), unix.ENOENT},
		{ofServer(lvs.Delete, web, "10.0.0.2:80", dr), unix.ENOENT},
		{ofServer(lvs.Add, web, "10.0.0.1:81", lvs.ServerSettings{Forwarding: lvs.NAT}), nil},
		{ofServer(lvs.Add, web, "10.0.0.3:80", lvs.ServerSettings{Forwarding: lvs.DR, Weight: 1<<31 - 1, Upper: 1<<31 - 1, Lower: 1<<31 - 1}), nil},
		{ofServer(lvs.Add, web, "127.0.0.1:80", dr), nil},
		{ofServer(lvs.Add, web, "10.0.0.4:80", dr), nil},
		{ofServer(lvs.Delete, web, "10.0.0.4:80", lvs.ServerSettings{}), nil},
		{ofServer(lvs.Delete, web, "10.0.0.4:80", lvs.ServerSettings{}), unix.ENOENT},
		{ofServer(lvs.Set, web, "10.0.0.1:80", lvs.ServerSettings{Forwarding: lvs.NAT, Weight: 70000}), nil},
	},
	table: `
tcp 192.0.2.1:80 scheduler rr
  10.0.0.1:80 nat weight 70000
  10.0.0.1:81 nat weight 0
  10.0.0.3:80 dr weight 2147483647 thresholds 2147483647..2147483647
  127.0.0.1:80 dr weight 1
`,
}, {
	name: "weight and thresholds",
	steps: []step{
		{ofService(lvs.Add, web, plain), nil},
		{ofServer(lvs.Add, web, "10.0.0.1:80", lvs.ServerSettings{Weight: -1}), unix.ERANGE},
		{ofServer(lvs.Add, web, "10.0.0.1:80", lvs.ServerSettings{Upper: 1, Lower: 2}), unix.ERANGE},
		{ofServer(lvs.Add, web, "10.0.0.1:80", lvs.ServerSettings{Lower: 2}), unix.ERANGE},
		{ofServer(lvs.Add, web, "10.0.0.1:80", lvs.ServerSettings{Upper: 9, Lower: 2}), nil},
		{ofServer(lvs.Set, web, "10.0.0.1:80", lvs.ServerSettings{Weight: -1}), unix.ERANGE},
		{ofServer(lvs.Set, web, "10.0.0.1:80", lvs.ServerSettings{Upper: 1, Lower: 2}), unix.ERANGE},
	},
	table: `
tcp 192.0.2.1:80 scheduler rr
  10.0.0.1:80 nat weight 0 thresholds 2..9
`,
}, {
	name: "mixed families",
	steps: []step{
		{ofService(lvs.Add, web, plain), nil},
		{ofService(lvs.Add, web6, plain6), nil},
		{ofServer(lvs.Add, web, "[2001:db8::2]:80", dr), unix.EINVAL},
		{ofServer(lvs.Add, web6, "10.0.0.1:80", lvs.ServerSettings{Forwarding: lvs.NAT}), unix.EINVAL},
		{ofServer(lvs.Add, web, "[2001:db8::2]:80", lvs.ServerSettings{Forwarding: lvs.TUN}), nil},
		{ofServer(lvs.Add, web6, "10.0.0.1:80", lvs.ServerSettings{Forwarding: lvs.TUN}), nil},
		{ofServer(lvs.Add, web6, "10.0.0.2:80", lvs.ServerSettings{Forwarding: lvs.TUN}), nil},
		{ofServer(lvs.Set, web6, "10.0.0.1:80", dr), unix.EINVAL},
		{ofServer(lvs.Delete, web6, "10.0.0.2:80", dr), nil},
	},
	table: `
tcp 192.0.2.1:80 scheduler rr
  [2001:db8::2]:80 tun ipip weight 0
tcp [2001:db8::1]:80 scheduler rr
  10.0.0.1:80 tun ipip weight 0
`,
}, {
	name: "tunnels",
	steps: []step{
		{ofService(lvs.Add, web, plain), nil},
		{ofServer(lvs.Add, web, "10.0.0.1:80", tunnel(lvs.GUE, 0, 0)), unix.EINVAL},
		{ofServer(lvs.Add, web, "10.0.0.1:80", tunnel(lvs.GUE, 6080, lvs.RemoteChecksum)), nil},
		{ofServer(lvs.Add, web, "10.0.0.2:80", tunnel(lvs.GRE, 0, lvs.WithChecksum)), nil},
		{ofServer(lvs.Add, web, "10.0.0.3:80", tunnel(lvs.GUE, 6080, 0)), nil},
		{ofServer(lvs.Set, web, "10.0.0.3:80", tunnel(lvs.IPIP, 0, 0)), nil},
		{ofServer(lvs.Add, web, "10.0.0.4:80", lvs.ServerSettings{Tunnel: lvs.Tunnel{Type: lvs.GUE}}), nil},
		{ofServer(lvs.Set, web, "10.0.0.1:80", tunnel(lvs.GUE, 0, 0)), unix.EINVAL},
	},
	table: `
tcp 192.0.2.1:80 scheduler rr
  10.0.0.1:80 tun gue port 6080 checksum remote weight 1
  10.0.0.2:80 tun gre checksum checksum weight 1
  10.0.0.3:80 tun ipip weight 1
  10.0.0.4:80 nat weight 0
`,
}, {
	name: "addresses that no server has",
	steps: []step{
		{ofService(lvs.Add, web, plain), nil},
		{ofService(lvs.Add, web6, plain6), nil},
		{ofServer(lvs.Add, web, "0.0.0.0:80", dr), unix.EINVAL},
		{ofServer(lvs.Add, web, "224.0.0.1:80", dr), unix.EINVAL},
		{ofServer(lvs.Add, web, "255.255.255.255:80", dr), unix.EINVAL},
		{ofServer(lvs.Add, web6, "[::]:80", dr), unix.EINVAL},
		{ofServer(lvs.Add, web6, "[ff02::1]:80", dr), unix.EINVAL},
		{ofServer(lvs.Add, web6, "[fe80::1]:80", dr), unix.EINVAL},
		{ofServer(lvs.Add, web6, "[::ffff:10.0.0.1]:80", dr), unix.EINVAL},
		{ofServer(lvs.Set, web, "0.0.0.0:80", dr), unix.ENOENT},
		{ofServer(lvs.Add, web6, "[::1]:80", dr), nil},
		{ofServer(lvs.Add, web6, "[fd00::1]:80", dr), nil},
	},
	table: `
tcp 192.0.2.1:80 scheduler rr
tcp [2001:db8::1]:80 scheduler rr
  [::1]:80 dr weight 1
  [fd00::1]:80 dr weight 1
`,
}}

// inexpressibleCases never reach the kernel.
var inexpressibleCases = []contractCase{{
	name: "inexpressible",
	steps: []step{
		{ofService(0, web, plain), unix.EINVAL},
		{ofServer(lvs.Delete+1, web, "10.0.0.1:80", dr), unix.EINVAL},
		{ofService(lvs.Add, lvs.ServiceKey{}, plain), unix.EINVAL},
		{ofService(lvs.Add, lvs.ServiceKey{Mark: 1}, plain), unix.EAFNOSUPPORT},
		{ofService(lvs.Add, tcp("[fe80::1%eth0]:80"), plain6), unix.EINVAL},
		{ofService(lvs.Add, web, lvs.Settings{Netmask: 32}), unix.EINVAL},
		{ofService(lvs.Add, web, lvs.Settings{Scheduler: strings.Repeat("r", 16), Netmask: 32}), unix.EINVAL},
		{ofService(lvs.Add, web, lvs.Settings{Scheduler: "rr", Engine: strings.Repeat("r", 16), Netmask: 32}), unix.EINVAL},
		{ofService(lvs.Add, web, lvs.Settings{Scheduler: "rr", Netmask: 33}), unix.EINVAL},
		{ofService(lvs.Add, web6, lvs.Settings{Scheduler: "rr", Netmask: 129}), unix.EINVAL},
		{ofService(lvs.Add, web, lvs.Settings{Scheduler: "rr", Netmask: 32, Persistence: time.Millisecond}), unix.EINVAL},
		{ofService(lvs.Add, web, lvs.Settings{Scheduler: "rr", Netmask: 32, Persistence: -time.Second}), unix.EINVAL},
		{ofService(lvs.Add, web, lvs.Settings{Scheduler: "rr", Netmask: 32, Persistence: 1 << 23 * time.Second}), unix.EINVAL},
		{ofService(lvs.Add, web6, plain6), nil},
		{ofServer(lvs.Add, web6, "[fe80::1%lo]:80", dr), unix.EINVAL},
		{lvs.Change{Verb: lvs.Add, Service: lvs.Service{Key: web6}, Server: &lvs.Server{}}, unix.EINVAL},
	},
	table: `
tcp [2001:db8::1]:80 scheduler rr
`,
}}

func tunnel(t lvs.TunnelType, port uint16, c lvs.Checksum) lvs.ServerSettings {
	return lvs.ServerSettings{Forwarding: lvs.TUN, Weight: 1, Tunnel: lvs.Tunnel{Type: t, Port: port, Checksum: c}}
}
