package edges

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lvsd/lvsd/pkg/daemon"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// Whatever a valid file asks for, the kernel takes all of it at once, and then has
// it in the words of the plan: nothing is left to do. Each file follows another one.
func TestEveryFileConverges(t *testing.T) {
	namespace(t)
	variant(t)
	for _, command := range []string{
		"ip link add veth0 type veth peer name veth1", "ip link set veth0 up", "ip link set veth1 up",
		"ip link add link veth0 name veth0.100 type vlan id 100", "ip link set veth0.100 up",
		"ip address add 10.9.0.1/24 dev veth0", "ip address add fd00:9::1/64 dev veth0 nodad",
	} {
		run(t, command)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "director.toml")
	for seed := range uint64(8) {
		text := fmt.Sprintf("director.state_dir = %q\ndirector.data_dir = %q\n", dir, dir) + randomFile(rand.New(rand.NewPCG(seed, 1)))
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := daemon.Apply(t.Context(), path); err != nil {
			t.Errorf("seed %d: apply: %v\n%s", seed, err, text)
			continue
		}
		round, err := daemon.Plan(t.Context(), path)
		if err != nil {
			t.Errorf("seed %d: plan: %v", seed, err)
		}
		for _, left := range round.Results {
			t.Errorf("seed %d: left to do: %s\n%s", seed, left.Op, text)
		}
	}
}

// file is a configuration that is written at random.
type file struct {
	*rand.Rand
	strings.Builder
	sync bool
}

func randomFile(r *rand.Rand) string {
	f := &file{Rand: r}
	f.sync = f.maybe()
	f.WriteString(`nat.masquerade = ["10.8.0.0/16", "fd00:8::/32"]` + "\n")
	if f.maybe() {
		fmt.Fprintf(f, "timeouts = { tcp = \"%ds\", udp = \"%dm\" }\n", 1+f.IntN(2147483), 1+f.IntN(100))
	}
	f.addresses()
	if f.sync {
		fmt.Fprintf(f, "[sync]\ninterface = \"veth0\"\nmode = %q\nid = %d\nports = %d\nthreshold = %d\nrefresh = \"%ds\"\nretries = %d\n",
			f.pick("both", "master", "backup"), f.IntN(256), 1<<f.IntN(5), 1+f.IntN(100), f.IntN(3601), f.IntN(4))
		fmt.Fprintf(f, "port = %d\nmaxlen = %d\nttl = %d\npersistent_only = %t\n", 1+f.IntN(65520), 100+f.IntN(65408), 1+f.IntN(255), f.maybe())
		if f.maybe() {
			f.WriteString("group = \"ff02::81\"\npeers = [\"fe80::2\", \"fe80::3\"]\n")
		} else {
			f.WriteString("peers = [\"10.9.0.2\", \"10.9.0.3\", \"10.9.0.4\"]\n")
		}
	}
	for i := range 1 + f.IntN(12) {
		f.service(i)
	}
	return f.String()
}

func (f *file) maybe() bool { return f.IntN(2) == 0 }

func (f *file) pick(words ...string) string { return words[f.IntN(len(words))] }

func (f *file) addresses() {
	f.WriteString("[vip]\n")
	for _, device := range []string{"veth0", "veth0.100", "lo"} {
		fmt.Fprintf(f, "%q = [\"192.0.2.%d/%s\", \"192.0.2.9/%s\", \"2001:db8::%d/%s\"]\n", device, 1+f.IntN(4), f.pick("32", "24"),
			f.pick("32", "24"), 1+f.IntN(4), f.pick("64", "128"))
	}
}

// service writes a service whose number keeps its key apart from all others'.
func (f *file) service(i int) {
	six, mark := f.maybe(), f.IntN(4) == 0
	protocol := f.pick("tcp", "udp", "sctp")
	persistent := f.IntN(3) == 0
	fmt.Fprintf(f, "[virtual.s%d]\n", i)
	switch {
	case mark:
		fmt.Fprintf(f, "fwmark = %d\nfamily = %q\n", 1+uint32(i)*300_000_000, map[bool]string{false: "ipv4", true: "ipv6"}[six])
	case six:
		fmt.Fprintf(f, "vip = \"[2001:db8::%d]:%d\"\nprotocol = %q\n", 1+f.IntN(4), 100+i, protocol)
	default:
		fmt.Fprintf(f, "vip = [\"192.0.2.%d:%d\", \"192.0.2.9:%d\"]\nprotocol = %q\n", 1+f.IntN(4), 100+i, 100+i, protocol)
	}
	// Of the schedulers of lvs.Schedulers the kernels of Debian have all but this one.
	known := slices.DeleteFunc(slices.Clone(lvs.Schedulers), func(s string) bool { return s == "twos" })
	scheduler := f.pick(known...)
	fmt.Fprintf(f, "scheduler = %q\nquiescent = %t\n", scheduler, f.maybe())
	if f.maybe() {
		fmt.Fprintf(f, "scheduler_flags = [%q]\n", f.pick(lvs.SchedulerFlags(scheduler)...))
	}
	if mark || protocol == "udp" {
		fmt.Fprintf(f, "one_packet = %t\n", f.maybe())
	}
	if persistent {
		engine := ""
		if (mark || protocol == "udp") && f.maybe() {
			engine = ", engine = \"sip\""
		}
		bits := 32
		if six {
			bits = 128
		}
		fmt.Fprintf(f, "persistence = { timeout = \"%ds\", netmask = %d%s }\n", 1+f.IntN(2678400), 1+f.IntN(bits), engine)
	}
	forwarding := f.pick("nat", "dr", "tun")
	fmt.Fprintf(f, "forwarding = %q\n", forwarding)
	if forwarding == "nat" && !mark {
		fmt.Fprintf(f, "snat = %t\n", f.maybe())
	}
	if forwarding == "tun" {
		fmt.Fprintf(f, "tunnel = %s\n", f.pick(`"ipip"`, `"gre"`, `{ type = "gre", checksum = "checksum" }`,
			fmt.Sprintf(`{ type = "gue", port = %d, checksum = %q }`, 1+f.IntN(65535), f.pick("none", "checksum", "remote"))))
	}
	if f.IntN(3) == 0 {
		fmt.Fprintf(f, "fallback = %q\n", map[bool]string{false: "127.0.0.1", true: "[::1]"}[six])
	}
	f.servers(i, six, forwarding, mapsPorts(mark, persistent, forwarding))
}

// mapsPorts tells whether real servers may have a port of their own.
func mapsPorts(mark, persistent bool, forwarding string) bool {
	return forwarding == "nat" && !(mark && persistent)
}

func (f *file) servers(i int, six bool, forwarding string, ports bool) {
	fmt.Fprintf(f, "[virtual.s%d.real]\n", i)
	for n := range 1 + f.IntN(4) {
		other := forwarding == "tun" && !f.sync && f.maybe()
		host := fmt.Sprintf("10.0.0.%d", 1+n)
		if six != other {
			host = fmt.Sprintf("[fd00::%d]", 1+n)
		}
		if ports && f.maybe() {
			host += fmt.Sprintf(":%d", 1+f.IntN(65535))
		}
		upper := uint32(f.Int32())
		fmt.Fprintf(f, "r%d = { address = %q, weight = %d, upper_threshold = %d, lower_threshold = %d }\n",
			n, host, f.IntN(65536)*f.IntN(2), upper, f.Uint64N(uint64(upper)+1))
	}
}
