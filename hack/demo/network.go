package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/lvsd/lvsd/hack/lab"
)

// buildNetwork makes the hosts and has every real server serve its own name.
func (d *demo) buildNetwork(ctx context.Context) error {
	var err error
	if d.dir, err = os.MkdirTemp("", "lvsd-demo-"); err != nil {
		return err
	}
	if d.lab, err = lab.New(d.scenario.topology()); err != nil {
		return err
	}
	d.out.say("Five hosts, each a network namespace of this kernel. The web servers rs1, rs2\nand rs3 answer with their names. The clients know one address only, the VIP\n%s, which no host has yet.", lab.VIP4)
	d.out.output(d.scenario.picture)
	d.out.gap()
	d.out.say("A request travels: %s", d.scenario.way)
	for _, rs := range d.realServers() {
		if err := d.prepare(ctx, rs); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) realServers() []*lab.Host {
	return []*lab.Host{d.lab.Host("rs1"), d.lab.Host("rs2"), d.lab.Host("rs3")}
}

// prepare sets up one real server; the first one in front of the reader.
func (d *demo) prepare(ctx context.Context, rs *lab.Host) error {
	if _, err := rs.Web(":80"); err != nil {
		return err
	}
	lines := d.scenario.commands(rs)
	if rs.Name == "rs1" && len(lines) > 0 {
		d.out.gap()
		d.out.say("Every real server is told to take packets for the VIP, without telling others:")
		d.out.gap()
		for _, line := range lines {
			d.out.command(rs.Name, line)
		}
	}
	return rs.Script(ctx, strings.Join(lines, "\n"))
}

// readFile shows the example, and what it would change.
func (d *demo) readFile(ctx context.Context) error {
	text, err := os.ReadFile(d.example)
	if err != nil {
		return err
	}
	own, err := withStateDir(string(text), d.dir)
	if err != nil {
		return err
	}
	if err := os.WriteFile(d.config(), []byte(own), 0o600); err != nil {
		return err
	}
	d.out.say("%s, without its comments, and with directories of our own:", d.example)
	d.out.gap()
	d.out.output(withoutComments(own))
	d.out.gap()
	if _, err := d.shown(ctx, "lb1", "lvsd", "validate", configName); err != nil {
		return err
	}
	planned, err := d.shown(ctx, "lb1", "lvsd", "plan", "-c", configName)
	if err != nil {
		return err
	}
	if strings.TrimSpace(planned) == "" {
		return errors.New("the plan for an empty kernel is empty")
	}
	return nil
}

// withStateDir puts the director's state into a directory of its own.
func withStateDir(text, dir string) (string, error) {
	const table = "[director]\n"
	if !strings.Contains(text, table) {
		return "", errors.New("the example has no table [director]")
	}
	return strings.Replace(text, table, fmt.Sprintf("%sstate_dir = %q\ndata_dir = %q\n", table, dir, dir), 1), nil
}

// withoutComments drops comments and doubled empty lines. The examples have no
// "#" inside a string.
func withoutComments(text string) string {
	var b strings.Builder
	empty := true
	for line := range strings.Lines(text) {
		whole := strings.TrimSpace(line)
		line, _, commented := strings.Cut(whole, "#")
		line = strings.TrimSpace(line)
		if line == "" && (commented || empty) {
			continue
		}
		empty = line == ""
		b.WriteString(line + "\n")
	}
	return b.String()
}
