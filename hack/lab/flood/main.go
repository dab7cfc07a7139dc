package flood

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// liveFrames is BPF_F_TEST_XDP_LIVE_FRAMES: what the program says is done with the frames.
const liveFrames = 1 << 1

// pause is the time between two bursts. A call costs User-Mode Linux about as much as a hundred frames.
const pause = 5 * time.Millisecond

// mostPauses is how many pauses' frames a burst has at most: what a wire could not deliver in time it does not deliver later.
const mostPauses = 2

// mostBurst keeps a burst so short that every kind has its turn also in a flood that the processor does not manage.
const mostBurst = 2048

// Main is the sender: it reads the order, sends, writes what it has sent, and returns the exit code.
func Main() int {
	if err := serve(os.Getenv(orderEnv), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func serve(order string, out io.Writer) error {
	var o Order
	if err := json.Unmarshal([]byte(order), &o); err != nil {
		return fmt.Errorf("read the order: %w", err)
	}
	if err := o.check(); err != nil {
		return err
	}
	s, err := send(o)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(s)
}

func send(o Order) (s Sent, err error) {
	i, err := net.InterfaceByName(o.Cable)
	if err != nil {
		return s, fmt.Errorf("find %s: %w", o.Cable, err)
	}
	var shots []*shot
	defer func() {
		for _, shot := range shots {
			err = errors.Join(err, shot.close())
		}
	}()
	for _, k := range o.Kinds {
		shot, err := newShot(k, i.Index)
		if err != nil {
			return s, err
		}
		shots = append(shots, shot)
	}
	if s.Begin, s.End, err = o.fire(shots); err != nil {
		return s, err
	}
	s.Kinds = map[string]uint64{}
	for _, shot := range shots {
		n, err := shot.sent()
		if err != nil {
			return s, fmt.Errorf("read how many were sent: %w", err)
		}
		s.Kinds[shot.kind.Name] += n
	}
	return s, nil
}

// fire says that it begins, and sends until the time is over.
func (o Order) fire(shots []*shot) (begin, end time.Time, err error) {
	runtime.LockOSThread() // until the process ends
	if err := sayReady(); err != nil {
		return begin, end, err
	}
	giveBack, err := takeProcessor()
	if err != nil {
		return begin, end, err
	}
	defer func() { err = errors.Join(err, giveBack()) }()
	begin = time.Now()
	last := begin
	for n := 0; ; n++ {
		now := time.Now()
		if now.Sub(begin) >= o.For {
			return begin, now, nil
		}
		if due := min(o.frames(now.Sub(last)), max(1, o.frames(mostPauses*pause)), mostBurst); due > 0 {
			last = now
			if err := shots[n%len(shots)].fire(due); err != nil {
				return begin, now, err
			}
		}
		// Not time.Sleep: the runtime's timers belong to threads without priority.
		if rest := pause - time.Since(now); rest > 0 {
			t := unix.NsecToTimespec(rest.Nanoseconds())
			_ = unix.Nanosleep(&t, nil) // woken early it is due less
		}
	}
}

// sayReady tells who started us, as sd_notify(3) has it.
func sayReady() error {
	c, err := net.Dial("unixgram", os.Getenv("NOTIFY_SOCKET"))
	if err != nil {
		return fmt.Errorf("say that it begins: %w", err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("READY=1")); err != nil {
		return fmt.Errorf("say that it begins: %w", err)
	}
	return nil
}

// frames is how many come in a time.
func (o Order) frames(in time.Duration) int { return int(in.Seconds() * float64(o.Rate)) }

func (s *shot) fire(n int) error {
	_, err := s.program.Run(&ebpf.RunOptions{Data: s.kind.Frame, Repeat: uint32(n), Flags: liveFrames})
	if err != nil {
		return fmt.Errorf("send %s: %w", s.kind.Name, err)
	}
	return nil
}
