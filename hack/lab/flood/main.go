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

// Main is the sender: it reads the order, sends, writes what it has sent, and returns the exit code.
func Main() int {
	if err := serve(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func serve(in io.Reader, out io.Writer) error {
	var o Order
	if err := json.NewDecoder(in).Decode(&o); err != nil {
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
	if s.Elapsed, err = o.fire(shots); err != nil {
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

// fire sends until the time is over.
func (o Order) fire(shots []*shot) (elapsed time.Duration, err error) {
	runtime.LockOSThread() // until the process ends
	giveBack, err := takeProcessor()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, giveBack()) }()
	begin := time.Now()
	for n, last := 0, begin; ; n++ {
		now := time.Now()
		if now.Sub(begin) >= o.For {
			return now.Sub(begin), nil
		}
		if due := min(o.frames(now.Sub(last)), max(1, o.frames(mostPauses*pause))); due > 0 {
			last = now
			if err := shots[n%len(shots)].fire(due); err != nil {
				return 0, err
			}
		}
		// Not time.Sleep: the runtime's timers belong to threads without priority.
		if rest := pause - time.Since(now); rest > 0 {
			t := unix.NsecToTimespec(rest.Nanoseconds())
			_ = unix.Nanosleep(&t, nil) // woken early it is due less
		}
	}
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
