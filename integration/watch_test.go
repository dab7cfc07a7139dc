package integration

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
	"github.com/lvsd/lvsd/pkg/ipvs"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// watcher reads a host's table as often as it can and keeps every state that it
// saw.
type watcher struct {
	table *ipvs.Table
	stop  chan struct{}
	done  sync.WaitGroup

	mu   sync.Mutex
	seen []sight
}

// sight is a state of the table and when it was first seen.
type sight struct {
	at       time.Time
	services []lvs.Service
}

// text is one line for the services that are not helpers.
func (s sight) text() string {
	var parts []string
	for _, service := range s.services {
		if service.Key.Mark != 0 {
			continue
		}
		line := service.Key.String()
		for _, r := range service.Servers {
			line += fmt.Sprintf(" %s=%d", r.Key, r.Weight)
		}
		parts = append(parts, line)
	}
	return strings.Join(parts, "; ")
}

// weight is a server's in the only service, -1 if it is not there.
func (s sight) weight(addr string) int32 {
	for _, service := range s.services {
		for _, r := range service.Servers {
			if r.Key.Addr().String() == addr && service.Key.Mark == 0 {
				return r.Weight
			}
		}
	}
	return -1
}

func watch(t *testing.T, host *lab.Host) *watcher {
	t.Helper()
	w := &watcher{stop: make(chan struct{})}
	labtest.NoError(t, host.Do(func() (err error) {
		w.table, err = ipvs.Open()
		return err
	}))
	w.done.Go(w.run)
	t.Cleanup(w.end)
	return w
}

func (w *watcher) run() {
	last := "nothing yet"
	for {
		select {
		case <-w.stop:
			return
		case <-time.After(2 * time.Millisecond):
		}
		services, err := w.table.Services()
		if err != nil {
			continue // it changed while it was read
		}
		s := sight{time.Now(), services}
		if s.text() == last {
			continue
		}
		last = s.text()
		w.mu.Lock()
		w.seen = append(w.seen, s)
		w.mu.Unlock()
	}
}

func (w *watcher) end() {
	select {
	case <-w.stop:
	default:
		close(w.stop)
		w.done.Wait()
		w.table.Close()
	}
}

// sights gives what was seen so far.
func (w *watcher) sights() []sight {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.seen)
}

// now is the state that was seen last.
func (w *watcher) now() sight {
	all := w.sights()
	if len(all) == 0 {
		return sight{}
	}
	return all[len(all)-1]
}
