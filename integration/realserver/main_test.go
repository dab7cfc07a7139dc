// Package realserver tests the real server's side whole: the command on hosts of
// the lab, with a director made by ipvsadm, and real packets.
package realserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
	"github.com/lvsd/lvsd/pkg/cli"
)

// asCommand makes this test binary be lvsd, so that the tests run exactly the
// code beside them.
const asCommand = "LVSD_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		os.Exit(cli.Run(context.Background(), cli.Env{
			Args: os.Args[1:], Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv, Version: "test",
		}))
	}
	if os.Getenv(killAt) != "" {
		setupAndDie()
	}
	for _, module := range []string{"ipip", "sit", "ip6_tunnel", "ip_gre", "ip6_gre", "fou", "fou6"} {
		// Before the lab's hosts are there: in those the kernel makes tunl0 and its like.
		if out, err := exec.Command("modprobe", module).CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "modprobe %s: %v\n%s", module, err, out)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// server is a real server with the command on it.
type server struct {
	*lab.Host
	t   *testing.T
	dir string
}

func newServer(t *testing.T, h *lab.Host) *server {
	t.Helper()
	return &server{Host: h, t: t, dir: t.TempDir()}
}

// run runs `lvsd realserver VERB`, its words separated by spaces, and gives what it
// printed and the exit code.
func (s *server) run(words string) (out string, code int) {
	s.t.Helper()
	verb, flags, _ := strings.Cut(words, " ")
	args := append([]string{"realserver", verb, "--state-dir", s.dir}, strings.Fields(flags)...)
	c := s.Command(context.Background(), os.Args[0], args...)
	c.Env = append(os.Environ(), asCommand+"=1")
	var text bytes.Buffer
	c.Stdout, c.Stderr = &text, &text
	err := c.Run()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		s.t.Fatal(err)
	}
	return text.String(), c.ProcessState.ExitCode()
}

// do runs what must succeed.
func (s *server) do(words string) string {
	s.t.Helper()
	out, code := s.run(words)
	if code != 0 {
		s.t.Fatalf("%s: lvsd realserver %s: exit code %d\n%s", s.Name, words, code, out)
	}
	return out
}

// volatile are parameters that change by themselves.
var volatile = regexp.MustCompile(`(?m)^/proc/sys/net/netfilter/nf_conntrack_count:.*\n`)

// snapshot is all of the host that the command may touch, as others show it.
func (s *server) snapshot() string {
	s.t.Helper()
	var b strings.Builder
	for _, command := range []string{
		"ip -details link", "ip address", "ip -4 route show table all", "ip -6 route show table all", "ip rule", "ip -6 rule",
		"ip fou show", "iptables -t mangle -S", "ip6tables -t mangle -S", "grep -rs . /proc/sys/net",
	} {
		words := strings.Fields(command)
		c := s.Command(context.Background(), words[0], words[1:]...)
		out, err := c.Output()
		if err != nil && words[0] != "grep" { // which cannot read what can only be written
			s.t.Fatal(err)
		}
		fmt.Fprintf(&b, "$ %s\n%s\n", command, volatile.ReplaceAllString(out, ""))
	}
	return b.String()
}

// way is one combination of forwarding and addresses.
type way struct {
	name   string
	flags  string // of the setup, without the VIP
	ipvs   string // of ipvsadm
	v4     bool
	tunnel bool
}

var ways = []way{
	{name: "dr v4", flags: "--forwarding dr", ipvs: "-g", v4: true},
	{name: "dr v6", flags: "--forwarding dr", ipvs: "-g"},
	{name: "ipip v4", flags: "--forwarding tun", ipvs: "-i", v4: true, tunnel: true},
	{name: "ipip v6", flags: "--forwarding tun", ipvs: "-i", tunnel: true},
	{name: "gue v4", flags: "--forwarding tun --tunnel gue --tunnel-port 6080", ipvs: "-i --tun-type gue --tun-port 6080", v4: true, tunnel: true},
	{name: "gue v6", flags: "--forwarding tun --tunnel gue --tunnel-port 6080", ipvs: "-i --tun-type gue --tun-port 6080", tunnel: true},
	{name: "gre v4", flags: "--forwarding tun --tunnel gre", ipvs: "-i --tun-type gre", v4: true, tunnel: true},
	{name: "gre v6", flags: "--forwarding tun --tunnel gre", ipvs: "-i --tun-type gre", tunnel: true},
}

func (w way) vip() netip.Addr {
	if w.v4 {
		return lab.VIP4
	}
	return lab.VIP6
}

func (w way) address(h *lab.Host) netip.Addr {
	if w.v4 {
		return h.V4
	}
	return h.V6
}

// setup is the command for the way.
func (w way) setup() string { return fmt.Sprintf("setup --vip %s %s", w.vip(), w.flags) }

func (w way) status() string { return "status" + strings.TrimPrefix(w.setup(), "setup") }

// director makes the lab's director balance port 80 of the VIP to the servers, and
// gives the function that ends it.
func (w way) director(t *testing.T, lb *lab.Host, servers ...*lab.Host) {
	t.Helper()
	vip := netip.AddrPortFrom(w.vip(), 80)
	prefix := netip.PrefixFrom(w.vip(), w.vip().BitLen())
	labtest.NoError(t, lb.AddAddr("eth0", prefix))
	t.Cleanup(func() {
		labtest.Must(lb.Run(context.Background(), "ipvsadm", "-C"))(t)
		labtest.NoError(t, lb.DelAddr("eth0", prefix))
	})
	script := fmt.Sprintf("ipvsadm -A -t %s -s rr\n", vip)
	for _, s := range servers {
		script += fmt.Sprintf("ipvsadm -a -t %s -r %s %s\n", vip, netip.AddrPortFrom(w.address(s), 80), w.ipvs)
	}
	labtest.NoError(t, lb.Script(t.Context(), script))
}
