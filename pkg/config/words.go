package config

import (
	"fmt"
	"strings"
	"time"
)

// choose reads one word out of a few.
func choose[T any](p *problems, t *text, what string, words []string, parse func(string) (T, error)) (T, bool) {
	var zero T
	if !t.ok() {
		return zero, false
	}
	v, err := parse(t.value)
	if err != nil {
		p.add(t.pos, oneOf(words), "unknown %s %q%s", what, t.value, DidYouMean(t.value, words))
		t.bad = true
		return zero, false
	}
	return v, true
}

// word is the parser of words that stand for themselves.
func word[T ~string](words ...T) func(string) (T, error) {
	return func(s string) (T, error) {
		for _, w := range words {
			if string(w) == s {
				return w, nil
			}
		}
		return "", fmt.Errorf("unknown word %q", s)
	}
}

func oneOf(words []string) string {
	if len(words) == 1 {
		return words[0]
	}
	return "one of " + strings.Join(words, ", ")
}

// span writes the bounds of a number.
func span(least, most int64) string { return fmt.Sprintf("from %d to %d", least, most) }

// short writes a duration without the zeroes that Duration.String gives:
// "744h", not "744h0m0s".
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// DidYouMean names the known word that is nearest to an unknown one, if any is
// near: the same in another case, or with a third of its letters mistyped. It is
// the end of a sentence, "" if none is near.
func DidYouMean(unknown string, known []string) string {
	best, least := "", max(1, len(unknown)/3)+1
	if len(unknown) > 64 {
		return ""
	}
	for _, k := range known {
		d := distance(strings.ToLower(unknown), strings.ToLower(k))
		if d < least {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %q?)", best)
}

// distance counts the letters to insert, delete, replace or swap with their
// neighbour to turn a into b (optimal string alignment).
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row = last, row, before
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
