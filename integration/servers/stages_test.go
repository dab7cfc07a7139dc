package servers

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/health/check"
)

const (
	// timeout is the deadline of the checks that must not reach it.
	timeout = 10 * time.Second

	// hungTimeout is the deadline of the checks of a server that is silent.
	hungTimeout = 500 * time.Millisecond

	// slowTimeout is the deadline of the checks of a server that sends a byte
	// every pace: two of them.
	slowTimeout = 2500 * time.Millisecond
	pace        = time.Second

	// grace is how long after its deadline a check may end: a busy machine has
	// been seen to stand still for a second.
	grace = 3 * time.Second
)

// question is a check and what comes of it: want is its error, in which ADDR is
// the target and … anything; "" is success.
type question struct {
	name   string
	spec   check.Spec
	target check.Target
	want   string
}

// ask asks each question of a server that runs.
func ask(t *testing.T, questions []question) {
	t.Helper()
	for _, q := range questions {
		t.Run(q.name, func(t *testing.T) { q.expect(t, probe(t, q.spec, q.target, timeout)) })
	}
}

func (q question) expect(t *testing.T, r check.Result) {
	t.Helper()
	want := strings.ReplaceAll(q.want, "ADDR", q.target.String())
	if r.OK != (want == "") || !matches(r.Error, want) {
		t.Errorf("got OK %v, error\n%s\nwant\n%s", r.OK, r.Error, want)
	}
}

func matches(got, want string) bool {
	before, after, open := strings.Cut(want, "…")
	if !open {
		return got == want
	}
	return strings.HasPrefix(got, before) && strings.HasSuffix(got, after)
}

// slow asks through a relay: at full speed, which must be a success, and with a
// byte a second, which must end at the deadline, each with what it wants.
func slow(t *testing.T, questions []question) {
	t.Helper()
	t.Run("slow", func(t *testing.T) {
		for _, q := range questions {
			t.Run(q.name, func(t *testing.T) {
				t.Parallel()
				fast := question{spec: q.spec, target: startRelay(t, q.target, 0).target}
				fast.expect(t, probe(t, fast.spec, fast.target, timeout))

				r := startRelay(t, q.target, pace)
				q.target = r.target
				q.late(t, slowTimeout)
				if n := r.sent.Load(); n == 0 {
					t.Error("the server did not answer at all")
				}
			})
		}
	})
}

// hung asks the server while it is frozen.
func hung(t *testing.T, s *server, questions []question) {
	t.Helper()
	s.freeze(t)
	defer s.thaw()
	t.Run("hung", func(t *testing.T) {
		for _, q := range questions {
			t.Run(q.name, func(t *testing.T) {
				t.Parallel()
				q.late(t, hungTimeout)
			})
		}
	})
}

// late asks a server whose answer does not come in time.
func (q question) late(t *testing.T, deadline time.Duration) {
	t.Helper()
	began := time.Now()
	q.expect(t, probe(t, q.spec, q.target, deadline))
	if took := time.Since(began); took < deadline || took > deadline+grace {
		t.Errorf("took %s, want the deadline of %s", took, deadline)
	}
}

// refused asks after the server was stopped.
func refused(t *testing.T, s *server, questions []question) {
	t.Helper()
	s.stop(t)
	for i := range questions {
		if questions[i].want == "" {
			questions[i].want = "connect ADDR: connection refused"
		}
	}
	t.Run("refused", func(t *testing.T) { ask(t, questions) })
}

// unhealthy takes a server through all that is not an answer. The wanted errors
// of the questions are those of a server that is too late.
func unhealthy(t *testing.T, s *server, questions []question) {
	t.Helper()
	slow(t, questions)
	hung(t, s, questions)
	refused(t, s, always(questions))
}

// always is the questions again, without what they want.
func always(questions []question) []question {
	again := make([]question, len(questions))
	for i, q := range questions {
		again[i] = question{name: q.name, spec: q.spec, target: q.target}
	}
	return again
}

func probe(t *testing.T, spec check.Spec, target check.Target, deadline time.Duration) check.Result {
	t.Helper()
	c, err := check.New(spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Preflight(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	return c.Run(ctx, target)
}
