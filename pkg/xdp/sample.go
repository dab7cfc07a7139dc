package xdp

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// Where the fields of struct sample in bpf/guard.h are.
const (
	sampleTime    = 0
	sampleIndex   = 8
	sampleLength  = 12
	sampleReason  = 16
	sampleDropped = 17
	sampleHeadLen = 18
	sampleHead    = 24
	sampleSize    = sampleHead + 128
)

// record is a sample as it comes.
type record struct {
	time  uint64 // nanoseconds of CLOCK_MONOTONIC
	index uint32 // of the interface
	lvs.GuardSample
}

var errSample = errors.New("this is no sample")

// parseSample reads what the program wrote.
func parseSample(b []byte) (r record, err error) {
	if len(b) < sampleSize {
		return r, errSample
	}
	n := int(binary.NativeEndian.Uint16(b[sampleHeadLen:]))
	if n > sampleSize-sampleHead {
		return r, errSample
	}
	r.time = binary.NativeEndian.Uint64(b[sampleTime:])
	r.index = binary.NativeEndian.Uint32(b[sampleIndex:])
	r.Length = binary.NativeEndian.Uint32(b[sampleLength:])
	r.Reason = lvs.GuardReason(b[sampleReason])
	r.Dropped = b[sampleDropped] != 0
	r.Head = append([]byte(nil), b[sampleHead:sampleHead+n]...)
	return r, nil
}

// Samples gives the heads of dropped packets to f until the context is done;
// that is no error. One call at a time gets them.
func (g *Guard) Samples(ctx context.Context, f func(lvs.GuardSample)) error {
	if !g.sampling.TryLock() {
		return errors.New("read the guard's samples: somebody does already")
	}
	defer g.sampling.Unlock()
	reader, err := ringbuf.NewReader(g.objects.Samples)
	if err != nil {
		return fmt.Errorf("read the guard's samples: %w", err)
	}
	defer reader.Close()
	defer context.AfterFunc(ctx, func() { reader.Close() })()
	names := interfaceNames{}
	for {
		raw, err := reader.Read()
		if errors.Is(err, ringbuf.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the guard's samples: %w", err)
		}
		r, err := parseSample(raw.RawSample)
		if err != nil {
			return fmt.Errorf("read the guard's samples: %w", err)
		}
		r.Time = wallTime(r.time)
		r.Interface = names.of(int(r.index))
		f(r.GuardSample)
	}
}

// wallTime turns a time of CLOCK_MONOTONIC into one of people's.
func wallTime(nanoseconds uint64) time.Time {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return time.Now()
	}
	return time.Now().Add(time.Duration(int64(nanoseconds) - now.Nano()))
}

// interfaceNames remembers the names by index.
type interfaceNames map[int]string

func (n interfaceNames) of(index int) string {
	name, ok := n[index]
	if !ok {
		if i, err := net.InterfaceByIndex(index); err == nil {
			name = i.Name
		}
		n[index] = name
	}
	return name
}
