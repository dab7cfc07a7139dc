package main

import (
	"context"
	"time"

	"github.com/lvsd/lvsd/hack/lab"
)

// within is how long a repair may take: the examples' resync of two seconds and
// the work itself.
const within = 4 * time.Second

// vandalise clears the table behind the director's back and measures how long
// that lasts.
func (d *demo) vandalise(ctx context.Context) error {
	before, err := d.readTable(ctx)
	if err != nil {
		return err
	}
	load := d.startLoad(ctx)
	defer load.Stop()
	mark := d.director.log.mark()
	if _, err := d.shown(ctx, "lb1", "ipvsadm", "-C"); err != nil {
		return err
	}
	cleared := time.Now()
	d.out.say("Nobody tells the director. resync = \"2s\" is the longest time between two of its\nlooks at the kernel; waiting for the next one …")
	repairs, err := d.director.log.await(ctx, mark, drift, 1+serverLines(before))
	if err != nil {
		return err
	}
	return d.judgeRepair(ctx, before, repairs, cleared, load.Stop().Failures)
}

// judgeRepair compares the table with what it was, and asks it to work.
func (d *demo) judgeRepair(ctx context.Context, before string, repairs []entry, cleared time.Time, refused int) error {
	took := repairs[len(repairs)-1].time.Sub(cleared)
	d.out.gap()
	d.out.say("Its log:")
	d.out.gap()
	for _, e := range repairs {
		d.out.output(e.message())
	}
	d.out.gap()
	after, err := d.shown(ctx, "lb1", "ipvsadm", "-Sn")
	if err != nil {
		return err
	}
	again := d.lab.Host("client").StartLoad(ctx, lab.LoadConfig{URL: d.url(), Requests: 20}).Wait()
	d.printErrors(again)
	d.out.gap()
	d.out.say("Repaired %s after it was cleared. %d requests were refused in between;\nof %d after it, %d were answered.", tenths(took), refused, again.Requests, again.Requests-again.Failures)
	d.claim(after == before && took < within && again.Failures == 0,
		"a cleared table is repaired", "after %s, to the letter, in %d operations", tenths(took), len(repairs))
	return nil
}
