package notify

import "time"

// pace allows so many attempts in any minute.
type pace struct {
	rate int
	past []time.Time // of the attempts of the last minute
}

// next is when another attempt is allowed; zero is now.
func (p *pace) next(now time.Time) time.Time {
	for len(p.past) > 0 && now.Sub(p.past[0]) >= time.Minute {
		p.past = p.past[1:]
	}
	if len(p.past) < p.rate {
		return time.Time{}
	}
	return p.past[len(p.past)-p.rate].Add(time.Minute)
}

func (p *pace) note(now time.Time) { p.past = append(p.past, now) }
