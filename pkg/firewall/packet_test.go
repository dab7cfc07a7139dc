package firewall

import (
	"net/netip"
	"testing"
)

func TestBlocked(t *testing.T) {
	tunnel := Packet{In: "eth0", Protocol: 4, Dst: netip.MustParseAddr("10.0.0.2")}
	web := Packet{In: "eth0", Protocol: 6, Dst: netip.MustParseAddr("192.0.2.1"), Port: 80}
	const (
		open   = "-P INPUT ACCEPT\n"
		closed = "-P INPUT DROP\n"
		usual  = "-A INPUT -i lo -j ACCEPT\n-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"
	)
	tests := []struct {
		name    string
		listing string
		packet  Packet
		want    string
	}{
		{"nothing", "", web, ""},
		{"open", open, web, ""},
		{"closed", closed, web, "-P INPUT DROP"},
		{"closed but for answers", closed + usual, web, "-P INPUT DROP"},
		{"closed but for the port", closed + usual + "-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT\n", web, ""},
		{"closed but for another port", closed + "-A INPUT -p tcp -m tcp --dport 81 -j ACCEPT\n", web, "-P INPUT DROP"},
		{"closed but for a range", closed + "-A INPUT -p tcp -m tcp --dport 79:81 -j ACCEPT\n", web, ""},
		{"closed but for a list", closed + "-A INPUT -p tcp -m multiport --dports 22,80 -j ACCEPT\n", web, ""},
		{"closed but for the interface", closed + "-A INPUT -i eth+ -j ACCEPT\n", web, ""},
		{"closed but for some senders", closed + "-A INPUT -s 10.0.0.0/8 -j ACCEPT\n", web, ""},
		{"the tunnel is dropped by name", open + "-A INPUT -p ipencap -j DROP\n", tunnel, "-A INPUT -p ipencap -j DROP"},
		{"the tunnel is dropped by number", open + "-A INPUT -p 4 -j DROP\n", tunnel, "-A INPUT -p 4 -j DROP"},
		{"another tunnel is dropped", open + "-A INPUT -p gre -j DROP\n", tunnel, ""},
		{"all but tcp is rejected", open + "-A INPUT ! -p tcp -j REJECT --reject-with icmp-port-unreachable\n", tunnel,
			"-A INPUT ! -p tcp -j REJECT --reject-with icmp-port-unreachable"},
		{"the VIP is dropped", open + "-A INPUT -d 192.0.2.1/32 -j DROP\n", web, "-A INPUT -d 192.0.2.1/32 -j DROP"},
		{"another address is dropped", open + "-A INPUT -d 192.0.2.2/32 -j DROP\n", web, ""},
		{"some senders are dropped", open + "-A INPUT -s 10.0.0.0/8 -j DROP\n", web, ""},
		{"too many are dropped", open + "-A INPUT -m limit --limit 1/sec -j DROP\n", web, ""},
		{"dropped in another chain", open + "-A INPUT -j OTHER\n-A OTHER -p tcp -j DROP\n", web, "-A OTHER -p tcp -j DROP"},
		{"returned from another chain", open + "-A INPUT -j OTHER\n-A OTHER -j RETURN\n-A OTHER -p tcp -j DROP\n", web, ""},
		{"accepted in another chain", closed + "-A INPUT -j OTHER\n-A OTHER -p tcp -j ACCEPT\n", web, ""},
		{"accepted before", open + "-A INPUT -p tcp -j ACCEPT\n-A INPUT -j DROP\n", web, ""},
		{"logged", closed + "-A INPUT -j LOG --log-prefix \"in: \"\n", web, "-P INPUT DROP"},
		{"a chain without end", open + "-A INPUT -j INPUT\n", web, ""},
		{"cut off", open + "-A INPUT -p\n-A INPUT !\n-A\n-P INPUT\n", web, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := blocked(tt.listing, tt.packet); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func FuzzBlocked(f *testing.F) {
	f.Add("-P INPUT DROP\n-A INPUT ! -p tcp -m tcp --dport 1:2 -j ACCEPT\n", "eth0", uint8(6), uint16(80))
	f.Add("-P INPUT ACCEPT\n-A INPUT -j A\n-A A -g INPUT\n", "lo", uint8(4), uint16(0))
	f.Fuzz(func(_ *testing.T, listing, in string, protocol uint8, port uint16) {
		blocked(listing, Packet{In: in, Protocol: protocol, Dst: netip.MustParseAddr("192.0.2.1"), Port: port})
	})
}
