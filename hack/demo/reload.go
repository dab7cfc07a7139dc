package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/lvsd/lvsd/hack/lab"
)

// change is an edit of the file: the line of a server, before and after. One of
// them may be missing.
type change struct{ why, old, new string }

// reloadUnderLoad puts rs3 in the place of rs1 while clients go on.
func (d *demo) reloadUnderLoad(ctx context.Context) error {
	d.out.say("The client sends %d requests a second, the operator edits the file.", pace)
	load := d.startLoad(ctx)
	defer load.Stop()
	text, err := os.ReadFile(d.config())
	if err != nil {
		return err
	}
	changes := changes(withoutComments(string(text)), d.scenario.newcomer)
	operations := 0
	for _, c := range changes {
		n, err := d.edit(ctx, c)
		if err != nil {
			return err
		}
		operations += n
		if _, err := load.more(ctx, 30); err != nil {
			return err
		}
	}
	report := load.Stop()
	d.printErrors(report)
	d.out.gap()
	d.out.say("%d requests, %d failed; %s.", report.Requests, report.Failures, answers(report.ByServer))
	d.claim(report.Failures == 0, "reload: a server comes, another goes", "%d of %d requests lost", report.Failures, report.Requests)
	d.claim(operations == len(changes), "a reload does what the change needs", "%d operations for %d edits", operations, len(changes))
	return d.judgeServers(ctx)
}

// changes are the edits that bring a newcomer and take rs1 away. It gets no new
// clients first, so that those it has can end.
func changes(text, newcomer string) []change {
	first := ""
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "rs1 = ") {
			first = strings.TrimSuffix(line, "\n")
		}
	}
	address := strings.TrimPrefix(first, "rs1 = ")
	drained := "rs1 = { address = " + address + ", weight = 0 }"
	return []change{
		{"rs3 is new:", "", newcomer},
		{"rs1 is to go. With weight 0 it gets no new connections and keeps those it has:", first, drained},
		{"Now it can go:", drained, ""},
	}
}

// edit changes the file, has it reloaded, and gives the number of operations that
// the daemon says it did.
func (d *demo) edit(ctx context.Context, c change) (int, error) {
	if err := d.rewrite(c); err != nil {
		return 0, err
	}
	d.out.gap()
	d.out.say("%s", c.why)
	d.out.gap()
	if c.old != "" {
		d.out.output(d.out.in(red, "- "+c.old))
	}
	if c.new != "" {
		d.out.output(d.out.in(green, "+ "+c.new))
	}
	mark := d.director.log.mark()
	d.out.gap()
	if _, err := d.shown(ctx, "lb1", "lvsd", "reload", "-c", configName); err != nil {
		return 0, err
	}
	lines, err := d.director.log.await(ctx, mark, "msg=reloaded", 1)
	if err != nil {
		return 0, err
	}
	for _, e := range lines {
		if strings.Contains(e.text, changed) {
			d.out.output(e.message())
		}
	}
	return d.director.wrote(mark), nil
}

// rewrite edits the copy of the example. A new server stands before rs2.
func (d *demo) rewrite(c change) error {
	b, err := os.ReadFile(d.config())
	if err != nil {
		return err
	}
	text := withoutComments(string(b))
	old, replacement := c.old+"\n", c.new+"\n"
	switch {
	case c.old == "":
		old, replacement = "\nrs2 = ", "\n"+c.new+"\nrs2 = "
	case c.new == "":
		replacement = ""
	}
	if !strings.Contains(text, old) {
		return fmt.Errorf("edit %s: it has no %q", configName, old)
	}
	return os.WriteFile(d.config(), []byte(strings.Replace(text, old, replacement, 1)), 0o600)
}

// judgeServers asks who answers now.
func (d *demo) judgeServers(ctx context.Context) error {
	report := d.lab.Host("client").StartLoad(ctx, lab.LoadConfig{URL: d.url(), Requests: 20}).Wait()
	d.printErrors(report)
	names := slices.Sorted(maps.Keys(report.ByServer))
	d.claim(report.Failures == 0 && slices.Equal(names, []string{"rs2", "rs3"}),
		"after it the new server answers, the old does not", "%s", answers(report.ByServer))
	d.out.gap()
	_, err := d.shown(ctx, "lb1", "lvsd", "status", "-c", configName)
	return err
}
