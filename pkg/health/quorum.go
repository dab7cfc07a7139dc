package health

// Quorum is how much weight of servers that are up a service needs to count as
// served.
type Quorum struct {
	Weight     int64 // 0 is no quorum: always met
	Hysteresis int64 // a met quorum is lost below Weight-Hysteresis, without any server at the latest; a lost one is met again from Weight+Hysteresis on
}

// Met tells whether the quorum is met with the weight of all servers that are
// up, given whether it was met before.
func (q Quorum) Met(before bool, up int64) bool {
	if q.Weight <= 0 {
		return true
	}
	if before {
		return up >= max(1, q.Weight-q.Hysteresis)
	}
	return up >= q.Weight+q.Hysteresis
}
