// Package realserver makes a host ready to be a real server of LVS by direct
// routing, tunnelling or NAT, tells whether it is ready and if not why, and puts
// everything back.
//
// Setup makes only what is missing, and remembers what it made and which values
// were there before in a state file; Teardown undoes exactly that. Both may be
// interrupted anywhere and run again.
package realserver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Server is a host that is to be a real server. It is for one goroutine at a time.
type Server struct {
	kernel *Kernel
	dir    string
}

// New returns the host of the kernel; the state file is in dir.
func New(k *Kernel, dir string) *Server { return &Server{kernel: k, dir: dir} }

// Step is one change of the host.
type Step struct {
	Item Item
	Undo bool // the item is taken away, otherwise made
}

// Commands are what one could type instead.
func (s Step) Commands() []string {
	if s.Undo {
		return s.Item.thing().undoing()
	}
	return s.Item.thing().making()
}

func (s Step) String() string {
	switch {
	case s.Undo && s.Item.Sysctl != nil:
		return "put back " + s.Item.String()
	case s.Undo:
		return "remove " + s.Item.String()
	}
	return "set up " + s.Item.String()
}

// Commands gives the commands of several steps, each once.
func Commands(steps []Step) []string {
	var all []string
	for _, s := range steps {
		for _, c := range s.Commands() {
			if !slices.Contains(all, c) {
				all = append(all, c)
			}
		}
	}
	return all
}

// Resolve gives a configuration with all that is found on the host filled in, or
// the reason why it cannot be set up.
func (s *Server) Resolve(c Config) (Config, error) {
	o, err := s.kernel.observe(nil)
	if err != nil {
		return c, err
	}
	return c.resolve(s.kernel, o)
}

// Plan tells what Setup would change.
func (s *Server) Plan(c Config) ([]Step, error) {
	st, err := readState(s.dir)
	if err != nil {
		return nil, err
	}
	return s.plan(c, st)
}

// plan takes away first what earlier setups made and this one does not want: it
// could be in the way.
func (s *Server) plan(c Config, st *state) ([]Step, error) {
	items, o, err := s.items(c)
	if err != nil {
		return nil, err
	}
	var steps []Step
	for _, i := range slices.Backward(st.Items) {
		if !slices.ContainsFunc(items, func(w Item) bool { return w.String() == i.String() }) {
			steps = append(steps, Step{Item: i, Undo: true})
		}
	}
	for _, i := range items {
		_, ok, err := i.thing().found(s.kernel, o)
		if err != nil {
			return nil, err
		}
		if !ok {
			steps = append(steps, Step{Item: s.before(i)})
		}
	}
	return s.withoutFallback(steps)
}

// items gives what the configuration needs on this host.
func (s *Server) items(c Config) ([]Item, observed, error) {
	o, err := s.kernel.observe(nil)
	if err != nil {
		return nil, o, err
	}
	if c, err = c.resolve(s.kernel, o); err != nil {
		return nil, o, err
	}
	items := c.want(o)
	o, err = s.kernel.observe(items)
	return items, o, err
}

// before notes the present value of what is about to be set.
func (s *Server) before(i Item) Item {
	if i.Sysctl == nil {
		return i
	}
	noted := *i.Sysctl
	noted.Old, _ = s.kernel.Sysctls.Read(noted.Key) // absent until its interface is made
	return Item{Sysctl: &noted}
}

// Setup makes the host ready and gives what it changed: nothing if the host was
// ready. If a step fails, all steps of this call are undone.
func (s *Server) Setup(ctx context.Context, c Config) ([]Step, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if err := s.kernel.permit(); err != nil {
		return nil, err
	}
	st, err := openState(s.dir)
	if err != nil {
		return nil, err
	}
	defer st.close()
	steps, err := s.plan(c, st)
	if err != nil {
		return nil, err
	}
	before := slices.Clone(st.Items)
	for n, step := range steps {
		if err := s.do(ctx, st, step); err != nil {
			return nil, errors.Join(err, s.rollback(st, before, steps[:n+1]))
		}
	}
	return steps, nil
}

func (s *Server) do(ctx context.Context, st *state, step Step) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if step.Undo {
		if _, err := step.Item.thing().undo(s.kernel); err != nil {
			return err
		}
		return st.remove(step.Item)
	}
	if err := st.add(step.Item); err != nil {
		return err
	}
	return step.Item.thing().make(ctx, s.kernel)
}

// rollback undoes steps, the last one first, until host and state are as before.
// It does not end with the context: an interrupted setup is undone too. While it
// works, the state knows the items of both.
func (s *Server) rollback(st *state, before []Item, steps []Step) error {
	for _, i := range before {
		if err := st.add(i); err != nil {
			return err
		}
	}
	var errs []error
	for _, step := range slices.Backward(steps) {
		var err error
		if t := step.Item.thing(); step.Undo {
			err = t.make(context.Background(), s.kernel)
		} else {
			_, err = t.undo(s.kernel)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("undo: %w", err))
		}
	}
	if len(errs) == 0 {
		st.Items = before
		errs = append(errs, st.save())
	}
	return errors.Join(errs...)
}

// Teardown undoes what Setup made and gives what it left alone, because somebody
// changed it since, in words.
func (s *Server) Teardown() ([]string, error) {
	if err := s.kernel.permit(); err != nil {
		return nil, err
	}
	st, err := openState(s.dir)
	if err != nil {
		return nil, err
	}
	defer st.close()
	var notes []string
	var errs []error
	for _, i := range slices.Backward(slices.Clone(st.Items)) {
		note, err := i.thing().undo(s.kernel)
		if err == nil {
			err = st.remove(i)
		}
		if err != nil {
			errs = append(errs, err)
		}
		if note != "" {
			notes = append(notes, note)
		}
	}
	return notes, errors.Join(errs...)
}

// TeardownPlan tells what Teardown would undo.
func (s *Server) TeardownPlan() ([]Step, error) {
	st, err := readState(s.dir)
	if err != nil {
		return nil, err
	}
	var steps []Step
	for _, i := range slices.Backward(st.Items) {
		steps = append(steps, Step{Item: i, Undo: true})
	}
	return steps, nil
}

// Text writes steps as a shell script.
func Text(steps []Step) string {
	return strings.Join(append(Commands(steps), ""), "\n")
}
