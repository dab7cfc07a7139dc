// Sbom writes the bill of materials of a Go program in CycloneDX's JSON, out of what the linker put into the program itself:
//
//	go run ./hack/sbom -time 1700000000 -version 1.2.3 build/lvsd
//
// So it names exactly the modules that are in the program, and needs neither their sources nor a network.
package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"time"
)

func main() {
	at := flag.Int64("time", 0, "the time of the bill, in seconds since 1970")
	version := flag.String("version", "", "the version of the program, which the linker does not tell (with -trimpath)")
	flag.Parse()
	if err := run(os.Stdout, flag.Arg(0), *version, time.Unix(*at, 0).UTC()); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func run(w io.Writer, path, version string, at time.Time) error {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return err
	}
	program, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(newBill(info, version, sha256.Sum256(program), at))
}

// bill is what of CycloneDX 1.6 is needed (https://cyclonedx.org/docs/1.6/json/).
type bill struct {
	Format       string       `json:"bomFormat"`
	Spec         string       `json:"specVersion"`
	Serial       string       `json:"serialNumber"`
	Version      int          `json:"version"`
	Metadata     metadata     `json:"metadata"`
	Components   []component  `json:"components"`
	Dependencies []dependency `json:"dependencies"`
}

type metadata struct {
	Timestamp string    `json:"timestamp"`
	Component component `json:"component"`
}

type component struct {
	Type       string     `json:"type"`
	Ref        string     `json:"bom-ref"`
	Name       string     `json:"name"`
	Version    string     `json:"version,omitempty"`
	PURL       string     `json:"purl,omitempty"`
	Hashes     []hash     `json:"hashes,omitempty"`
	Properties []property `json:"properties,omitempty"`
}

type hash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type dependency struct {
	Ref string   `json:"ref"`
	On  []string `json:"dependsOn,omitempty"`
}

func newBill(info *buildinfo.BuildInfo, version string, sum [sha256.Size]byte, at time.Time) bill {
	program := component{
		Type: "application", Ref: info.Path, Name: info.Path, Version: version,
		Hashes: []hash{{Algorithm: "SHA-256", Content: hex.EncodeToString(sum[:])}},
	}
	for _, s := range info.Settings {
		program.Properties = append(program.Properties, property{Name: "go:build:" + s.Key, Value: s.Value})
	}
	b := bill{
		Format: "CycloneDX", Spec: "1.6", Version: 1, Serial: serial(sum),
		Metadata: metadata{Timestamp: at.Format(time.RFC3339), Component: program},
	}
	b.Components = append(b.Components, component{
		Type: "library", Ref: "std", Name: "std", Version: strings.TrimPrefix(info.GoVersion, "go"),
		PURL: "pkg:golang/std@" + strings.TrimPrefix(info.GoVersion, "go"),
	})
	for _, m := range info.Deps {
		b.Components = append(b.Components, library(m))
	}
	all := dependency{Ref: program.Ref}
	for _, c := range b.Components {
		all.On = append(all.On, c.Ref)
	}
	b.Dependencies = []dependency{all}
	return b
}

// library is a module that is in the program, or the one in its place. The hash is
// that of go.sum: of the list of the files' hashes, not of a file.
func library(m *debug.Module) component {
	if m.Replace != nil {
		m = m.Replace
	}
	purl := "pkg:golang/" + m.Path + "@" + m.Version
	c := component{Type: "library", Ref: purl, Name: m.Path, Version: m.Version, PURL: purl}
	if m.Sum != "" {
		c.Properties = []property{{Name: "go:sum", Value: m.Sum}}
	}
	if raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(m.Sum, "h1:")); err == nil && len(raw) == sha256.Size {
		c.Hashes = []hash{{Algorithm: "SHA-256", Content: hex.EncodeToString(raw)}}
	}
	return c
}

// serial makes a UUID of the program's hash (version 8, RFC 9562): the same program
// has the same bill.
func serial(sum [sha256.Size]byte) string {
	id := sum[:16]
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:16])
}
