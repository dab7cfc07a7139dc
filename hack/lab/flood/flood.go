// Package flood sends floods into a lab as a network card would: frames that come at their rate whatever the hosts are busy with.
//
// They are made inside the kernel, by an XDP program that is run on live frames (Linux 5.18) and redirects each into a cable, so that the
// host at its other end receives it as from a driver and an XDP program there sees it first. A system call for each frame, of which User-Mode
// Linux manages ten thousand a second, would be slower than any director. What sends is a process of its own with real-time priority: a
// wire does not wait for processes either. So TestMain of a test that floods has to begin with
//
//	if flood.Ordered() {
//		os.Exit(flood.Main())
//	}
//
// A flood lasts no longer than ordered and cannot leave the namespace that it is sent in.
package flood

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/lvsd/lvsd/hack/lab"
)

// The bounds of an order.
const (
	mostRate = 5_000_000
	mostTime = time.Minute
)

// A Kind is frames that are alike but for some words.
type Kind struct {
	Name  string
	Frame []byte
	Draws []Draw
}

// A Draw is a 16-bit word that is drawn anew for each frame, never 0, and its complement, which is written elsewhere, so that a sum over
// both does not change (RFC 1071). The frame must have 0 in the word's place and 0xffff in those of its complement.
type Draw struct {
	Word       int // offset in the frame
	Complement []int
}

// An Order says what to send.
type Order struct {
	Cable string // the interface at this end of a cable; it must be up, and the other end must poll: see lab.Host.Poll
	Rate  int    // frames a second, of all kinds together
	For   time.Duration
	Kinds []Kind // a burst of each in turn
}

// Sent is what was sent, to the frame, and when.
type Sent struct {
	Kinds      map[string]uint64
	Begin, End time.Time
}

// Frames is how many there were of all kinds.
func (s Sent) Frames() (n uint64) {
	for _, k := range s.Kinds {
		n += k
	}
	return n
}

// Rate is what became of the rate that was ordered: less, if the processor did not manage it.
func (s Sent) Rate() int { return int(float64(s.Frames()) / s.End.Sub(s.Begin).Seconds()) }

func (o Order) check() error {
	switch {
	case o.Rate < 1 || o.Rate > mostRate:
		return fmt.Errorf("a rate of %d frames/s: expected 1 to %d", o.Rate, mostRate)
	case o.For <= 0 || o.For > mostTime:
		return fmt.Errorf("a time of %s: expected up to %s", o.For, mostTime)
	case len(o.Kinds) == 0:
		return errors.New("no kinds of frames")
	}
	for _, k := range o.Kinds {
		if err := k.check(); err != nil {
			return fmt.Errorf("%s: %w", k.Name, err)
		}
	}
	return nil
}

// orderEnv names the environment variable that makes this program a sender and tells it what to send.
const orderEnv = "LVSD_LAB_FLOOD"

// Ordered tells whether this process is to be a sender.
func Ordered() bool { return os.Getenv(orderEnv) != "" }

// A Flood is on its way.
type Flood struct {
	sender *lab.Cmd
	out    bytes.Buffer
	errors bytes.Buffer
	cancel context.CancelFunc
}

// Start starts a flood from a host, most often the lab's Switch, and returns when it begins.
func Start(ctx context.Context, from *lab.Host, o Order) (*Flood, error) {
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("flood: %w", err)
	}
	order, err := json.Marshal(o)
	if err != nil {
		return nil, fmt.Errorf("flood: %w", err)
	}
	// Far more time than it takes on a busy machine.
	ctx, cancel := context.WithTimeout(ctx, o.For+mostTime)
	f := &Flood{sender: from.Command(ctx, os.Args[0]), cancel: cancel}
	f.sender.Env = append(os.Environ(), orderEnv+"="+string(order))
	f.sender.Stdout, f.sender.Stderr = &f.out, &f.errors
	if err := f.sender.StartReady(ctx); err != nil {
		cancel()
		return nil, fmt.Errorf("flood: %w: %s", err, strings.TrimSpace(f.errors.String()))
	}
	return f, nil
}

// Wait returns when the flood is over.
func (f *Flood) Wait() (s Sent, err error) {
	defer f.cancel()
	if err := f.sender.Wait(); err != nil {
		return s, fmt.Errorf("flood: %w: %s", err, strings.TrimSpace(f.errors.String()))
	}
	if err := json.Unmarshal(f.out.Bytes(), &s); err != nil {
		return s, fmt.Errorf("flood: read what was sent: %w", err)
	}
	return s, nil
}
