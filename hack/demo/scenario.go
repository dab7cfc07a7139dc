package main

import (
	"maps"
	"slices"
	"strings"

	"github.com/lvsd/lvsd/hack/lab"
)

// scenario is one forwarding method with the network it needs. Its file is the
// example of the same name.
type scenario struct {
	name     string
	title    string
	way      string // how a request and its answer travel
	behind   bool   // the real servers are on the director's inner network
	picture  string
	prepare  []string // what every real server runs; ADDRESS is its own
	newcomer string   // the third real server, as the file names it
}

var scenarios = map[string]scenario{
	"nat": {
		name:   "nat",
		title:  "one address for two web servers, by LVS-NAT",
		way:    "client > director > real server > director > client",
		behind: true,
		picture: `
client 10.0.1.10 ───┬─── 10.0.1.31 lb1 10.0.2.31 ───┬─── rs1 10.0.2.101
                    │                               ├─── rs2 10.0.2.102
               10.0.1.0/24                          └─── rs3 10.0.2.103, later`,
		newcomer: `rs3 = "10.0.2.103:80"`,
	},
	"dr": {
		name:  "dr",
		title: "one address for two web servers, by direct routing",
		way:   "client > director > real server > client",
		picture: `
client 10.0.1.10 ───┬─── lb1 10.0.1.31
                    ├─── rs1 10.0.1.101
    10.0.1.0/24     ├─── rs2 10.0.1.102
                    └─── rs3 10.0.1.103, later`,
		prepare: []string{
			"sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2",
			"ip addr add 10.0.1.200/32 dev lo",
		},
		newcomer: `rs3 = "10.0.1.103"`,
	},
	"tun": {
		name:  "tun",
		title: "one address for two web servers, by IP-in-IP tunnels",
		way:   "client > director > tunnel > real server > client",
		picture: `
client 10.0.1.10 ───┬─── lb1 10.0.1.31
                    ├─── rs1 10.0.1.101
    10.0.1.0/24     ├─── rs2 10.0.1.102
                    └─── rs3 10.0.1.103, later`,
		prepare: []string{
			"sysctl -w net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2",
			"ip addr add 10.0.1.200/32 dev lo",
			"ip link add lvs0 type ipip local ADDRESS",
			"ip link set lvs0 up",
			"sysctl -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.lvs0.rp_filter=0",
		},
		newcomer: `rs3 = "10.0.1.103"`,
	},
}

func scenarioNames() []string { return slices.Sorted(maps.Keys(scenarios)) }

func (s scenario) topology() lab.Topology {
	return lab.Topology{RealServers: 3, BehindDirector: s.behind}
}

// commands are those that prepare one real server.
func (s scenario) commands(rs *lab.Host) []string {
	var lines []string
	for _, line := range s.prepare {
		lines = append(lines, strings.ReplaceAll(line, "ADDRESS", rs.V4.String()))
	}
	return lines
}
