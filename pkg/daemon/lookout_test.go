package daemon

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// begin runs a lookout and gives the function that ends it.
func begin(t *testing.T, l *lookout) (end func()) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = l.run(ctx)
	}()
	return func() {
		cancel()
		<-ended
	}
}

// However many ask, they share looks, and each gets one that began after it asked.
func TestLookoutIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var looks atomic.Int32
		l := newLookout(func() sight {
			looks.Add(1)
			began := time.Now()
			time.Sleep(100 * time.Millisecond)
			return sight{at: began}
		})
		defer begin(t, l)()
		var asking sync.WaitGroup
		for range 1000 {
			asking.Go(func() {
				asked := time.Now()
				if s, err := l.sight(t.Context()); err != nil || s.at.Before(asked) {
					t.Errorf("asked at %s, got %s, %v", asked, s.at, err)
				}
			})
		}
		asking.Wait()
		if n := looks.Load(); n > 2 {
			t.Errorf("%d looks", n)
		}
	})
}

// A kernel that does not answer holds up nobody for long.
func TestLookoutOfAKernelThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		calls := 0
		l := newLookout(func() sight {
			if calls++; calls > 1 {
				<-hang
			}
			return sight{at: time.Now()}
		})
		end := begin(t, l)
		first, err := l.sight(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		if s, err := l.sight(t.Context()); err != nil || s.at != first.at || time.Since(begun) != lookPatience {
			t.Errorf("after %s: %v, %v", time.Since(begun), s.at, err)
		}
		close(hang)
		end()
	})
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		l := newLookout(func() sight { <-hang; return sight{} })
		end := begin(t, l)
		if _, err := l.sight(t.Context()); err == nil {
			t.Error("nothing was ever seen, and no error")
		}
		close(hang)
		end()
	})
}

// An error is told, and the next look may have none.
func TestLookoutError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		no := errors.New("no")
		errs := []error{no, nil}
		l := newLookout(func() sight {
			err := errs[0]
			errs = errs[1:]
			return sight{at: time.Now(), err: err}
		})
		defer begin(t, l)()
		if _, err := l.sight(t.Context()); !errors.Is(err, no) {
			t.Errorf("got %v", err)
		}
		if _, err := l.sight(t.Context()); err != nil {
			t.Errorf("got %v", err)
		}
	})
}
