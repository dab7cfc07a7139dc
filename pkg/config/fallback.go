package config

import (
	"fmt"
	"regexp"
)

// fallbackName is what the fallbacks are called where servers are named.
var fallbackName = regexp.MustCompile(`^fallback[0-9]*$`)

// fallbacks reads fallback. A server on a loopback address is the director
// itself and takes its packets as they are.
func (c *checker) fallbacks(s *service) []Real {
	raws := s.raw.Fallback.values
	reals := make([]Real, 0, len(raws))
	for i := range raws {
		raw := &raws[i]
		r := c.target(s, &target{pos: raw.pos, bad: raw.bad, fallback: true,
			address: &raw.Address, forwarding: &raw.Forwarding, tunnel: &raw.Tunnel})
		r.Weight = 1
		r.Name = "fallback"
		if len(raws) > 1 {
			r.Name = fmt.Sprintf("fallback%d", i+1)
		}
		reals = append(reals, r)
	}
	return reals
}
