package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/lvsd/lvsd/hack/lab"
)

// director is the daemon on lb1, which may be started again and again.
type director struct {
	host *lab.Host
	dir  string
	log  journal
	cmd  *lab.Cmd
}

// How the daemon's log tells an operation in the kernel: one that a change of the
// file needs, and one that puts right what somebody else did.
const (
	changed = "msg=changed"
	drift   = `msg="drift repaired"`
)

// directorCommand is how the daemon is started.
var directorCommand = []string{"lvsd", "director", "-c", configName}

// start starts the daemon, waits until it has told that the kernel is as the
// file says, and gives the time that it took.
func (d *director) start(ctx context.Context) (time.Duration, error) {
	d.cmd = d.host.Command(ctx, directorCommand[0], directorCommand[1:]...)
	d.cmd.Dir = d.dir
	d.cmd.Stdout, d.cmd.Stderr = &d.log, &d.log
	mark, began := d.log.mark(), time.Now()
	if err := d.cmd.StartReady(ctx); err != nil {
		return 0, fmt.Errorf("%w\n%s", err, d.text(mark))
	}
	return time.Since(began), nil
}

// text is all that the daemon wrote since a mark.
func (d *director) text(mark int) string {
	var b strings.Builder
	for _, e := range d.log.since(mark, "") {
		b.WriteString(e.text + "\n")
	}
	return b.String()
}

// wrote counts the operations that the daemon did in the kernel since a mark.
func (d *director) wrote(mark int) int {
	return len(d.log.since(mark, changed)) + len(d.log.since(mark, drift))
}
