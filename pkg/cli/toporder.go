package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/lvsd/lvsd/pkg/health"
	"github.com/lvsd/lvsd/pkg/status"
)

// topRow is one real server behind one VIP.
type topRow struct {
	service status.Service
	server  status.Server
}

func (r topRow) name() string {
	return orElse(r.service.Virtual, "-") + "/" + orElse(r.server.Name, "-")
}

func topRows(s status.Status) []topRow {
	var rows []topRow
	for _, v := range s.Services {
		for _, r := range v.Servers {
			rows = append(rows, topRow{v, r})
		}
	}
	return rows
}

// topOrder is what the rows are sorted by. It is a flag's value too.
type topOrder struct {
	key, word string
	less      func(a, b topRow) int
}

// The orders, each with its key.
var (
	byRate  = topOrder{"r", "rate", func(a, b topRow) int { return cmp.Compare(b.server.Rates.Connections, a.server.Rates.Connections) }}
	byBytes = topOrder{"b", "bytes", func(a, b topRow) int { return cmp.Compare(bytesOf(b), bytesOf(a)) }}
	byConns = topOrder{"c", "connections", func(a, b topRow) int {
		return cmp.Or(cmp.Compare(b.server.Active, a.server.Active), cmp.Compare(b.server.Inactive, a.server.Inactive))
	}}
	byErrors = topOrder{"e", "errors", func(a, b topRow) int { return cmp.Compare(urgency(b), urgency(a)) }}
	byName   = topOrder{"n", "name", func(topRow, topRow) int { return 0 }}
)

var topOrders = []topOrder{byRate, byBytes, byConns, byErrors, byName}

func bytesOf(r topRow) uint64 { return r.server.Rates.BytesIn + r.server.Rates.BytesOut }

// urgency is how much somebody should look at a server.
func urgency(r topRow) int {
	h, s := r.server.Health, r.server
	drained := s.Override != nil && s.Override.Drains()
	switch {
	case h != nil && h.State == health.Down:
		return 5
	case !s.Present && !drained && s.Name != "":
		return 4
	case h != nil && (h.Flapping || failing(h)):
		return 3
	case h != nil && h.State == health.Unknown:
		return 2
	case drained:
		return 1
	}
	return 0
}

func failing(h *status.Health) bool {
	return slices.ContainsFunc(h.Checks, func(c status.Check) bool { return c.Last.Error != "" })
}

// sort puts rows in the order; equal ones by name and address.
func (o topOrder) sort(rows []topRow) {
	slices.SortStableFunc(rows, func(a, b topRow) int {
		return cmp.Or(o.less(a, b), cmp.Compare(a.name(), b.name()), a.service.Service.Compare(b.service.Service),
			a.server.Address.Compare(b.server.Address))
	})
}

// String, Set and Type make an order a flag's value.
func (o *topOrder) String() string { return o.word }

// Set reads the word of an order.
func (o *topOrder) Set(word string) error {
	var words []string
	for _, known := range topOrders {
		if known.word == word {
			*o = known
			return nil
		}
		words = append(words, known.word)
	}
	return fmt.Errorf("expected one of %s", strings.Join(words, ", "))
}

// Type is the placeholder in the help.
func (o *topOrder) Type() string { return "ORDER" }
