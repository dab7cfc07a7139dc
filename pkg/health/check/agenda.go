package check

import "container/heap"

// agenda holds series by the time of the next thing to do for each: the start of
// a probe, or the deadline of the one that is under way.
type agenda []*Series

// first is the series whose time comes first, nil if there is none.
func (a agenda) first() *Series {
	if len(a) == 0 {
		return nil
	}
	return a[0]
}

func (a *agenda) add(s *Series) { heap.Push(a, s) }

// moved puts a series in its place after its time has changed.
func (a *agenda) moved(s *Series) { heap.Fix(a, s.place) }

func (a *agenda) remove(s *Series) { heap.Remove(a, s.place) }

// The methods of heap.Interface.

func (a agenda) Len() int           { return len(a) }
func (a agenda) Less(i, j int) bool { return a[i].due.Before(a[j].due) }

func (a agenda) Swap(i, j int) {
	a[i], a[j] = a[j], a[i]
	a[i].place, a[j].place = i, j
}

// Push is for heap only.
func (a *agenda) Push(s any) {
	series := s.(*Series)
	series.place = len(*a)
	*a = append(*a, series)
}

// Pop is for heap only.
func (a *agenda) Pop() any {
	last := len(*a) - 1
	s := (*a)[last]
	(*a)[last] = nil
	*a = (*a)[:last]
	return s
}
