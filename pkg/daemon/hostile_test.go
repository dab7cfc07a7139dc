package daemon

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/control"
)

// Whatever clients do at the socket, the rounds go on as before, and who asks
// properly gets an answer.
func TestHostileClients(t *testing.T) {
	r := start(t, web("director.resync = \"1s\"\n", "rs1", "rs2"))
	ctx, end := context.WithTimeout(t.Context(), 3500*time.Millisecond)
	defer end()
	var hostile sync.WaitGroup
	defer hostile.Wait()
	for range 1000 { // they say nothing
		c, err := net.Dial("unix", r.socket())
		must(t, err)
		defer c.Close()
	}
	for range 100 { // they dribble
		hostile.Go(func() { attack(ctx, r.socket(), "GET /v1/status HTTP/1.1\r\nHost: x\r\nX: ", 1, 50*time.Millisecond) })
	}
	for range 2 { // they send without end
		hostile.Go(func() {
			attack(ctx, r.socket(), "POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 1073741824\r\n\r\n", 1<<16, 0)
		})
	}
	for range 10 { // they ask for ever
		hostile.Go(func() {
			for ctx.Err() == nil {
				_, _ = control.Dial(r.socket()).Status(ctx)
			}
		})
	}
	var worst, slowest time.Duration
	answers, rounds := 0, 0
	for last := r.d.reconciler.Last().Start; ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
		begin := time.Now()
		if _, err := control.Dial(r.socket()).Status(t.Context()); err != nil {
			t.Errorf("status: %v", err)
		}
		slowest, answers = max(slowest, time.Since(begin)), answers+1
		if now := r.d.reconciler.Last().Start; now.After(last) {
			worst, last, rounds = max(worst, now.Sub(last)), now, rounds+1
		}
	}
	if worst > 2*time.Second || rounds < 2 {
		t.Errorf("%d rounds, up to %s apart, want one a second", rounds, worst)
	}
	t.Logf("%d rounds, up to %s apart; %d answers, the slowest after %s", rounds, worst, answers, slowest)
}

// attack sends a text and then some bytes after each pause, on one connection after
// the other.
func attack(ctx context.Context, socket, text string, size int, pause time.Duration) {
	for ctx.Err() == nil {
		c, err := net.Dial("unix", socket)
		if err != nil {
			continue
		}
		_, err = fmt.Fprint(c, text)
		for err == nil && ctx.Err() == nil {
			_, err = c.Write(make([]byte, size))
			time.Sleep(pause)
		}
		if pause == 0 {
			_, _ = io.Copy(io.Discard, io.LimitReader(c, 100)) // a refusal
		}
		c.Close()
	}
}
