package integration

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
	"github.com/lvsd/lvsd/pkg/config"
)

// example is one of the examples, in the network that its file is written for.
type example struct {
	name     string
	topology lab.Topology
	vip      netip.Addr
	ports    []uint16
	variant  string                     // what the file offers in a comment
	edit     func(config string) string // makes the variant
	sticky   bool                       // one client meets one server
}

var gueVariant = strings.NewReplacer(
	"tunnel = \"ipip\"", "# tunnel = \"ipip\"",
	"# tunnel = { type = \"gue\"", "tunnel = { type = \"gue\"")

var examples = []example{
	{name: "dr", vip: lab.VIP4, ports: []uint16{80}},
	{name: "ipv6", vip: lab.VIP6, ports: []uint16{80}},
	{name: "mark", vip: lab.VIP4, ports: []uint16{80, 443}, sticky: true},
	{name: "nat", topology: lab.Topology{BehindDirector: true}, vip: lab.VIP4, ports: []uint16{80}},
	{name: "one-arm-nat", topology: lab.Topology{Router: true}, vip: lab.VIP4, ports: []uint16{80}},
	{name: "tun", vip: lab.VIP4, ports: []uint16{80}},
	{name: "tun", variant: "gue", vip: lab.VIP4, ports: []uint16{80}, edit: gueVariant.Replace},
}

// Every example's file is loaded as it is, its README's commands are run where it
// says, and real servers answer a real client.
func TestExamples(t *testing.T) {
	for _, e := range examples {
		t.Run(strings.TrimSpace(e.name+" "+e.variant), func(t *testing.T) { testExample(t, e) })
	}
}

// Every folder of examples is tested.
func TestEveryExampleIsTested(t *testing.T) {
	tested := []string{"monitoring", "ultramonkey", "keepalived-pair", "nginx-pair", "two-boxes", "ultramonkey-pair"} // by tests of their own
	var found []string
	for _, e := range examples {
		if e.variant == "" {
			tested = append(tested, e.name)
		}
	}
	for _, f := range labtest.Must(os.ReadDir(filepath.Join("..", "examples")))(t) {
		found = append(found, f.Name())
	}
	slices.Sort(tested)
	if !slices.Equal(found, tested) {
		t.Errorf("examples %v, tested are %v", found, tested)
	}
}

// The file that the README begins with is right.
func TestReadmeFile(t *testing.T) {
	text := string(labtest.Must(os.ReadFile(filepath.Join("..", "README.md")))(t))
	_, text, _ = strings.Cut(text, "```toml\n")
	text, _, ok := strings.Cut(text, "```")
	if !ok {
		t.Fatal("README.md has no toml")
	}
	path := filepath.Join(t.TempDir(), "director.toml")
	labtest.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	labtest.Must(config.Load(t.Context(), path, net.DefaultResolver))(t)
}

func testExample(t *testing.T, e example) {
	l := labtest.New(t, e.topology)
	folder := filepath.Join("..", "examples", e.name)
	for _, rs := range realServers(l) {
		for _, port := range e.ports {
			labtest.Must(rs.Web(fmt.Sprintf(":%d", port)))(t)
		}
		labtest.NoError(t, rs.Script(t.Context(), strings.ReplaceAll(commands(t, folder, "The real servers"), "10.0.1.101", rs.V4.String())))
	}
	labtest.NoError(t, l.Host("lb1").Script(t.Context(), commands(t, folder, "The director")))

	d := newDirector(t, l.Host("lb1"), "")
	text := string(labtest.Must(os.ReadFile(filepath.Join(folder, "director.toml")))(t))
	if e.edit != nil {
		text = e.edit(text)
	}
	text = strings.Replace(text, "[director]\n", fmt.Sprintf("[director]\nstate_dir = %q\ndata_dir = %q\n", d.dir, d.dir), 1)
	labtest.NoError(t, os.WriteFile(d.config(), []byte(text), 0o600))
	d.start()
	expectAnswers(t, l.Host("client"), e)
	if got := d.status().Services[0].Servers[0].Tunnel; !strings.HasPrefix(got, e.variant) {
		t.Errorf("the tunnel is %q, want %s", got, e.variant)
	}
	d.settled()
	agrees(t, d)
}

// expectAnswers holds that both real servers answer on every port, or that one
// of them answers on all.
func expectAnswers(t *testing.T, client *lab.Host, e example) {
	t.Helper()
	got := map[string]int{}
	for range 6 {
		for _, port := range e.ports {
			got[labtest.Get(t, client, labtest.URL(e.vip, port))]++
		}
	}
	if e.sticky {
		if len(got) != 1 {
			t.Errorf("answers by %v, want one server for all ports", got)
		}
		return
	}
	if got["rs1"] == 0 || got["rs2"] == 0 || len(got) != 2 {
		t.Errorf("answers by %v, want rs1 and rs2", got)
	}
}

// commands gives the shell commands under a heading of an example's README, ""
// without such a heading.
func commands(t *testing.T, folder, heading string) string {
	t.Helper()
	text := string(labtest.Must(os.ReadFile(filepath.Join(folder, "README.md")))(t))
	_, section, ok := strings.Cut(text, "\n## "+heading+"\n")
	if !ok {
		return ""
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var b strings.Builder
	for i, part := range strings.Split(section, "```") {
		if i%2 == 1 {
			b.WriteString(strings.TrimPrefix(part, "sh\n"))
		}
	}
	return b.String()
}
