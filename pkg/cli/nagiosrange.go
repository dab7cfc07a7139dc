package cli

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// threshold is a range of the monitoring plugins' guidelines; the zero one never
// alerts. It is a flag.
type threshold struct {
	text      string
	low, high float64
	inside    bool // alert inside in place of outside
}

const aRange = `a range such as "10", "10:", "~:10", "10:20" or "@10:20"`

// Set reads a range: "[@][START:]END". START is 0 if it is left out and "~" is minus
// infinity; an END that is left out after the colon is infinity.
func (t *threshold) Set(text string) error {
	rest, inside := strings.CutPrefix(text, "@")
	start, end, both := strings.Cut(rest, ":")
	if !both {
		start, end = "", rest
	}
	low, okLow := bound(start, 0)
	high, okHigh := bound(end, math.Inf(1))
	if start == "~" {
		low, okLow = math.Inf(-1), true
	}
	if !okLow || !okHigh || rest == "" {
		return fmt.Errorf("expected %s", aRange)
	}
	if low > high {
		return fmt.Errorf("it begins after its end; expected %s", aRange)
	}
	*t = threshold{text: text, low: low, high: high, inside: inside}
	return nil
}

func bound(text string, otherwise float64) (float64, bool) {
	if text == "" {
		return otherwise, true
	}
	v, err := strconv.ParseFloat(text, 64)
	return v, err == nil && !math.IsNaN(v) && !math.IsInf(v, 0)
}

func (t threshold) String() string { return t.text }

// Type is what the flag's value is called.
func (t threshold) Type() string { return "range" }

// or is the threshold, or the other one if none was given.
func (t threshold) or(text string) threshold {
	if t.text == "" {
		_ = t.Set(text) // a constant of ours
	}
	return t
}

// alerts tells whether a value is to be told of.
func (t threshold) alerts(value float64) bool {
	if t.text == "" {
		return false
	}
	within := value >= t.low && value <= t.high
	return within == t.inside
}

// level is that of a value by two thresholds.
func level(value float64, warning, critical threshold) int {
	switch {
	case critical.alerts(value):
		return pluginCritical
	case warning.alerts(value):
		return pluginWarning
	}
	return pluginOK
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
