package main

import (
	"context"
	"fmt"
	"time"
)

// deaths is how often the daemon is killed.
const deaths = 5

// killUnderLoad kills the daemon and starts it again while clients go on.
func (d *demo) killUnderLoad(ctx context.Context) error {
	d.out.say("The client sends %d requests a second. The daemon gets kill -9, stays dead for\nsome requests, and is started again; %d times.", pace, deaths)
	d.out.gap()
	load := d.startLoad(ctx)
	defer load.Stop()
	if _, err := load.more(ctx, 10); err != nil {
		return err
	}
	orphans, mark := 0, d.director.log.mark()
	for i := range deaths {
		served, err := d.killOnce(ctx, load, i+1)
		if err != nil {
			return err
		}
		orphans += served
	}
	if _, err := load.more(ctx, 10); err != nil {
		return err
	}
	report := load.Stop()
	d.printErrors(report)
	d.out.gap()
	d.out.say("%d requests, %d failed. The kernel forwards; the daemon only keeps it so.", report.Requests, report.Failures)
	d.claim(report.Failures == 0 && orphans > 0,
		fmt.Sprintf("kill -9 and restart, %d times", deaths), "%d of %d requests lost, %d of them while no daemon ran", report.Failures, report.Requests, orphans)
	wrote := d.director.wrote(mark)
	d.claim(wrote == 0, "a restart changes nothing in the kernel", "%d operations in %d restarts", wrote, deaths)
	return nil
}

// killOnce gives the number of requests that ended while no daemon ran.
func (d *demo) killOnce(ctx context.Context, load load, turn int) (int, error) {
	pid := d.director.cmd.Process.Pid
	d.director.cmd.Kill()
	died := time.Now()
	orphans, err := load.more(ctx, 20)
	if err != nil {
		return 0, err
	}
	dead := time.Since(died)
	took, err := d.director.start(ctx)
	if err != nil {
		return 0, err
	}
	d.out.output(fmt.Sprintf("%d  kill -9 %-5d  %2d requests in %5s without a daemon; started, ready after %5s",
		turn, pid, orphans, tenths(dead), tenths(took)))
	return orphans, nil
}
