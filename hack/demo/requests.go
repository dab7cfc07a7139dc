package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/pkg/status"
)

// startDirector runs the daemon and has it look at its own work.
func (d *demo) startDirector(ctx context.Context) error {
	d.director = &director{host: d.lab.Host("lb1"), dir: d.dir}
	d.out.command("lb1", directorCommand...)
	took, err := d.director.start(ctx)
	if err != nil {
		return err
	}
	lines, err := d.director.log.await(ctx, 0, "msg=round", 1)
	if err != nil {
		return err
	}
	for _, e := range lines {
		d.out.output(e.message())
	}
	d.out.gap()
	d.out.say("Ready after %s.", tenths(took))
	d.out.gap()
	left, err := d.quiet(ctx, "lb1", "lvsd", "plan", "-c", configName)
	if err != nil {
		return err
	}
	d.claim(left == "", "the kernel is as the file says", "ready after %s, then nothing left to do", tenths(took))
	if d.table, err = d.shown(ctx, "lb1", "ipvsadm", "-Sn"); err != nil {
		return err
	}
	d.claim(serverLines(d.table) == 2, "ipvsadm sees the same table", "%d real servers", serverLines(d.table))
	return nil
}

// asked is how many requests the first look at the service sends.
const asked = 60

// sendRequests shows who answers, beside what the kernel counted.
func (d *demo) sendRequests(ctx context.Context) error {
	d.out.say("The client sends %d requests to %s, each over a connection of its own.", asked, d.url())
	report := d.lab.Host("client").StartLoad(ctx, lab.LoadConfig{URL: d.url(), Requests: asked}).Wait()
	state, err := d.status(ctx)
	if err != nil {
		return err
	}
	d.out.gap()
	counted := d.printAnswers(report, state)
	d.out.gap()
	if _, err := d.shown(ctx, "lb1", "lvsd", "status", "-c", configName); err != nil {
		return err
	}
	d.printErrors(report)
	d.claim(report.Failures == 0 && report.Requests == asked && len(report.ByServer) == 2,
		"clients of the VIP get answers", "%d of %d, median %s", report.Requests-report.Failures, report.Requests, tenths(report.Latency(0.5)))
	d.claim(maps.Equal(counted, report.ByServer),
		"who answered is who the kernel chose", "%s", answers(report.ByServer))
	return nil
}

// status asks the daemon, by the program.
func (d *demo) status(ctx context.Context) (status.Status, error) {
	var s status.Status
	text, err := d.quiet(ctx, "lb1", "lvsd", "status", "--json", "-c", configName)
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return s, fmt.Errorf("read the status: %w", err)
	}
	if len(s.Services) != 1 {
		return s, fmt.Errorf("the status has %d services, the file one", len(s.Services))
	}
	return s, nil
}

// printAnswers prints what the client got beside the connections that the kernel
// has, which it keeps for a while after their end, and gives the latter.
func (d *demo) printAnswers(report lab.Report, state status.Status) map[string]int {
	counted := map[string]int{}
	d.out.output("server  weight  answers the client got            connections in the kernel")
	for _, r := range state.Services[0].Servers {
		n := report.ByServer[r.Name]
		counted[r.Name] = int(r.Active + r.Inactive)
		d.out.output(fmt.Sprintf("%-6s  %6d  %3d %-28s  %3d", r.Name, r.Weight, n, bar(n, report.Requests), counted[r.Name]))
	}
	return counted
}

// bar draws a share of a total, which would be 28 wide.
func bar(n, total int) string { return strings.Repeat("■", 28*n/max(total, 1)) }

// answers writes counts by server, sorted.
func answers(byServer map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(byServer)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, byServer[name]))
	}
	return strings.Join(parts, ", ")
}

// printErrors tells what went wrong with requests, if something did.
func (d *demo) printErrors(report lab.Report) {
	for _, text := range slices.Sorted(maps.Keys(report.Errors)) {
		d.out.say("%d × %s", report.Errors[text], text)
	}
}

// load is a stream of requests that goes on while something else happens.
type load struct{ *lab.Load }

// pace is the load's requests a second, and rest the time that a wait sleeps
// between two looks at it.
const (
	pace = 100
	rest = 10 * time.Millisecond
)

func (d *demo) startLoad(ctx context.Context) load {
	return load{d.lab.Host("client").StartLoad(ctx, lab.LoadConfig{URL: d.url(), Workers: 2, Rate: pace})}
}

// more waits for some more requests to be over, and gives how many were.
func (l load) more(ctx context.Context, requests int) (int, error) {
	before := l.Report().Requests
	err := until(ctx, func() bool { return l.Report().Requests >= before+requests })
	return l.Report().Requests - before, err
}

// soon is how long until waits: what works comes true within seconds.
const soon = 20 * time.Second

// until waits for a condition.
func until(ctx context.Context, ok func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, soon)
	defer cancel()
	for !ok() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("it did not happen within %s: %w", soon, ctx.Err())
		case <-time.After(rest):
		}
	}
	return nil
}
