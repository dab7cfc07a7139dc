package ipvs

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/lvs"
)

const (
	// batchMessages and batchBytes bound what goes to the kernel in one system
	// call; it must fit the send buffer, 208 KiB unless set otherwise.
	batchMessages = 512
	batchBytes    = 128 << 10

	// answerSize is what the kernel counts for one error answer in the queue.
	answerSize = 1 << 10
)

// Apply makes the changes in their order and tells of each how it went: nil or
// an error that says what was attempted, with the kernel's errno in it. A change
// that fails does not stop the others; with the context done, those that are
// left fail with its error.
//
// Errno values: ESRCH no such service, ENOENT no such server, scheduler or
// persistence engine, EEXIST already there, ERANGE a negative weight or a lower
// threshold over the upper one, EINVAL an address that cannot be one of a server
// or a server of another family without TUN, ENOBUFS the outcome is unknown.
func (t *Table) Apply(ctx context.Context, changes []lvs.Change) []error {
	t.mu.Lock()
	defer t.mu.Unlock()
	errs := make([]error, len(changes))
	if len(changes) == 1 && mobyCan(changes[0]) {
		errs[0] = t.applyAlone(ctx, changes[0])
	} else {
		t.applyBatches(ctx, changes, errs)
	}
	for i, err := range errs {
		if err != nil {
			errs[i] = fmt.Errorf("%s: %w", changes[i].Brief(), err)
		}
	}
	return errs
}

func (t *Table) applyBatches(ctx context.Context, changes []lvs.Change, errs []error) {
	limit := max(1, min(batchMessages, t.conn.queue()/answerSize))
	for start := 0; start < len(changes); {
		if err := ctx.Err(); err != nil {
			fill(errs[start:], err)
			return
		}
		n := t.conn.batch(changes[start:], errs[start:], limit)
		start += n
	}
}

// fill gives an error to every change that has none.
func fill(errs []error, err error) {
	for i := range errs {
		if errs[i] == nil {
			errs[i] = err
		}
	}
}

// batch sends as many changes as one system call bears, collects their errors
// and returns how many it took. Only the last message asks for an answer, and
// the kernel answers in order, so that one ends the batch; every other answer is
// an error and finds its change by sequence number.
func (c *conn) batch(changes []lvs.Change, errs []error, limit int) int {
	first := c.seq + 1
	n, last := c.encode(changes, errs, limit)
	if last < 0 {
		return n
	}
	err := c.send()
	if err == nil {
		err = c.collect(errs[:n], first, last)
	}
	if err != nil {
		fill(errs[:n], err)
	}
	return n
}

// encode writes messages for the first of the changes and returns how many it
// took, and which was the last that became a message, or -1.
func (c *conn) encode(changes []lvs.Change, errs []error, limit int) (n, last int) {
	c.out.b = c.out.b[:0]
	last, at := -1, 0
	for n < min(len(changes), limit) && len(c.out.b) < batchBytes {
		c.seq++
		if errs[n] = check(changes[n]); errs[n] == nil {
			last, at = n, c.out.message(c.family, 0, c.seq, command(changes[n]))
			c.out.change(changes[n])
			c.out.endMessage(at)
		}
		n++
	}
	if last >= 0 {
		c.out.askAck(at)
	}
	return n, last
}

// collect reads the answers to a batch. Its error means that the outcome of
// every change without an error of its own is unknown.
func (c *conn) collect(errs []error, first uint32, last int) error {
	var lost error
	receive := c.receive
	for {
		b, err := receive()
		switch {
		case errors.Is(err, unix.ENOBUFS):
			// The queue has overflowed: what it holds is still worth
			// reading, but the answer that ends the batch may be lost.
			lost, receive = err, c.read
		case errors.Is(err, unix.EAGAIN) && lost != nil:
			return lost
		case err != nil:
			return err
		case answered(b, errs, first, last):
			return lost
		}
	}
}

// answered notes the errors in a datagram and tells whether the last change
// has its answer.
func answered(b []byte, errs []error, first uint32, last int) bool {
	done := false
	for len(b) > 0 {
		m, rest, err := nextMessage(b)
		if err != nil {
			return done
		}
		b = rest
		i := m.seq - first
		if m.typ != unix.NLMSG_ERROR || uint64(i) >= uint64(len(errs)) {
			continue // the answer to a request that timed out
		}
		errs[i] = m.err()
		done = done || int(i) == last
	}
	return done
}
