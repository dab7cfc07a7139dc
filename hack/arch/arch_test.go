// Package arch holds the tests of the project's shape: who may import whom, and
// that every package says what it is. ARCHITECTURE.md has the same table in
// words.
package arch

import (
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/lvsd/lvsd/"

// chosen says which packages may import each chosen library: one, so that it
// can be exchanged.
var chosen = map[string][]string{
	"github.com/moby/ipvs":              {"pkg/ipvs"},
	"github.com/vishvananda/netlink":    {"pkg/netdev"},
	"github.com/vishvananda/netlink/nl": {"pkg/ipvs", "pkg/netdev"},
	"github.com/coreos/go-iptables":     {"pkg/firewall"},
	"github.com/cilium/ebpf":            {"pkg/xdp"},
	"github.com/BurntSushi/toml":        {"pkg/config"},
	"github.com/spf13/cobra":            {"pkg/cli"},
	"charm.land/bubbletea/v2":           {"pkg/cli"},
	"github.com/wneessen/go-mail":       {"pkg/notify"},
	"github.com/fsnotify/fsnotify":      {"pkg/daemon"},
	"golang.org/x/sync/errgroup":        {"pkg/daemon"},

	"github.com/prometheus/client_golang":    {"pkg/metrics"},
	"github.com/prometheus/client_model":     {"pkg/metrics"},
	"github.com/prometheus/exporter-toolkit": {"pkg/web"},
}

// edges are the packages that touch the kernel.
var edges = []string{"pkg/ipvs", "pkg/netdev", "pkg/firewall", "pkg/sysctl", "pkg/kmod", "pkg/xdp"}

// pure are the packages without I/O and without a clock.
var pure = []string{"pkg/lvs", "pkg/plan", "pkg/desired", "pkg/status", "pkg/notify/notice", "pkg/override", "pkg/importer"}

// impure are the standard packages that a pure one has no use for.
var impure = []string{"os", "net", "syscall", "io/ioutil", "os/exec", "os/signal", "net/http", "math/rand", "math/rand/v2"}

type pkg struct {
	ImportPath string
	Dir        string
	Doc        string
	Name       string
	GoFiles    []string
	Imports    []string
}

func (p pkg) path() string { return strings.TrimPrefix(p.ImportPath, module) }

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,Doc,Name,GoFiles,Imports", "./...")
	cmd.Dir = filepath.Join("..", "..")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		all = append(all, p)
	}
}

// within tells whether a path is a package or lies below it.
func within(path, root string) bool { return path == root || strings.HasPrefix(path, root+"/") }

func TestChosenLibraries(t *testing.T) {
	for _, p := range packages(t) {
		if !within(p.path(), "pkg") && !within(p.path(), "cmd") {
			continue
		}
		for _, imported := range p.Imports {
			allowed, ok := owners(imported)
			if ok && !slices.Contains(allowed, p.path()) {
				t.Errorf("%s imports %s, which is for %v only", p.path(), imported, allowed)
			}
		}
	}
}

// owners are those of the longest chosen path that covers the import.
func owners(imported string) ([]string, bool) {
	best := ""
	for library := range chosen {
		if within(imported, library) && len(library) > len(best) {
			best = library
		}
	}
	return chosen[best], best != ""
}

func TestLayers(t *testing.T) {
	for _, p := range packages(t) {
		for _, imported := range p.Imports {
			imported, ours := strings.CutPrefix(imported, module)
			if !ours {
				continue
			}
			if why := forbidden(p.path(), imported); why != "" {
				t.Errorf("%s imports %s: %s", p.path(), imported, why)
			}
		}
	}
}

func forbidden(importer, imported string) string {
	under := func(roots []string, path string) bool {
		return slices.ContainsFunc(roots, func(r string) bool { return within(path, r) })
	}
	isTest := strings.HasSuffix(importer, "test")
	switch {
	case importer == "pkg/lvs":
		return "the vocabulary imports nothing of the project"
	case under(edges, importer) && under([]string{"pkg/config", "pkg/health", "pkg/vrrp"}, imported):
		return "an edge of the kernel knows nothing of what decides"
	case under(edges, importer) && under(edges, imported) && !within(imported, importer) && !isTest:
		return "the edges of the kernel do not know each other"
	case importer == "pkg/vrrp" && imported != "pkg/lvs":
		return "the protocol tells a role and touches nothing but its sockets"
	case importer == "pkg/peer" && !under([]string{"pkg/lvs", "pkg/secret"}, imported):
		return "the channel to the peers knows nothing of what goes over it"
	// config does import health: a check's keys in the file are the fields of its
	// spec, and times and quorum are health's too. The other way there is nothing.
	case within(importer, "pkg/health") && !under([]string{"pkg/health", "pkg/process", "pkg/secret"}, imported):
		return "health knows nothing of who asks for it"
	case within(importer, "pkg/override") && !under([]string{"pkg/override", "pkg/durable"}, imported):
		return "the operator's word knows nothing of what it is about"
	case importer == "pkg/changelog" && imported != "pkg/durable":
		return "a log knows nothing of what is written into it"
	case importer == "pkg/importer" && imported != "pkg/config":
		return "a peer's file is text, and what it becomes is the configuration's"
	case importer == "pkg/cli" && under(edges, imported):
		return "the command line touches no kernel"
	case under(pure, importer) && (under(edges, imported) || imported == "pkg/reconcile" || imported == "pkg/daemon"):
		return "a pure package does no I/O"
	case imported == "pkg/daemon" && importer != "pkg/cli":
		return "only the command line starts the daemon"
	case within(importer, "pkg") && within(imported, "hack"):
		return "the product does not need its tests"
	}
	return ""
}

func TestPurity(t *testing.T) {
	for _, p := range packages(t) {
		if !slices.Contains(pure, p.path()) {
			continue
		}
		for _, imported := range p.Imports {
			if slices.Contains(impure, imported) {
				t.Errorf("%s imports %s, but does no I/O and draws no lots", p.path(), imported)
			}
		}
		for _, name := range p.GoFiles {
			checkClock(t, filepath.Join(p.Dir, name))
		}
	}
}

// checkClock refuses calls that read the time.
func checkClock(t *testing.T, path string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for _, call := range []string{"Now", "Since", "Until", "After", "Sleep", "NewTimer", "NewTicker"} {
		if usesTime(file, call) {
			t.Errorf("%s calls time.%s, but reads no clock", path, call)
		}
	}
}

func TestPackageDocs(t *testing.T) {
	for _, p := range packages(t) {
		if len(p.GoFiles) == 0 {
			continue
		}
		want := "Package " + p.Name + " "
		if p.Name == "main" {
			name := filepath.Base(p.Dir)
			if !strings.HasPrefix(strings.ToLower(p.Doc), name+" ") && !strings.HasPrefix(p.Doc, "Command "+name+" ") {
				t.Errorf("%s: the package's comment does not begin with the command's name", p.path())
			}
			continue
		}
		if !strings.HasPrefix(p.Doc, want) {
			t.Errorf("%s: the package's comment does not begin with %q", p.path(), want)
		}
	}
}
