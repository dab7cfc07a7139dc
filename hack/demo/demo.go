package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lvsd/lvsd/hack/lab"
)

// demo is one run. Its steps follow each other and leave behind what the next
// one builds on.
type demo struct {
	out      *printer
	scenario scenario
	example  string // the example's path

	began    time.Time
	lab      *lab.Lab
	dir      string // the director's folder, with a copy of the example
	director *director
	table    string // the kernel's table after the start, as ipvsadm -Sn prints it
	claims   []claim
}

func (d *demo) run(ctx context.Context) error {
	d.began = time.Now()
	d.out.title("lvsd: %s", d.scenario.title)
	for _, step := range []struct {
		heading string
		do      func(context.Context) error
	}{
		{"The network", d.buildNetwork},
		{"The file", d.readFile},
		{"The director", d.startDirector},
		{"Requests", d.sendRequests},
		{"Somebody clears the kernel's table", d.vandalise},
		{"The director dies, under load", d.killUnderLoad},
		{"A server comes and another goes, under load", d.reloadUnderLoad},
	} {
		d.out.heading(step.heading)
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.heading, err)
		}
	}
	return nil
}

func (d *demo) close() error {
	var errs []error
	if d.lab != nil {
		errs = append(errs, d.lab.Close())
	}
	if d.dir != "" {
		errs = append(errs, os.RemoveAll(d.dir))
	}
	return errors.Join(errs...)
}

func (d *demo) config() string { return filepath.Join(d.dir, configName) }

// configName is the director's file, in whose folder every command runs.
const configName = "director.toml"

// url is where the clients find the service.
func (d *demo) url() string { return "http://" + lab.VIP4.String() + "/" }

// shown runs a command on a host, in the director's folder, with the command and
// its output in front of the reader.
func (d *demo) shown(ctx context.Context, host string, words ...string) (string, error) {
	d.out.command(host, words...)
	text, err := d.quiet(ctx, host, words...)
	d.out.output(text)
	return text, err
}

// quiet is shown without the showing. lvsd's exit code 2, "something would
// change", is no error.
func (d *demo) quiet(ctx context.Context, host string, words ...string) (string, error) {
	c := d.lab.Host(host).Command(ctx, words[0], words[1:]...)
	c.Dir = d.dir
	text, err := c.Output()
	if c.ProcessState != nil && c.ProcessState.ExitCode() == 2 && words[0] == "lvsd" {
		err = nil
	}
	return text, err
}

// readTable gives the kernel's table as ipvsadm reads it, code that is not lvsd's.
func (d *demo) readTable(ctx context.Context) (string, error) {
	return d.quiet(ctx, "lb1", "ipvsadm", "-Sn")
}

// serverLines are the real servers of a table in ipvsadm's notation.
func serverLines(table string) int { return strings.Count("\n"+table, "\n-a ") }
