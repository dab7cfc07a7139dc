package daemon

import (
	"fmt"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// tellSystemd tells systemd, where it listens, how the service is (sd_notify(3)).
// Without it nobody misses anything, so that an error has no consequence.
func tellSystemd(state string) { _, _ = systemd.SdNotify(false, state) }

// tellSystemdReloading says that a reload begins, with the time that Type=notify-reload
// asks for (systemd.service(5)).
func tellSystemdReloading() {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return
	}
	tellSystemd(fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", now.Nano()/1000))
}
