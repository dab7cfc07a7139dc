package desired

import (
	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/override"
)

// word is what the operator says of a server, if anything.
//
// It decides the weight and nothing about health: a quorum counts a drained server
// by what the file says, because whoever takes one out does not mean that the
// service is lost, nor that another director would do better. When no server is left
// the fallback serves, as ever.
type word struct {
	override.Override
	said bool
}

func wordOn(all override.Index, v config.Virtual, r config.Real) word {
	o, said := all.On(v.Name, r.Name, r.Address)
	return word{o, said}
}

func (w word) drains() bool { return w.said && w.Drains() }

// removed tells whether the server was deleted after its drain.
func (w word) removed() bool { return w.drains() && !w.Removed.IsZero() }

// weight is the operator's in the place of another one.
func (w word) weight(other int32) int32 {
	if w.said {
		return w.Weight
	}
	return other
}
