// Command demo shows lvsd at work to somebody who has never seen it: on a small
// network of namespaces it starts a director with an example file, sends real
// requests through it, and then breaks things under load. Everything it prints
// was measured in that run. It needs root and a kernel with IPVS: run it with
// "make demo".
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// patience bounds the whole demonstration, which takes a fifth of it.
const patience = 2 * time.Minute

func main() {
	lvsd := flag.String("lvsd", "build/lvsd", "the `PROGRAM` to show")
	examples := flag.String("examples", "examples", "the `DIR` with the scenarios' files")
	colour := flag.Bool("color", false, "colour the output")
	flag.Usage = usage
	flag.Parse()
	name := flag.Arg(0)
	if name == "" {
		name = "nat"
	}
	s, ok := scenarios[name]
	if !ok || flag.NArg() > 1 {
		usage()
		os.Exit(2)
	}
	if err := onPath(*lvsd); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
	out := &printer{w: os.Stdout, colour: *colour}
	if !show(out, s, filepath.Join(*examples, s.name, "director.toml")) {
		os.Exit(1)
	}
}

func usage() {
	fmt.Fprintf(flag.CommandLine.Output(), "usage: demo [flags] [%s]\n", strings.Join(scenarioNames(), "|"))
	flag.PrintDefaults()
}

// onPath makes the name lvsd mean the program, so that the commands that are
// shown are those that run.
func onPath(program string) error {
	path, err := filepath.Abs(program)
	if err != nil {
		return err
	}
	if filepath.Base(path) != "lvsd" {
		return fmt.Errorf("%s is not called lvsd", program)
	}
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("find the program (make build): %w", err)
	}
	return os.Setenv("PATH", filepath.Dir(path)+string(filepath.ListSeparator)+os.Getenv("PATH"))
}

// show runs the whole demonstration and tells whether all of it happened.
func show(out *printer, s scenario, example string) bool {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	d := &demo{out: out, scenario: s, example: example}
	err := d.run(ctx)
	if errClose := d.close(); err == nil {
		err = errClose
	}
	if err != nil {
		d.claims = append(d.claims, claim{text: "the demonstration ran to its end", figure: err.Error()})
	}
	return d.summarize()
}
