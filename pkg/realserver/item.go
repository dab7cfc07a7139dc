package realserver

import (
	"context"

	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/netdev"
)

// Item is one kernel thing that a real server needs; exactly one of its fields is
// set. It is what the state file remembers.
type Item struct {
	Sysctl  *Sysctl         `json:"sysctl,omitempty"`
	GUEPort *netdev.GUEPort `json:"gue_port,omitempty"`
	Tunnel  *netdev.Tunnel  `json:"tunnel,omitempty"`
	Rule    *lvs.Rule       `json:"rule,omitempty"`
	Route   *netdev.Route   `json:"route,omitempty"`
	Address *lvs.Address    `json:"address,omitempty"`
}

// thing is what can be done with every kind of Item.
type thing interface {
	// String names it: two items with the same name are the same.
	String() string
	// found says in words what is there, and whether that will do.
	found(*Kernel, observed) (string, bool, error)
	// make makes it; it may be there in part.
	make(context.Context, *Kernel) error
	// undo takes it away again. It is fine if it is gone. A note tells what was left
	// because somebody changed it since.
	undo(*Kernel) (note string, err error)
	// making and undoing are the same as commands that one could type.
	making() []string
	undoing() []string
}

// thing gives the item's kind; nil if the state file held something unknown.
func (i Item) thing() thing {
	switch {
	case i.Sysctl != nil:
		return i.Sysctl
	case i.GUEPort != nil:
		return guePort{*i.GUEPort}
	case i.Tunnel != nil:
		return tunnel{*i.Tunnel}
	case i.Rule != nil:
		return rule{*i.Rule}
	case i.Route != nil:
		return route{*i.Route}
	case i.Address != nil:
		return address{*i.Address}
	}
	return nil
}

func (i Item) String() string { return i.thing().String() }
