package cli

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// table is rows of cells. A row may have one cell more than the first: a note
// that has no column.
type table [][]string

// print writes the table with its columns below each other: the first ones,
// left of the numbers, begin together, the others end together.
func (t table) print(b *strings.Builder, left int) {
	widths := make([]int, len(t[0]))
	for _, row := range t {
		for i := range widths {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
	}
	for _, row := range t {
		var line strings.Builder
		for i, cell := range row {
			switch {
			case i >= len(widths):
				line.WriteString(cell)
			case i < left:
				fmt.Fprintf(&line, "%-*s  ", widths[i], cell)
			default:
				fmt.Fprintf(&line, "%*s  ", widths[i], cell)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}
