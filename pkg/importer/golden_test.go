package importer

import (
	"context"
	"errors"
	"flag"
	"hash/fnv"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/pkg/config"
)

var update = flag.Bool("update", false, "write what is got to the golden files")

// hosts is a resolver that knows every host name, each with an address of its own.
type hosts struct{}

func (hosts) LookupNetIP(_ context.Context, network, host string) ([]netip.Addr, error) {
	h := fnv.New32a()
	h.Write([]byte(host))
	n := h.Sum32()
	if network == "ip6" {
		return []netip.Addr{netip.AddrFrom16([16]byte{0x20, 1, 0x0d, 0xb8, 12: byte(n >> 24), 13: byte(n >> 16), 14: byte(n >> 8), 15: byte(n)})}, nil
	}
	return []netip.Addr{netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})}, nil
}

func (hosts) LookupPort(_ context.Context, _, service string) (int, error) {
	if n, ok := portNumber(service); ok {
		return n, nil
	}
	return 0, errors.New("unknown port")
}

// importText imports a text in a format.
func importText(format, name, text string) (*Result, error) {
	f := File{Name: name, Text: text}
	read := func(pattern string) ([]File, error) {
		paths, err := filepath.Glob(pattern)
		var all []File
		for _, p := range paths {
			text, err := os.ReadFile(p)
			if err != nil {
				return nil, err
			}
			all = append(all, File{p, string(text)})
		}
		return all, err
	}
	switch format {
	case "ldirectord.cf":
		return Ldirectord(f)
	case "keepalived.conf":
		return Keepalived(f, func(pattern, from string) ([]File, error) { return read(filepath.Join(filepath.Dir(from), pattern)) })
	case "ipvsadm":
		return Ipvsadm(f)
	}
	ha, err := read(filepath.Join(filepath.Dir(name), "ha.cf"))
	if err != nil || len(ha) != 1 {
		return nil, errors.New("no ha.cf")
	}
	return Heartbeat(ha[0], f, func(name_ string) (File, error) {
		text, err := os.ReadFile(filepath.Join(filepath.Dir(name), name_))
		return File{name_, string(text)}, err
	})
}

// Whole configurations become what lies beside them.
func TestGolden(t *testing.T) {
	count := 0
	for _, format := range []string{"ldirectord.cf", "keepalived.conf", "ipvsadm", "haresources"} {
		paths, err := filepath.Glob("testdata/*/" + format)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			dir := filepath.Dir(path)
			if dir == "testdata/heartbeat" && format == "ldirectord.cf" {
				continue // it is part of what haresources names
			}
			count++
			t.Run(filepath.Base(dir), func(t *testing.T) {
				text, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				r, err := importText(format, path, string(text))
				if err != nil {
					t.Fatal(err)
				}
				if err := r.Check(t.Context(), hosts{}); err != nil {
					t.Errorf("%v\n%s", err, r.TOML)
				}
				golden(t, filepath.Join(dir, "director.toml"), r.TOML)
				golden(t, filepath.Join(dir, "remarks.txt"), remarks(r))
			})
		}
	}
	if count < 8 {
		t.Errorf("only %d configurations", count)
	}
}

func remarks(r *Result) string {
	var b strings.Builder
	for _, x := range r.Remarks {
		b.WriteString(x.String() + "\n")
	}
	return b.String()
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// load gives the configuration that a text becomes.
func load(t *testing.T, format, text string) (*config.Config, *Result) {
	t.Helper()
	r, err := importText(format, format, text)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Check(t.Context(), hosts{}); err != nil {
		t.Fatalf("%v\n%s", err, r.TOML)
	}
	c, err := config.Parse(t.Context(), "director.toml", r.TOML, hosts{})
	if err != nil {
		t.Fatalf("%v\n%s", err, r.TOML)
	}
	return c, r
}
