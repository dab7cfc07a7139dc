package ipvs

import (
	"fmt"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// find gives the value of the first attribute of a type.
func find(b []byte, typ uint16) ([]byte, error) {
	a := attrs{rest: b}
	for a.next() {
		if a.typ == typ {
			return a.value, nil
		}
	}
	if a.err != nil {
		return nil, a.err
	}
	return nil, fmt.Errorf("no attribute %d", typ)
}

func parseStats(b []byte, c *lvs.Counters, r *lvs.Rates) error {
	a := attrs{rest: b}
	for a.next() {
		switch a.typ {
		case statConnections:
			c.Connections = a.counter()
		case statPacketsIn:
			c.PacketsIn = a.counter()
		case statPacketsOut:
			c.PacketsOut = a.counter()
		case statBytesIn:
			c.BytesIn = a.counter()
		case statBytesOut:
			c.BytesOut = a.counter()
		case statConnectionRate:
			r.Connections = a.counter()
		case statPacketInRate:
			r.PacketsIn = a.counter()
		case statPacketOutRate:
			r.PacketsOut = a.counter()
		case statByteInRate:
			r.BytesIn = a.counter()
		case statByteOutRate:
			r.BytesOut = a.counter()
		}
	}
	return a.err
}
