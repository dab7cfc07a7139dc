package integration

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
	"github.com/lvsd/lvsd/pkg/vrrp"
)

// tick is how often a ticker sends unless a test wants it finer.
const tick = 5 * time.Millisecond

// ticker sends a datagram to the VIP every few milliseconds. What comes of them
// lies in sockets with the kernel's time on it until somebody asks: reading each as
// it comes would take processor time from what is measured.
type ticker struct {
	conn  *net.UDPConn
	ears  []*net.UDPConn // where the datagrams or their answers come
	every time.Duration
	end   func() // ends sending

	// Of the sender, which does not wait for those who read.
	sent   atomic.Uint32
	missed atomic.Uint32 // ticks that the machine has kept it from, but for one in a row

	mu      sync.Mutex
	first   uint32      // sent since the last reset
	answers []time.Time // when they came, in order
	seen    map[uint32]bool
}

// startTicker sends to the VIP and hears the answers.
func startTicker(t *testing.T, from *lab.Host, to netip.Addr) *ticker {
	t.Helper()
	k := newTicker(t, from, to, tick)
	k.hear(t, k.conn)
	k.start(t)
	return k
}

func newTicker(t *testing.T, from *lab.Host, to netip.Addr, every time.Duration) *ticker {
	t.Helper()
	conn := labtest.Must(from.Dial(t.Context(), "udp", netip.AddrPortFrom(to, echoPort).String()))(t).(*net.UDPConn)
	t.Cleanup(func() { conn.Close() })
	return &ticker{conn: conn, every: every, seen: map[uint32]bool{}}
}

func (k *ticker) hear(t *testing.T, c *net.UDPConn) {
	t.Helper()
	k.ears = append(k.ears, c)
	labtest.NoError(t, descriptor(c, func(fd int) error {
		return errors.Join(
			unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1),
			unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 32<<20),
		)
	}))
}

func (k *ticker) start(t *testing.T) {
	t.Helper()
	clock := labtest.Must(newMetre(k.every))(t)
	// As in the daemon: a thread that comes back from the kernel finds room at once.
	runtime.GOMAXPROCS(runtime.NumCPU() + 2)
	var sending sync.WaitGroup
	sending.Go(func() {
		// The client is another machine in real life: those that are measured do not keep it
		// waiting.
		vrrp.Hasten()
		for ticks := clock.wait(); ticks > 0; ticks = clock.wait() {
			k.missed.Add(max(ticks, 2) - 2)
			n := k.sent.Add(1)
			// An error is an answer that does not come.
			_ = descriptor(k.conn, func(fd int) error {
				return unix.Send(fd, binary.BigEndian.AppendUint32([]byte("tick"), n), unix.MSG_DONTWAIT)
			})
		}
	})
	k.end = sync.OnceFunc(func() {
		clock.stop()
		sending.Wait()
		clock.close()
	})
	t.Cleanup(k.end)
}

// metre lets a thread sleep in the kernel from tick to tick, with one system call
// for each: even asking for the time is one in User-Mode Linux.
type metre struct {
	fd      int
	stopped atomic.Bool
}

func newMetre(every time.Duration) (*metre, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	spec := unix.NsecToTimespec(int64(every))
	if err := unix.TimerfdSettime(fd, 0, &unix.ItimerSpec{Interval: spec, Value: spec}, nil); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return &metre{fd: fd}, nil
}

// wait returns at the next tick, or tells how many have been missed, with that one;
// 0 is the end.
func (m *metre) wait() uint32 {
	var count [8]byte
	for !m.stopped.Load() {
		if _, err := unix.Read(m.fd, count[:]); err == nil { // else a signal
			return uint32(binary.NativeEndian.Uint64(count[:]))
		}
	}
	return 0
}

func (m *metre) stop()  { m.stopped.Store(true) }
func (m *metre) close() { unix.Close(m.fd) }

// descriptor does something with a socket.
func descriptor(c *net.UDPConn, f func(fd int) error) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var result error
	err = raw.Control(func(fd uintptr) { result = f(int(fd)) })
	return errors.Join(err, result)
}

// read takes what has come. The caller holds mu.
func (k *ticker) read() {
	for _, c := range k.ears {
		_ = descriptor(c, func(fd int) error {
			for {
				var b, control [128]byte
				n, controlled, _, _, err := unix.Recvmsg(fd, b[:], control[:], unix.MSG_DONTWAIT)
				switch {
				case errors.Is(err, unix.EAGAIN):
					return nil
				case err == nil && n >= 4: // all else is what an ICMP packet has said
					k.answers = append(k.answers, stamp(control[:controlled]))
					k.seen[binary.BigEndian.Uint32(b[n-4:n])] = true
				}
			}
		})
	}
	slices.SortFunc(k.answers, time.Time.Compare)
}

// flows waits until answers come.
func (k *ticker) flows(t *testing.T) {
	t.Helper()
	count := func() int {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.read()
		return len(k.answers)
	}
	before := count()
	eventually(t, "answers from the VIP", func() bool { return count() > before+20 })
}

// reset forgets what has been.
func (k *ticker) reset() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.read()
	k.missed.Store(0)
	k.answers, k.first = []time.Time{time.Now()}, k.sent.Load()+1
}

// lost is how many ticks since the last reset nobody has answered, and how many
// of them followed each other. Unlike the gap it does not grow when the client
// itself was kept waiting for the processor. The last ticks may be under way.
func (k *ticker) lost() (all, inRow int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.read()
	underWay := uint32(100 * time.Millisecond / k.every)
	row := 0
	for n := k.first; n+underWay <= k.sent.Load(); n++ {
		if k.seen[n] {
			row = 0
			continue
		}
		all, row = all+1, row+1
		inRow = max(inRow, row)
	}
	return all, inRow
}

// gap is the longest time without an answer.
func (k *ticker) gap() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.read()
	longest := time.Duration(0)
	for i := 1; i < len(k.answers); i++ {
		longest = max(longest, k.answers[i].Sub(k.answers[i-1]))
	}
	return longest
}

// String is what the client has lost and for how long it got no answer, and when.
func (k *ticker) String() string {
	all, row := k.lost()
	k.mu.Lock()
	defer k.mu.Unlock()
	text := fmt.Sprintf("%d ticks lost, %d of them in a row", all, row)
	for i := 1; i < len(k.answers); i++ {
		if gap := k.answers[i].Sub(k.answers[i-1]); gap > 4*k.every {
			text += fmt.Sprintf("; none for %s until %s", gap, k.answers[i].Format("05.000"))
		}
	}
	return text
}

// stall is for how long the machine has kept the ticker from sending since the
// last reset.
func (k *ticker) stall() time.Duration {
	return time.Duration(k.missed.Load()) * k.every
}

// losesOne holds that a planned hand-over has lost no more than a tick, and those
// for which a busy machine kept everybody waiting.
func (k *ticker) losesOne(t *testing.T) {
	t.Helper()
	lost, row := k.lost()
	stall := k.stall()
	t.Logf("longest gap %s, %d ticks lost; the client itself was kept waiting for %s", k.gap(), lost, stall)
	if row > 1+int(stall/k.every) {
		t.Errorf("%d ticks in a row were lost", row)
	}
}
