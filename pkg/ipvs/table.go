// Package ipvs reads and writes the IPVS table of the kernel: virtual services,
// real servers, their statistics, and the connection time-outs.
//
// It speaks to the kernel in two ways, divided by what can be said in each.
// github.com/moby/ipvs has the time-outs, and every change that comes alone and
// that it can express in full: it is the well-trodden way, and the daily work of
// a director (one weight, one server) takes it. Over netlink/nl go
//
//   - changes of several things at once, because the library pays a system call
//     and an acknowledgement for each of them and this package for each 512;
//   - servers with a tunnel type or of another family than their service, which
//     the library cannot write;
//   - everything that is read, because the library loses the tunnel, the
//     persistence engine, half of the weight and the 64-bit counters.
//
// The contract test of ipvstest runs every case both ways, so the two cannot
// come apart.
package ipvs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	moby "github.com/moby/ipvs"
	"github.com/sirupsen/logrus"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// ErrNoIPVS says that the running kernel has no IPVS and cannot load it.
var ErrNoIPVS = errors.New("the running kernel has no IPVS (module ip_vs)")

// Table is the IPVS table of one network namespace. Its methods may be called
// from several goroutines; they take turns.
type Table struct {
	mu   sync.Mutex
	conn *conn
	moby *moby.Handle
}

// Open gives the table of the network namespace of the calling thread; a caller
// that has changed its namespace must have locked its goroutine to the thread.
// Later calls do not depend on the thread. Asking for IPVS makes the kernel load
// its module (net-pf-16-proto-16-family-IPVS). The error is ErrNoIPVS if that
// fails.
func Open() (*Table, error) {
	family, err := findFamily(genlName)
	if err != nil {
		return nil, fmt.Errorf("open ipvs: %w", err)
	}
	c, err := dial(family)
	if err != nil {
		return nil, fmt.Errorf("open ipvs: %w", err)
	}
	handle, err := openMoby()
	if err != nil {
		c.sock.Close()
		return nil, fmt.Errorf("open ipvs: %w", err)
	}
	return &Table{conn: c, moby: handle}, nil
}

// Close releases the handle, which must not be used afterwards. The kernel keeps
// its table.
func (t *Table) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.conn.sock.Close()
	t.moby.Close()
}

// findFamily asks for the number of IPVS in generic netlink. moby/ipvs asks
// too, but answers the lack of it with success, once for the life of the
// process: it must not be asked before.
func findFamily(name string) (uint16, error) {
	req := nl.NewNetlinkRequest(nl.GENL_ID_CTRL, 0)
	req.AddData(&nl.Genlmsg{Command: nl.GENL_CTRL_CMD_GETFAMILY, Version: nl.GENL_CTRL_VERSION})
	req.AddData(nl.NewRtAttr(nl.GENL_CTRL_ATTR_FAMILY_NAME, nl.ZeroTerminated(name)))
	answers, err := req.Execute(unix.NETLINK_GENERIC, 0)
	if errors.Is(err, unix.ENOENT) {
		return 0, ErrNoIPVS
	}
	if err != nil {
		return 0, fmt.Errorf("ask for generic netlink family %s: %w", name, err)
	}
	if len(answers) != 1 || len(answers[0]) < unix.GENL_HDRLEN {
		return 0, fmt.Errorf("ask for generic netlink family %s: %w", name, errTruncated)
	}
	id, err := find(answers[0][unix.GENL_HDRLEN:], nl.GENL_CTRL_ATTR_FAMILY_ID)
	if err != nil || len(id) < 2 {
		return 0, fmt.Errorf("ask for generic netlink family %s: %w", name, errTruncated)
	}
	return binary.NativeEndian.Uint16(id), nil
}

// openMoby opens the library's handle in the namespace of the calling thread.
// The library logs to standard error if there is no modprobe(8), although the
// module is there by now: that is kept quiet.
func openMoby() (*moby.Handle, error) {
	log := logrus.StandardLogger()
	out := log.Out
	log.SetOutput(io.Discard)
	defer log.SetOutput(out)
	return moby.New("")
}

// Timeouts reads the connection time-outs.
func (t *Table) Timeouts() (lvs.Timeouts, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c, err := t.moby.GetConfig()
	if err != nil {
		return lvs.Timeouts{}, fmt.Errorf("read ipvs time-outs: %w", err)
	}
	return lvs.Timeouts{TCP: c.TimeoutTCP, TCPFin: c.TimeoutTCPFin, UDP: c.TimeoutUDP}, nil
}

// SetTimeouts sets the connection time-outs; zero leaves one as it is. They are
// whole seconds.
func (t *Table) SetTimeouts(want lvs.Timeouts) error {
	for _, d := range []time.Duration{want.TCP, want.TCPFin, want.UDP} {
		if err := checkSeconds(d, maxTimeout); err != nil {
			return fmt.Errorf("set ipvs time-outs: %w", err)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	c := moby.Config{TimeoutTCP: want.TCP, TimeoutTCPFin: want.TCPFin, TimeoutUDP: want.UDP}
	if err := t.moby.SetConfig(&c); err != nil {
		return fmt.Errorf("set ipvs time-outs: %w", err)
	}
	return nil
}
