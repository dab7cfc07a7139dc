package daemon

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

// watchdog has systemd restart a director whose rounds hang: it is fed by each
// round that is over, and by nothing else. Its time is the unit's WatchdogSec,
// which is how long a round may take, and the time to the next round, which only
// the configuration knows.
type watchdog struct{ patience time.Duration }

// newWatchdog reads what systemd asks for (sd_watchdog_enabled(3)). Without a
// watchdog nothing is told.
func newWatchdog() watchdog {
	if pid := os.Getenv("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return watchdog{}
	}
	usec, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	if err != nil || usec <= 0 {
		return watchdog{}
	}
	return watchdog{patience: time.Duration(usec) * time.Microsecond}
}

// expect tells systemd how long there may be no round.
func (w watchdog) expect(resync time.Duration) {
	if w.patience > 0 {
		tellSystemd(fmt.Sprintf("WATCHDOG_USEC=%d", (w.patience + resync).Microseconds()))
	}
}

// feed tells systemd that a round is over.
func (w watchdog) feed() {
	if w.patience > 0 {
		tellSystemd("WATCHDOG=1")
	}
}
