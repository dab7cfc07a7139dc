package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/notify/notice"
)

// inbox is a recipient in the bubble's time: what it got and when, as text.
type inbox struct {
	mu    sync.Mutex
	start time.Time
	got   []string
	takes time.Duration // for one message
	down  error         // why it takes none
	tries int
}

func (b *inbox) check() error { return nil }

func (b *inbox) send(ctx context.Context, m notice.Message) error {
	b.mu.Lock()
	b.tries++
	takes, down := b.takes, b.down
	b.mu.Unlock()
	select {
	case <-time.After(takes):
	case <-ctx.Done():
		return ctx.Err()
	}
	if down != nil {
		return down
	}
	var words []string
	for _, e := range m.Events {
		word := string(e.Kind) + " " + e.Virtual + e.Real + e.Cause
		if e.Reminder {
			word = "still " + word
		}
		words = append(words, word)
	}
	if m.Lost > 0 {
		words = append(words, fmt.Sprintf("lost %d", m.Lost))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.got = append(b.got, fmt.Sprintf("%s %s", time.Since(b.start), strings.Join(words, ", ")))
	return nil
}

// fails makes the recipient refuse everything; nil makes it well.
func (b *inbox) fails(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.down = err
}

func (b *inbox) want(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	if diff := cmp.Diff(want, b.got); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
	b.got = nil
}

// office is a notifier whose receivers are inboxes by name.
type office struct {
	*Notifier
	boxes map[string]*inbox
	stop  func()
}

func open(t *testing.T, list ...config.Receiver) *office {
	t.Helper()
	o := &office{boxes: map[string]*inbox{}}
	o.Notifier = New("lb1", nil, slog.New(slog.DiscardHandler))
	start := time.Now()
	o.split = func(list []config.Receiver) []settings {
		var all []settings
		for _, r := range list {
			if o.boxes[r.Name] == nil {
				o.boxes[r.Name] = &inbox{start: start}
			}
			s := settings{name: r.Name, Receiver: r, sender: o.boxes[r.Name], batch: 100}
			if r.Exec != nil {
				s.batch, s.attempts = 1, 3
			}
			all = append(all, s)
		}
		return all
	}
	o.Update("lb1", list)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		o.Run(ctx)
	}()
	o.stop = func() {
		cancel()
		<-done
	}
	return o
}

func receiverOf(name string, change ...func(*config.Receiver)) config.Receiver {
	r := config.Receiver{Name: name, On: notice.Kinds(), Rate: 60, Timeout: 30 * time.Second}
	for _, c := range change {
		c(&r)
	}
	return r
}

func down(real string) notice.Event {
	return notice.Event{Kind: notice.ServerDown, Virtual: "web/", Real: real}
}

func up(real string) notice.Event {
	return notice.Event{Kind: notice.ServerUp, Virtual: "web/", Real: real}
}

func drift(n int) notice.Event { return notice.Event{Kind: notice.Drift, Cause: fmt.Sprint(n)} }

func TestTell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, receiverOf("all"), receiverOf("ends", func(r *config.Receiver) { r.On = []notice.Kind{notice.ServerUp} }))
		o.Tell(up("a")) // nobody knew that it was down
		o.Tell(down("a"))
		synctest.Wait()
		time.Sleep(time.Second)
		o.Tell(down("a")) // known
		o.Tell(down("b"))
		synctest.Wait()
		time.Sleep(time.Second)
		o.Tell(up("a"))
		synctest.Wait()
		o.Tell(up("a"))
		o.boxes["all"].want(t, "0s server-down web/a", "1s server-down web/b", "2s server-up web/a")
		o.boxes["ends"].want(t, "2s server-up web/a")
		o.stop()
	})
}

// What a server says is one line, and no command for a terminal.
func TestErrorText(t *testing.T) {
	if got, want := errorText(errors.New("550 no\n\x1b]0;title\x07 \u009b31m at all\xff")), "550 no ]0;title 31m at all"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFlappingIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, receiverOf("all"))
		o.Tell(down("a"))
		for i := range 5 {
			o.Tell(notice.Event{Kind: notice.ServerFlapping, Virtual: "web/", Real: "a", Cause: fmt.Sprint(i)})
		}
		o.Tell(up("a"))
		o.boxes["all"].want(t, "0s server-down web/a, server-flapping web/a0, server-up web/a")
		o.stop()
	})
}

func TestSinceIsFilled(t *testing.T) {
	p := problems{}
	begin, end := down("a"), up("a")
	begin.Time = time.Unix(1000, 0)
	p.news(&begin)
	if !p.news(&end) || !end.Since.Equal(begin.Time) {
		t.Errorf("since %s, want %s", end.Since, begin.Time)
	}
}

func TestCollect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, receiverOf("mail", func(r *config.Receiver) { r.Collect = 10 * time.Second }))
		for _, real := range []string{"a", "b", "c"} {
			o.Tell(down(real))
			time.Sleep(3 * time.Second)
		}
		time.Sleep(time.Hour)
		o.boxes["mail"].want(t, "10s server-down web/a, server-down web/b, server-down web/c")
		o.stop()
	})
}

func TestRepeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, receiverOf("mail", func(r *config.Receiver) {
			r.Repeat, r.Collect = time.Hour, 10*time.Second
			r.On = []notice.Kind{notice.ServerDown}
		}))
		o.Tell(down("a"))
		o.Tell(notice.Event{Kind: notice.ServiceDown, Virtual: "web"}) // not wanted
		time.Sleep(30 * time.Minute)
		o.Tell(down("b"))
		time.Sleep(135 * time.Minute)
		o.Tell(up("a"))
		time.Sleep(time.Hour)
		o.Tell(up("b"))
		time.Sleep(5 * time.Hour)
		o.boxes["mail"].want(t,
			"10s server-down web/a", "30m10s server-down web/b",
			"1h0m10s still server-down web/a", "1h30m10s still server-down web/b",
			"2h0m10s still server-down web/a", "2h30m10s still server-down web/b", "3h30m10s still server-down web/b")
		o.stop()
	})
}

// What is gone from the configuration is not reminded of for ever.
func TestForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, receiverOf("mail", func(r *config.Receiver) { r.Repeat = time.Hour }))
		o.Tell(down("a"))
		o.Tell(down("b"))
		synctest.Wait()
		o.Forget(func(e notice.Event) bool { return e.Real == "a" })
		time.Sleep(90 * time.Minute)
		o.Tell(up("a"))
		o.boxes["mail"].want(t, "0s server-down web/a, server-down web/b", "1h0m0s still server-down web/b")
		o.stop()
	})
}

func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, receiverOf("hook"))
		b := o.boxes["hook"]
		b.fails(errors.New("refused"))
		o.Tell(down("a"))
		time.Sleep(10 * time.Second) // tries at 0, 1, 3 and 7 s
		o.Tell(down("b"))
		synctest.Wait()
		if s := o.Status()[0]; s.Failed != 4 || s.Waiting != 2 || s.Error != "refused" || s.Sent != 0 {
			t.Errorf("status %+v", s)
		}
		b.fails(nil)
		time.Sleep(10 * time.Second)
		b.want(t, "15s server-down web/a, server-down web/b")
		if s := o.Status()[0]; s.Failed != 4 || s.Waiting != 0 || s.Error != "" || s.Sent != 1 {
			t.Errorf("status %+v", s)
		}
		o.stop()
	})
}

// A message is tried for a day and then given up; the next one says so.
func TestTooOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, receiverOf("hook"))
		b := o.boxes["hook"]
		b.fails(errors.New("refused"))
		o.Tell(down("a"))
		time.Sleep(25 * time.Hour)
		b.fails(nil)
		o.Tell(down("b"))
		synctest.Wait()
		if b.tries > 24*12+20 {
			t.Errorf("%d tries in a day", b.tries)
		}
		time.Sleep(time.Second)
		b.want(t, "25h0m0s server-down web/b, lost 1")
		o.stop()
	})
}

// A program that fails is tried three times, and then the next event is told.
func TestProgramIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, receiverOf("script", func(r *config.Receiver) { r.Exec = &config.Exec{} }))
		b := o.boxes["script"]
		b.fails(errors.New("exit code 1"))
		o.Tell(down("a"))
		time.Sleep(2 * time.Second)
		o.Tell(down("b"))
		time.Sleep(1500 * time.Millisecond) // the third try for a, and the first for b
		synctest.Wait()
		if b.tries != 4 {
			t.Errorf("%d tries, want 4", b.tries)
		}
		b.fails(nil)
		o.Tell(down("c"))
		time.Sleep(time.Minute)
		b.want(t, "4s server-down web/b, lost 1", "4s server-down web/c")
		o.stop()
	})
}

func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, receiverOf("hook", func(r *config.Receiver) { r.Rate = 3 }))
		for i := range 8 {
			o.Tell(drift(i))
			time.Sleep(5 * time.Second)
		}
		time.Sleep(time.Hour)
		o.boxes["hook"].want(t, "0s drift 0", "5s drift 1", "10s drift 2",
			"1m0s drift 3, drift 4, drift 5, drift 6, drift 7")
		o.stop()
	})
}

// A receiver that hangs delays neither the others nor who tells.
func TestHungReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, receiverOf("hung"), receiverOf("well"))
		o.boxes["hung"].takes = 1000 * time.Hour
		start := time.Now()
		for i := range 3 {
			o.Tell(drift(i))
			synctest.Wait()
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("telling took %s", took)
		}
		o.boxes["well"].want(t, "0s drift 0", "0s drift 1", "0s drift 2")
		time.Sleep(31 * time.Second)
		if s := o.Status()[0]; s.Error != "timed out after 30s" || s.Waiting != 3 {
			t.Errorf("status %+v", s)
		}
		o.stop()
	})
}

func TestOverflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, receiverOf("hook"))
		b := o.boxes["hook"]
		b.takes = time.Second
		o.Tell(drift(0))
		synctest.Wait() // under way
		for i := range maxWaiting + 5 {
			o.Tell(drift(i + 1))
		}
		if s := o.Status()[0]; s.Lost != 5 || s.Waiting != maxWaiting+1 {
			t.Errorf("status %+v", s)
		}
		time.Sleep(2500 * time.Millisecond)
		synctest.Wait()
		if first, second := b.got[0], b.got[1]; first != "1s drift 0" ||
			!strings.HasPrefix(second, "2s drift 6, drift 7, ") || !strings.HasSuffix(second, ", lost 5") {
			t.Errorf("got %s\nand %s", first, second)
		}
		o.stop()
	})
}

// A reload keeps what is waiting, whatever it changes.
func TestUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := func(r *config.Receiver) { r.Collect = time.Minute }
		o := open(t, receiverOf("changed", slow), receiverOf("gone", slow), receiverOf("same", slow))
		o.Tell(down("a"))
		synctest.Wait()
		time.Sleep(10 * time.Second)
		o.Update("lb2", []config.Receiver{
			receiverOf("changed", func(r *config.Receiver) { r.Collect = 20 * time.Second }),
			receiverOf("new", func(r *config.Receiver) { r.Repeat = time.Hour }),
			receiverOf("same", slow),
		})
		o.boxes["gone"].want(t, "10s server-down web/a")
		time.Sleep(50*time.Second + time.Hour)
		o.boxes["changed"].want(t, "20s server-down web/a")
		o.boxes["same"].want(t, "1m0s server-down web/a")
		o.boxes["new"].want(t, "1h0m10s still server-down web/a")
		o.Update("lb2", nil)
		o.Tell(down("b"))
		o.stop()
	})
}

// A receiver that cannot be reached is tried at once after a reload: it may have
// been put right.
func TestUpdateRetriesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, receiverOf("hook"))
		b := o.boxes["hook"]
		b.fails(errors.New("refused"))
		o.Tell(down("a"))
		time.Sleep(10 * time.Minute)
		b.fails(nil)
		o.Update("lb1", []config.Receiver{receiverOf("hook")})
		b.want(t, "10m0s server-down web/a")
		o.stop()
	})
}

// What is waiting when the daemon stops is told, without holding it up.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := func(r *config.Receiver) { r.Collect = time.Hour }
		o := open(t, receiverOf("well", slow), receiverOf("hung"), receiverOf("dead"))
		o.boxes["hung"].takes = 1000 * time.Hour
		o.boxes["dead"].fails(errors.New("refused"))
		o.Tell(notice.Event{Kind: notice.RoleChanged, Instance: "front", To: "backup"})
		synctest.Wait()
		time.Sleep(time.Second)
		stopped := time.Now()
		o.stop()
		if took := time.Since(stopped); took != lastWords {
			t.Errorf("stopping took %s, want %s", took, lastWords)
		}
		o.boxes["well"].want(t, "1s role-changed ")
	})
}
