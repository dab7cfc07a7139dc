package check

import (
	"fmt"
	"strconv"
	"strings"
)

// StatusRange is a range of HTTP status codes, both ends included.
type StatusRange struct{ From, To int }

// Statuses is a set of HTTP status codes: in the configuration a number (200),
// a range ("200-299"), several with commas between, or a list of these.
type Statuses []StatusRange

// Has tells whether the set has a status code.
func (s Statuses) Has(code int) bool {
	for _, r := range s {
		if r.From <= code && code <= r.To {
			return true
		}
	}
	return false
}

func (s Statuses) String() string {
	words := make([]string, len(s))
	for i, r := range s {
		words[i] = strconv.Itoa(r.From)
		if r.To != r.From {
			words[i] += "-" + strconv.Itoa(r.To)
		}
	}
	return strings.Join(words, ",")
}

// MarshalText writes the set as String does.
func (s Statuses) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (s *Statuses) UnmarshalText(text []byte) error {
	parsed, err := ParseStatuses(string(text))
	if err != nil {
		return err
	}
	*s = parsed
	return nil
}

// UnmarshalTOML takes what a TOML decoder read.
func (s *Statuses) UnmarshalTOML(value any) error {
	*s = nil
	items, ok := value.([]any)
	if !ok {
		items = []any{value}
	}
	for _, item := range items {
		parsed, err := statusItem(item)
		if err != nil {
			return err
		}
		*s = append(*s, parsed...)
	}
	return nil
}

func statusItem(item any) (Statuses, error) {
	switch v := item.(type) {
	case int64:
		return ParseStatuses(strconv.FormatInt(v, 10))
	case string:
		return ParseStatuses(v)
	}
	return nil, fmt.Errorf("status %v: expected a number or a range such as \"200-399\"", item)
}

// ParseStatuses reads a set as String writes it.
func ParseStatuses(text string) (Statuses, error) {
	var s Statuses
	for word := range strings.SplitSeq(text, ",") {
		r, err := parseRange(strings.TrimSpace(word))
		if err != nil {
			return nil, err
		}
		s = append(s, r)
	}
	return s, nil
}

func parseRange(word string) (StatusRange, error) {
	first, last, ranged := strings.Cut(word, "-")
	if !ranged {
		last = first
	}
	from, err1 := strconv.Atoi(first)
	to, err2 := strconv.Atoi(last)
	if err1 != nil || err2 != nil || from < 100 || to > 599 || from > to {
		return StatusRange{}, fmt.Errorf("status %q: expected a code of 100 to 599 or a range such as 200-399", word)
	}
	return StatusRange{from, to}, nil
}
