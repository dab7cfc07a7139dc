package vrrp

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// world is machines on a wire that delays, loses and repeats adverts.
type world struct {
	now      time.Time
	random   *rand.Rand
	loss     float64
	machines []*Machine
	dead     []bool // crashed, or cut off
	links    []bool // which of them carry adverts
	wire     []flight
}

type flight struct {
	due            time.Time
	from, to, link int
	advert         Advert
}

func address(i int) netip.Addr { return on(0, i) }

// on is the address of a router on a link: who has the highest on one has the lowest
// on the next.
func on(link, i int) netip.Addr {
	host := i + 1
	if link%2 == 1 {
		host = 254 - i
	}
	return netip.AddrFrom4([4]byte{10, 0, byte(link), byte(host)})
}

func (w *world) do(i int, input func(*Machine, time.Time) Output) {
	out := input(w.machines[i], w.now)
	if w.dead[i] {
		return
	}
	for _, p := range out.Adverts {
		for to := range w.machines {
			for link, works := range w.links {
				if to != i && works {
					w.send(i, to, link, w.machines[i].settings.Advert(p))
				}
			}
		}
	}
}

// send sends an advert once or twice.
func (w *world) send(from, to, link int, a Advert) {
	for range 1 + w.random.IntN(2) {
		if w.random.Float64() >= w.loss {
			w.wire = append(w.wire, flight{w.now.Add(time.Duration(w.random.IntN(2000)) * time.Microsecond), from, to, link, a})
		}
	}
}

// run lets time pass in steps of a millisecond and calls look after each.
func (w *world) run(d time.Duration, look func()) {
	for end := w.now.Add(d); w.now.Before(end); w.now = w.now.Add(time.Millisecond) {
		var later []flight
		flying := w.wire
		w.wire = nil
		for _, f := range flying {
			switch {
			case f.due.After(w.now):
				later = append(later, f)
			case !w.dead[f.to]:
				h := Heard{Advert: f.advert, Source: on(f.link, f.from), Local: on(f.link, f.to), Link: f.link}
				w.do(f.to, func(m *Machine, now time.Time) Output { return m.Receive(now, h) })
			}
		}
		w.wire = append(w.wire, later...)
		for i, m := range w.machines {
			if t := m.Deadline(); !w.dead[i] && !t.IsZero() && !t.After(w.now) {
				w.do(i, (*Machine).Expire)
			}
		}
		if look != nil {
			look()
		}
	}
}

func (w *world) actives() (active, serving int) {
	for i, m := range w.machines {
		if w.dead[i] {
			continue
		}
		if m.state == Active {
			active++
		}
		if m.Role() == lvs.Active {
			serving++
		}
	}
	return active, serving
}

func newWorld(seed uint64, n int, loss float64) *world {
	r := rand.New(rand.NewPCG(seed, 1))
	w := &world{now: epoch, random: r, loss: loss, dead: make([]bool, n), links: []bool{true}}
	for range n {
		s := settings(uint8(1+r.IntN(254)), func(s *Settings) {
			s.Interval, s.Preempt = 100*time.Millisecond, r.IntN(2) == 0
		})
		w.machines = append(w.machines, NewMachine(s))
	}
	for i := range w.machines {
		w.do(i, (*Machine).Start)
	}
	return w
}

// dead time of the slowest, and what delays and steps add to it.
const settled = 4*100*time.Millisecond + 10*time.Millisecond

// Whatever has happened, a dead time later exactly one router is active.
func TestOneIsActive(t *testing.T) {
	for seed := range uint64(300) {
		n := 2 + int(seed%2)
		t.Run(fmt.Sprintf("%d routers, seed %d", n, seed), func(t *testing.T) {
			w := newWorld(seed, n, 0)
			w.run(settled, nil)
			for step := range 20 {
				i := w.random.IntN(n)
				what := w.random.IntN(5)
				switch what {
				case 0:
					w.dead[i] = true // its link is cut, and later mended
				case 1:
					w.do(i, func(m *Machine, now time.Time) Output { return m.SetFault(now, "test") })
				case 2:
					w.do(i, (*Machine).Yield)
				case 3:
					w.machines[i].SetPriority(uint8(1 + w.random.IntN(254)))
				case 4:
					w.dead[i], w.machines[i] = false, NewMachine(w.machines[i].settings)
					w.do(i, (*Machine).Start)
				}
				w.run(2*settled, nil)
				w.oneActive(t, step, what)
				w.dead[i] = false
				w.do(i, func(m *Machine, now time.Time) Output { return m.SetFault(now, "") })
				w.run(2*settled, nil)
				w.oneActive(t, step, what)
			}
		})
	}
}

func (w *world) oneActive(t *testing.T, step, what int) {
	t.Helper()
	if active, serving := w.actives(); active != 1 || serving != 1 {
		t.Fatalf("step %d (%d): %d are active and %d serve, want 1", step, what, active, serving)
	}
}

// On a wire that loses a packet in ten nobody is active for longer than the
// dead time, and two are hardly ever.
func TestLossyWire(t *testing.T) {
	for seed := range uint64(50) {
		w := newWorld(seed, 2, 0.1)
		w.run(settled, nil)
		none, two := time.Duration(0), 0
		w.run(30*time.Second, func() {
			active, _ := w.actives()
			if active > 0 {
				none = 0
			} else if none += time.Millisecond; none > settled {
				t.Fatalf("seed %d: nobody has been active for %s", seed, none)
			}
			if active > 1 {
				two++
			}
		})
		if two > 1000 {
			t.Errorf("seed %d: two were active for %d ms of 30 s", seed, two)
		}
	}
}

// A hand-over leaves no moment without somebody who serves.
func TestHandOverHasNoGap(t *testing.T) {
	for seed := range uint64(100) {
		w := newWorld(seed, 2, 0)
		w.run(settled, nil)
		for i, m := range w.machines {
			if m.state != Active {
				continue
			}
			input := (*Machine).Yield
			if seed%2 == 0 {
				input = (*Machine).Shutdown
			}
			w.do(i, input)
			w.run(2*settled, func() {
				if _, serving := w.actives(); serving == 0 {
					t.Fatalf("seed %d: nobody serves", seed)
				}
			})
			if _, serving := w.actives(); serving != 1 || w.machines[1-i].state != Active {
				t.Fatalf("seed %d: %d serve, the other one is %s", seed, serving, w.machines[1-i].state)
			}
			break
		}
	}
}

// Routers of equal priority agree over several links, though another one has the
// highest address on each, whichever links carry adverts.
func TestEqualsOnSeveralLinks(t *testing.T) {
	for seed := range uint64(200) {
		w := newWorld(seed, 2+int(seed%2), 0)
		for _, m := range w.machines {
			m.SetPriority(100)
		}
		w.links = []bool{false, false}
		for step := range 20 {
			links := []bool{w.random.IntN(2) == 0, w.random.IntN(2) == 0}
			w.links = links
			w.run(3*settled, nil)
			if active, _ := w.actives(); (links[0] || links[1]) && active != 1 {
				t.Fatalf("seed %d, step %d: %d are active over the links %v", seed, step, active, links)
			}
		}
	}
}
