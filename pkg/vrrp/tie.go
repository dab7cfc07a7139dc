package vrrp

import "time"

// tie decides between active routers of equal priority. The higher address wins
// (RFC 9568 section 6.4.3); but with several links that may be another router on
// each, and both would yield, again and again. So the first link on which the other
// one is heard decides for all.
type tie struct {
	since time.Time   // the first equal was heard, of those in this term
	heard []time.Time // when the last one was, by link
}

// decides tells whether the addresses decide of the link on which an equal is heard. A
// link that is not the first does when those before it have been silent for the dead
// time, and not before that has been waited for.
func (t *tie) decides(now time.Time, h Heard, dead time.Duration) bool {
	if t.since.IsZero() {
		t.since = now
	}
	for len(t.heard) <= h.Link {
		t.heard = append(t.heard, t.since)
	}
	t.heard[h.Link] = now
	for _, last := range t.heard[:h.Link] {
		if now.Sub(last) < dead {
			return false
		}
	}
	return true
}
