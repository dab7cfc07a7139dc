package importer

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/lvsd/lvsd/pkg/config"
)

// One word of ldirectord and what it becomes; "tell:" begins a remark.
func TestLdirectordWords(t *testing.T) {
	for _, test := range []struct{ word, want string }{
		{"checktype=connect", `type = "tcp"`},
		{"checktype=ping", `type = "icmp"`},
		{"checktype=off", `type = "off"`},
		{"checktype=on", `type = "on"`},
		{"checktype=external\n\tcheckcommand=/bin/true", `command = ["/bin/true", "{vip}", "{vip_port}", "{address}", "{port}"]`},
		{"checktype=2", `[virtual.http.checks.tcp]`},
		{"checktype=2", `interval = "30s"`},
		{"service=https", `verify = false`},
		{"service=ftp", `expect = "^220"`},
		{"service=imap", `expect = '^\* OK'`},
		{"service=nntp", `expect = "^200"`},
		{"service=pop", `expect = '^\+OK'`},
		{"service=imaps", `type = "tls"`},
		{"service=ldap", "tell:service: lvsd does not speak ldap"},
		{"service=smtp", `type = "smtp"`},
		{"service=pgsql", `type = "postgres"`},
		{"service=none", `type = "on"`},
		{"service=simpletcp\n\trequest=\"a\\nb\"", `send = "a\nb"`},
		{"service=dns\n\trequest=\"192.0.2.7\"\n\treceive=\"www.example.com\"", `query = "7.2.0.192.in-addr.arpa"`},
		{"service=dns\n\trequest=\"a.example\"\n\treceive=\"10.0.0.[12]\"", "tell:receive: an answer is no regular expression"},
		{`request="x/y?z=1"`, `path = "/x/y?z=1"`},
		{`receive="a|b"`, `expect_body = "a|b"`},
		{"httpmethod=head", `method = "HEAD"`},
		{"virtualhost=www.example.com", `host = "www.example.com"`},
		{"checkport=81", `port = 81`},
		{"checktimeout=7", `timeout = "7s"`},
		{"negotiatetimeout=9", `timeout = "9s"`},
		{"failurecount=4", `fall = 4`},
		{"checkcount=4", "tell:checkcount: ldirectord uses it for pings only"},
		{"checktype=ping\n\tcheckcount=4", `fall = 4`},
		{"checkinterval=4", "tell:checkinterval: ldirectord ignores that of one service"},
		{"scheduler=lc", `scheduler = "lc"`},
		{"comment=x", `scheduler = "wrr"`}, // the default
		{"comment=x", `quiescent = false`},
		{"comment=x", `timeout = "30s"`},
		{"comment=x", `interval = "10s"`},
		{"comment=Ask Anna", `# Ask Anna`},
		{"servicename=My Shop", `[virtual.My-Shop]`},
		{"schedflags=sh-port\n\tscheduler=sh", `scheduler_flags = ["sh-port"]`},
		{"persistent=90", `persistence = "1m30s"`},
		{"persistent=90\n\tnetmask=255.255.0.0", `persistence = { timeout = "1m30s", netmask = 16 }`},
		{"netmask=255.255.0.0", "tell:netmask: has no effect without persistent"},
		{"protocol=udp", `protocol = "udp"`},
		{"protocol=udp\n\tops=yes", `one_packet = true`},
		{"ops=yes", "tell:ops: only for udp"},
		{"quiescent=yes", `quiescent = true`},
		{"fallback=127.0.0.1:80", `fallback = "127.0.0.1"`},
		{"fallback=10.0.0.9:8080 masq", `fallback = { address = "10.0.0.9:8080", forwarding = "nat" }`},
		{"fallbackcommand=/bin/f", `service-down) /bin/f start 192.0.2.1:80 tcp;;`},
		{"emailalert=a@example.com", `to = "a@example.com"`},
		{"login=\"x\"", "tell:login: is not part of the check"},
		{"monitorfile=/x", "tell:monitorfile:"},
		{"load=\"x\"", "tell:load:"},
		{"real=10.0.0.2->10.0.0.4:80 gate 3", `rs4 = { address = "10.0.0.4", weight = 3 }`},
		{"real=web2.example.com:80 gate", `web2 = "web2.example.com"`},
		{"real=10.0.0.2:81 gate", "tell:10.0.0.2:81: port 81 has no effect"},
		{"real=10.0.0.2:80 ipip", `forwarding = "tun"`},
		{`real=10.0.0.2:80 gate 1 "a", "b"`, `path = "/a"`},
		{"real=10.0.0.2:80 gate l:3 u:9", `lower_threshold = 3, upper_threshold = 9`},
		{"real=127.0.0.1:80 masq", "tell:127.0.0.1:80: nat cannot reach the director itself"},
	} {
		t.Run(test.word, func(t *testing.T) {
			wants(t, "ldirectord.cf", "virtual=192.0.2.1:80\n\treal=10.0.0.1:80 gate\n\t"+test.word+"\n", test.want)
		})
	}
}

// wants holds that a text becomes a file that lvsd accepts, and what is in it or
// is told.
func wants(t *testing.T, format, text, want string) {
	t.Helper()
	_, r := load(t, format, text)
	in := r.TOML
	if told, ok := strings.CutPrefix(want, "tell:"); ok {
		in, want = remarks(r), told
	}
	if !strings.Contains(in, want) {
		t.Errorf("no %s in\n%s", want, in)
	}
}

// One word of keepalived and what it becomes, in an instance, a service, its real
// server or a check.
func TestKeepalivedWords(t *testing.T) {
	frames := map[string]string{
		"vrrp":    "vrrp_instance a {\ninterface eth0\nvirtual_router_id 1\nvirtual_ipaddress {\n192.0.2.1\n}\n%s\n}\n",
		"virtual": "virtual_server 192.0.2.1 80 {\nprotocol TCP\n%s\nreal_server 10.0.0.1 80 {\nTCP_CHECK {\n}\n}\n}\n",
		"real":    "virtual_server 192.0.2.1 80 {\nprotocol TCP\nreal_server 10.0.0.1 80 {\n%s\n}\n}\n",
	}
	for _, test := range []struct{ frame, word, want string }{
		{"vrrp", "", `version = 2`},
		{"vrrp", "", `interval = "1s"`},
		{"vrrp", "", `priority = 100`},
		{"vrrp", "state MASTER", `priority = 255`},
		{"vrrp", "state BACKUP", "tell:state: the priority decides"},
		{"vrrp", "version 3\nadvert_int 0.2", `interval = "200ms"`},
		{"vrrp", "advert_int 0.2", "tell:advert_int: version 2 cannot say 200ms"},
		{"vrrp", "authentication {\nauth_type PASS\nauth_pass 123456789\n}", `password = "12345678"`},
		{"vrrp", "version 3\nauthentication {\nauth_type PASS\nauth_pass 1\n}", "tell:auth_pass: version 3 has no authentication"},
		{"vrrp", "state BACKUP\nnopreempt", `preempt = false`},
		{"vrrp", "state MASTER\npriority 5\nnopreempt", "tell:nopreempt: keepalived ignores it"},
		{"vrrp", "preempt_delay 2.5", `preempt_delay = "2.5s"`},
		{"vrrp", "garp_master_refresh 9", `announce_refresh = "9s"`},
		{"vrrp", "garp_master_delay 9", "tell:garp_master_delay:"},
		{"vrrp", "unicast_peer {\n192.0.2.9\n}\nunicast_src_ip 192.0.2.8", `peers = "192.0.2.9"`},
		{"vrrp", "mcast_src_ip 192.0.2.8", `source = "192.0.2.8"`},
		{"vrrp", "use_vmac", `virtual_mac = true`},
		{"vrrp", "virtual_ipaddress_excluded {\n192.0.2.5/24 dev eth1\n}", `{ address = "192.0.2.5/24", interface = "eth1" }`},
		{"vrrp", "virtual_ipaddress {\n192.0.2.1\n}", "tell:192.0.2.1: given twice"},
		{"vrrp", "track_interface {\neth2 weight -5\n}", `weight = -5`},
		{"vrrp", "lvs_sync_daemon_interface eth1", `[sync]`},
		{"vrrp", "notify /bin/n", `exec /bin/n INSTANCE a "$2" "$3"`},
		{"vrrp", "virtual_rules {\nfrom 1.2.3.4\n}", "tell:virtual_rules:"},
		{"vrrp", "nosuch", "tell:nosuch: keepalived has no such word here"},
		{"virtual", "", `scheduler = "wlc"`},
		{"virtual", "", `forwarding = "nat"`},
		{"virtual", "", `quiescent = false`},
		{"virtual", "", `interval = "1m"`},
		{"virtual", "", `timeout = "5s"`},
		{"virtual", "", `fall = 2`},
		{"virtual", "lb_algo sh\nsh-port", `scheduler_flags = ["sh-port"]`},
		{"virtual", "lb_kind DR", `forwarding = "dr"`},
		{"virtual", "lvs_method TUN type gre csum", `tunnel = { type = "gre", checksum = "checksum" }`},
		{"virtual", "persistence_timeout", `persistence = "6m"`},
		{"virtual", "persistence_timeout 50\npersistence_granularity 255.255.255.0", `persistence = { timeout = "50s", netmask = 24 }`},
		{"virtual", "protocol UDP\nops", `one_packet = true`},
		{"virtual", "ops", "tell:ops: only for udp"},
		{"virtual", "inhibit_on_failure", `quiescent = true`},
		{"virtual", "sorry_server 10.0.0.9 81", `fallback = "10.0.0.9:81"`},
		{"virtual", "quorum 5", "tell:quorum: more than all servers have"},
		{"virtual", "quorum_up \"/bin/u a\"", `test "$LVSD_VIRTUAL" = http && exec /bin/u a`},
		{"virtual", "delay_loop 0.5", `interval = "500ms"`},
		{"virtual", "retry 4\ndelay_before_retry 2", `fall = 5`},
		{"virtual", "retry 4\ndelay_before_retry 2", `fast_interval = "2s"`},
		{"virtual", "connect_timeout 2", `timeout = "2s"`},
		{"virtual", "alpha", "tell:alpha: always so"},
		{"virtual", "snmp_name x", "tell:snmp_name:"},
		{"real", "weight 7", `weight = 7`},
		{"real", "uthreshold 7\nlthreshold 3", `upper_threshold = 7, lower_threshold = 3`},
		{"real", "HTTP_GET {\nurl {\npath /x\n}\n}", `expect_status = "200-299"`},
		{"real", "HTTP_GET {\nurl {\npath /x\n}\n}", `fast_interval = "3s"`},
		{"real", "SSL_GET {\nurl {\npath /x\n}\n}", `verify = false`},
		{"real", "HTTP_GET {\n}", "tell:HTTP_GET: has no url"},
		{"real", "HTTP_GET {\nurl {\nregex a(?!b)\n}\n}", "tell:regex: lvsd cannot read"},
		{"real", "SMTP_CHECK {\nhelo_name x.example\n}", `helo = "x.example"`},
		{"real", "DNS_CHECK {\nname example.com\n}", `record = "SOA"`},
		{"real", "DNS_CHECK {\nname example.com\n}", `fall = 4`},
		{"real", "MISC_CHECK {\nmisc_path \"/bin/true 'a b'\"\n}", `command = ["/bin/true", "a b"]`},
		{"real", "MISC_CHECK {\nmisc_path /bin/true\n}", `fall = 1`},
		{"real", "MISC_CHECK {\nmisc_path \"true x\"\n}", `command = ["/usr/bin/env", "true", "x"]`},
		{"real", "PING_CHECK {\n}", `type = "icmp"`},
		{"real", "UDP_CHECK {\npayload 01 a\nrequire_reply\n}", `payload_hex = "010a"`},
		{"real", "UDP_CHECK {\nrequire_reply\n}", `expect = "(?s).*"`},
		{"real", "BFD_CHECK {\nname x\n}", "tell:BFD_CHECK:"},
		{"real", "TCP_CHECK {\nconnect_port 81\nconnect_ip 10.0.0.5\nbindto 10.0.0.6\nfwmark 3\n}", `mark = 3`},
		{"real", "notify_down \"/bin/d x\" daemon", `user = "daemon"`},
	} {
		t.Run(test.frame+" "+test.word, func(t *testing.T) {
			wants(t, "keepalived.conf", fmt.Sprintf(frames[test.frame], test.word), test.want)
		})
	}
}

// A virtual_server without a protocol is of udp, as keepalived 2.2.7 takes it, and
// a group of both families becomes a service of each.
func TestKeepalivedServices(t *testing.T) {
	wants(t, "keepalived.conf", "virtual_server 192.0.2.1 53 {\nreal_server 10.0.0.1 53 {\n}\n}\n", `protocol = "udp"`)
	c, _ := load(t, "keepalived.conf", "virtual_server_group g {\n192.0.2.1-3 80\n2001:db8::1 80\nfwmark 4\n}\n"+
		"virtual_server group g {\nprotocol TCP\nlb_kind TUN\nreal_server 10.0.0.1 80 {\n}\n}\n")
	got := ""
	for _, v := range c.Virtual {
		got += fmt.Sprintf("%s %d\n", v.Name, len(v.Keys))
	}
	if want := "g 3\ng-ipv6 1\ng-mark-4 1\n"; got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
}

// What the peer itself would not take is an error with its place, all at once.
func TestErrors(t *testing.T) {
	for _, test := range []struct {
		name, format, text string
		want               []string
	}{
		{"unknown words", "ldirectord.cf", "chektimeout=1\nvirtual=192.0.2.1:80\n\treel=10.0.0.1:80 gate\n",
			[]string{`1:1: unknown word "chektimeout" (did you mean "checktimeout"?)`, `3:2: unknown word "reel" (did you mean "real"?)`}},
		{"values", "ldirectord.cf", "checktimeout=0\nvirtual=192.0.2.1\n\tquiescent=maybe\n\treal=10.0.0.1 nat\n",
			[]string{`1:14: checktimeout = "0"`, `3:12: quiescent = "maybe"; expected yes, no`}},
		{"addresses", "ldirectord.cf", "virtual=192.0.2.1\n\treal=10.0.0.1 gate\nvirtual=192.0.2.1:80\n\treal=10.0.0.1 nat\n",
			[]string{`1:9: virtual = "192.0.2.1"`, `4:7: real = "10.0.0.1 nat"`}},
		{"an empty line", "ldirectord.cf", "virtual=192.0.2.1:80\n\n\treal=10.0.0.1:80 gate\n", []string{"3:2: real is indented, but belongs to no virtual"}},
		{"families", "ldirectord.cf", "virtual6=[2001:db8::1]:80\n\treal=10.0.0.1:80 gate\n", []string{"2:2: real has no place in a virtual6; expected real6"}},
		{"ranges", "ldirectord.cf", "virtual=192.0.2.1:80\n\treal=10.0.0.9->10.0.0.1:80 gate\n\treal=10.0.0.1->10.9.0.1:80 gate\n",
			[]string{"2:7: 10.0.0.9->10.0.0.1 is no range", "3:7: 10.0.0.1->10.9.0.1 has too many servers"}},
		{"braces", "keepalived.conf", "vrrp_instance a {\n}\n}\n{\nvrrp_instance b {\n", []string{"3:1: } closes nothing", "4:1: a block without a name", "5:17: the block of vrrp_instance is not closed"}},
		{"quotes", "keepalived.conf", "vrrp_script a {\nscript \"x\n}\n", []string{"2:8: a quote is open"}},
		{"numbers", "keepalived.conf", "vrrp_instance a {\nvirtual_router_id x\nadvert_int y\n}\n", []string{`2:19: virtual_router_id "x"`, `3:12: advert_int "y"`}},
		{"sequences", "keepalived.conf", "~SEQ(a, 1, 3) x\n", []string{"1:1: ~SEQ and ~LST are not understood"}},
		{"definitions of themselves", "keepalived.conf", "$A=${A}${A}\n$A\n", []string{"2:1: the definitions hold too much"}},
		{"lvsd's own rules", "keepalived.conf", "virtual_server 192.0.2.1 80 {\nprotocol TCP\nlb_algo x\nreal_server 10.0.0.1 80 {\n}\n}\n", []string{`3:9: unknown scheduler "x"`}},
		{"groups", "keepalived.conf", "virtual_server group g {\n}\n", []string{"1:22: there is no virtual_server_group g"}},
		{"options", "ipvsadm", "-A -t 192.0.2.1:80 -s\n-a -u 192.0.2.1:53 -r 10.0.0.1\n-X\n-A -t 192.0.2.1:80 --nope\n",
			[]string{"1:20: -s has no value", "2:7: udp 192.0.2.1:53 is not there", `3:1: "-X" is no command`, `4:20: unknown option "--nope"`}},
		{"bytes", "ipvsadm", "\xff", []string{"not a text file"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, err := importText(test.format, "f", test.text)
			if err == nil {
				err = r.Check(t.Context(), hosts{})
			}
			var all config.Errors
			if !errors.As(err, &all) {
				t.Fatalf("%v is no Errors", err)
			}
			for _, want := range test.want {
				if !strings.Contains(all.Error(), want) {
					t.Errorf("no %q in\n%v", want, all)
				}
			}
			if len(all) != len(test.want) {
				t.Errorf("%d errors, want %d:\n%v", len(all), len(test.want), all)
			}
		})
	}
}

// A program that this machine has not is told, and no error: the file may be for
// another one.
func TestOtherMachine(t *testing.T) {
	r, err := Keepalived(File{"k", "virtual_server 192.0.2.1 80 {\nprotocol TCP\nreal_server 10.0.0.1 80 {\nMISC_CHECK {\nmisc_path /no/such/program\n}\n}\n}\n"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Check(t.Context(), hosts{}); err != nil {
		t.Fatal(err)
	}
	if got := remarks(r); !strings.Contains(got, "/no/such/program") || !strings.Contains(got, "k:4:1: exec check") {
		t.Errorf("got:\n%s", got)
	}
}

// Files that include each other end.
func TestIncludeLoop(t *testing.T) {
	f := File{"k", "include k\nvrrp_instance a {\n}\n"}
	r, err := Keepalived(f, func(string, string) ([]File, error) { return []File{f}, nil })
	if err != nil {
		t.Fatal(err)
	}
	if got := remarks(r); !strings.Contains(got, "is not read here") {
		t.Errorf("got:\n%s", got)
	}
	if _, err := Keepalived(f, func(string, string) ([]File, error) { return nil, os.ErrPermission }); err == nil {
		t.Errorf("got %v", err)
	}
}

func TestCommand(t *testing.T) {
	for _, test := range []struct{ line, want string }{
		{"/bin/a b", `["/bin/a" "b"]`},
		{"/bin/a 'b c' \"d e\"", `["/bin/a" "b c" "d e"]`},
		{"a b", `["/usr/bin/env" "a" "b"]`},
		{"/bin/a | b", `["/bin/sh" "-c" "/bin/a | b"]`},
		{"bash -c '</dev/tcp/127.0.0.1/80'", `["/usr/bin/env" "bash" "-c" "</dev/tcp/127.0.0.1/80"]`},
		{"  ", `[]`},
	} {
		if got := fmt.Sprintf("%q", command(test.line)); got != test.want {
			t.Errorf("%q: got %s, want %s", test.line, got, test.want)
		}
	}
	for line, want := range map[string]string{"killall -0 nginx": "nginx", "/usr/bin/pidof nginx": "nginx", "pgrep -x nginx": "nginx", "pgrep nginx": "", "/bin/check nginx": ""} {
		if got, _ := processOf(command(line)); got != want {
			t.Errorf("%q: got %q, want %q", line, got, want)
		}
	}
}
