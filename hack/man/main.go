// Man writes the manual: a page in section 8 for each command and one in section 5 for each file of configuration, made of what `--help`
// prints and of the commented reference files.
//
//	go run ./hack/man -dir build/man -date 2026-01-31 -version 1.2.3
//
// The pages are made when they are needed and not kept in the repository: they hold nothing that is not in the code.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/lvsd/lvsd/pkg/cli"
	"github.com/lvsd/lvsd/pkg/config"
)

func main() {
	dir := flag.String("dir", "build/man", "where the pages go")
	date := flag.String("date", "1970-01-01", "the date in them, so that the same code makes the same pages")
	version := flag.String("version", "devel", "the version in them")
	flag.Parse()
	if err := write(*dir, *date, *version); err != nil {
		fmt.Fprintln(os.Stderr, "man:", err)
		os.Exit(1)
	}
}

func write(dir, date, version string) error {
	day, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return fmt.Errorf("-date: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, text := range pages(edition{day: day, version: version}) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// edition is what stands at the foot of every page.
type edition struct {
	day     time.Time
	version string
}

// pages are the whole manual: texts in mdoc(7) by file name.
func pages(e edition) map[string]string {
	root := cli.New(cli.Env{Out: io.Discard, Err: io.Discard, Getenv: func(string) string { return "" }})
	all := map[string]string{
		"director.toml.5":   filePage(e, "director.toml", "configuration of the lvsd director", config.Reference()),
		"realserver.toml.5": filePage(e, "realserver.toml", "configuration of an lvsd real server", config.RealServerReference()),
	}
	for _, c := range commands(root) {
		all[pageName(c)+".8"] = commandPage(e, c)
	}
	return all
}
