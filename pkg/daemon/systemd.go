package daemon

import (
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// notifyTime is how long a notice may take. The socket's queue is full if
// nobody reads it, and a director must not hang because its supervisor does.
const notifyTime = time.Second

// tellSystemd tells systemd, where it listens, how the service is (sd_notify(3)).
// Without it nobody misses anything, so that an error has no consequence.
func tellSystemd(state string) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return
	}
	defer conn.Close()
	if conn.SetWriteDeadline(time.Now().Add(notifyTime)) == nil {
		_, _ = conn.Write([]byte(state))
	}
}

// tellSystemdReloading says that a reload begins, with the time that Type=notify-reload
// asks for (systemd.service(5)).
func tellSystemdReloading() {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return
	}
	tellSystemd(fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", now.Nano()/1000))
}
