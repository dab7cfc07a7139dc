package health

import (
	"time"

	"github.com/lvsd/lvsd/pkg/health/check"
)

// slots is how many times in the interval probes start that share their system
// calls: more are more even, fewer are cheaper. maxSlot bounds the pause between
// two, and with it how many checks of long intervals start together. It is no
// multiple of the kernel's tick: kernels that count processor time by the tick
// would see all of the work in lockstep with it, or none.
const (
	slots   = 50
	maxSlot = 17 * time.Millisecond
)

// connect has the Connector make the probes of a check, and tells whether there
// is a Connector. The caller holds the mutex.
func (c *Checker) connect(e *entry) bool {
	if c.connector == nil && !c.openConnector() {
		return false
	}
	e.series = &check.Series{
		Target:  e.Target,
		Timeout: e.Timing.Timeout,
		Slack:   min(e.Timing.FastInterval/slots, maxSlot),
		Done:    func(started time.Time, r check.Result) time.Duration { return c.connected(e, started, r) },
	}
	c.connector.Add(e.series, e.first())
	return true
}

// openConnector fails without a file descriptor to spare. Then checks are made
// one by one, as those that do more than connect are.
func (c *Checker) openConnector() bool {
	connector, err := check.OpenConnector()
	if err != nil {
		c.log.Warn("checks of tcp will take more processor time", "err", err)
		return false
	}
	c.connector = connector
	running := c.running
	c.probes.Go(func() { connector.Run(running) })
	return true
}

// connected takes a result of the Connector.
func (c *Checker) connected(e *entry, started time.Time, r check.Result) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.ctx.Err() != nil {
		return e.Timing.Interval // it is about to be removed
	}
	return c.take(e, started, started.Add(r.Duration), r)
}
