package lab

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// LoadConfig says what a load generator does.
type LoadConfig struct {
	URL      string
	Workers  int           // how many requests may be under way at once; 0 means 1
	Requests int           // ends after so many; 0 means never
	Rate     float64       // starts at most so many requests a second, all workers together; 0 means no limit
	Timeout  time.Duration // of one request; 0 means 5 s
}

// A Load sends requests, each over a connection of its own.
type Load struct {
	client *http.Client
	config LoadConfig
	stop   context.CancelFunc
	done   chan struct{} // closed when everything has ended
	tokens chan struct{} // one is needed to start a request

	mu      sync.Mutex
	started time.Time
	ended   time.Time // zero while the load runs
	last    time.Time // of the last success
	report  Report
}

// A Report is the result of a load.
type Report struct {
	Requests, Failures int
	ByServer           map[string]int // successes by the body of the answer
	Errors             map[string]int // failures by their text
	Latencies          []time.Duration
	LongestGap         time.Duration // between two successes, or between start or end and one
	Elapsed            time.Duration
}

// StartLoad starts a load on the host. It ends when ctx does, when Stop is called, or after Requests; requests under way are always
// completed and counted.
func (h *Host) StartLoad(ctx context.Context, c LoadConfig) *Load {
	c.Workers = max(c.Workers, 1)
	if c.Timeout == 0 {
		c.Timeout = dialTimeout
	}
	client := h.HTTPClient()
	client.Timeout = c.Timeout
	l := &Load{client: client, config: c, tokens: make(chan struct{}), done: make(chan struct{}), started: time.Now()}
	l.last = l.started
	l.report = Report{ByServer: map[string]int{}, Errors: map[string]int{}}
	running, stop := context.WithCancel(ctx)
	l.stop = stop
	var workers sync.WaitGroup
	workers.Go(func() { l.issue(running) })
	for range c.Workers {
		workers.Go(l.work)
	}
	forget := h.lab.onClose(func() error {
		l.Stop()
		return nil
	})
	go func() {
		defer close(l.done)
		workers.Wait()
		l.end()
		stop()
		forget()
	}()
	return l
}

// issue gives out the tokens at the configured rate, and ends the load by closing their channel.
func (l *Load) issue(ctx context.Context) {
	defer close(l.tokens)
	var tick <-chan time.Time
	if l.config.Rate > 0 {
		ticker := time.NewTicker(time.Duration(float64(time.Second) / l.config.Rate))
		defer ticker.Stop()
		tick = ticker.C
	}
	for n := 0; l.config.Requests == 0 || n < l.config.Requests; n++ {
		if tick != nil {
			select {
			case <-tick:
			case <-ctx.Done():
				return
			}
		}
		select {
		case l.tokens <- struct{}{}:
		case <-ctx.Done():
			return
		}
	}
}

func (l *Load) work() {
	for range l.tokens {
		start := time.Now()
		// Not the load's context: the end of the load must not count as a failure.
		server, err := get(context.Background(), l.client, l.config.URL)
		l.record(server, err, start, time.Now())
	}
}

func (l *Load) record(server string, err error, start, end time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.report.Requests++
	if err != nil {
		l.report.Failures++
		l.report.Errors[err.Error()]++
		return
	}
	l.report.ByServer[server]++
	l.report.Latencies = append(l.report.Latencies, end.Sub(start))
	l.report.LongestGap = max(l.report.LongestGap, end.Sub(l.last))
	l.last = end
}

func (l *Load) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = time.Now()
}

// Stop ends the load, waits for the requests under way and returns the result.
func (l *Load) Stop() Report {
	l.stop()
	return l.Wait()
}

// Wait waits until the load has ended by itself and returns the result.
func (l *Load) Wait() Report {
	<-l.done
	return l.Report()
}

// Report returns the result so far.
func (l *Load) Report() Report {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.report
	r.ByServer, r.Errors, r.Latencies = maps.Clone(r.ByServer), maps.Clone(r.Errors), slices.Clone(r.Latencies)
	now := l.ended
	if now.IsZero() {
		now = time.Now()
	}
	r.Elapsed = now.Sub(l.started)
	r.LongestGap = max(r.LongestGap, now.Sub(l.last))
	slices.Sort(r.Latencies)
	return r
}

// Latency returns the time within which the share p (0…1) of the successful requests was answered, 0 if there was none.
func (r Report) Latency(p float64) time.Duration {
	if len(r.Latencies) == 0 {
		return 0
	}
	i := int(p * float64(len(r.Latencies)))
	return r.Latencies[min(max(i, 0), len(r.Latencies)-1)]
}

// String gives the result in one line, and one line for each kind of error.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d requests in %s, %d failed, median %s, longest gap %s;", r.Requests, r.Elapsed.Round(time.Millisecond), r.Failures,
		r.Latency(0.5).Round(time.Microsecond), r.LongestGap.Round(time.Millisecond))
	for _, name := range slices.SortedFunc(maps.Keys(r.ByServer), compareNames) {
		fmt.Fprintf(&b, " %s %d", name, r.ByServer[name])
	}
	for _, text := range slices.Sorted(maps.Keys(r.Errors)) {
		fmt.Fprintf(&b, "\n%d × %s", r.Errors[text], text)
	}
	return b.String()
}
