package importer

import "testing"

// A pattern that cannot be compiled would be a panic at somebody's input.
func TestPatterns(t *testing.T) {
	all := []pattern{
		definition, reference, conditional, included, virtualLine, wordLine, indented,
		virtualAddr, virtualMark, virtualSix, realLine, realWeight, realPair, realLimit, fallbackLine,
	}
	for _, w := range ldirectordWords {
		all = append(all, w.form.pattern)
	}
	for _, p := range all {
		p()
	}
}
