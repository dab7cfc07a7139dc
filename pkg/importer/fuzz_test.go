package importer

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lvsd/lvsd/pkg/config"
)

// seeds adds files to a corpus.
func seeds(f *testing.F, patterns ...string) {
	f.Helper()
	for _, pattern := range patterns {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			f.Fatalf("%s: %v, %d files", pattern, err, len(names))
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(text))
		}
	}
}

// holds what is true for any text: an Errors with places in it, or a file that
// lvsd's own reader understands, whose faults have places in the text too. It never
// is one that is no TOML, or with keys that lvsd does not know.
func holds(t *testing.T, text string, r *Result, err error) {
	t.Helper()
	if err == nil {
		err = r.Check(t.Context(), hosts{})
		for _, x := range r.Remarks {
			if x.Position.File == "" || x.Text == "" {
				t.Errorf("%v: no place or no text", x)
			}
		}
		if n := strings.Count(r.TOML, "\n"); n != len(r.origins) {
			t.Errorf("%d lines, %d origins", n, len(r.origins))
		}
	}
	if err == nil {
		return
	}
	var all config.Errors
	if !errors.As(err, &all) || len(all) == 0 {
		t.Fatalf("%v is no Errors", err)
	}
	for _, e := range all {
		for _, ours := range []string{"not TOML", "unknown key", "is a string", "is a table", "is a list", "is a key of", "is already given at"} {
			if strings.HasPrefix(e.Message, ours) {
				t.Errorf("%v\n%s", e, r.TOML)
			}
		}
		if e.Position.Line > strings.Count(text, "\n")+1 {
			t.Errorf("%v: not a place in %d lines", e, strings.Count(text, "\n")+1)
		}
	}
}

func FuzzLdirectord(f *testing.F) {
	seeds(f, "testdata/*/ldirectord.cf")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := Ldirectord(File{"ldirectord.cf", text})
		holds(t, text, r, err)
	})
}

func FuzzKeepalived(f *testing.F) {
	seeds(f, "testdata/*/keepalived.conf", "/usr/share/doc/keepalived/samples/keepalived.conf.*")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := Keepalived(File{"keepalived.conf", text}, nil)
		holds(t, text, r, err)
	})
}

func FuzzIpvsadm(f *testing.F) {
	seeds(f, "testdata/*/ipvsadm")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := Ipvsadm(File{"ipvsadm", text})
		holds(t, text, r, err)
	})
}

func FuzzHeartbeat(f *testing.F) {
	ha, err := os.ReadFile("testdata/heartbeat/ha.cf")
	if err != nil {
		f.Fatal(err)
	}
	resources, err := os.ReadFile("testdata/heartbeat/haresources")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(ha), string(resources))
	f.Fuzz(func(t *testing.T, ha, resources string) {
		read := func(name string) (File, error) {
			return File{name, "virtual=192.0.2.1:80\n\treal=10.0.0.1:80 gate\n"}, nil
		}
		r, err := Heartbeat(File{"ha.cf", ha}, File{"haresources", resources}, read)
		holds(t, ha+resources, r, err)
	})
}
