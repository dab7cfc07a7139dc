package reconcile

import (
	"context"
	"log/slog"
)

// logged is how many operations of a round have a line of their own: the first
// fill of a large table is told in one line more.
const logged = 50

// report logs a round: one line for each change of the kernel or of an error's
// text, nothing for a round that found all as desired.
func (r *Reconciler) report(round Round) {
	r.reportReading(round.Err)
	lines := 0
	for _, result := range round.Results {
		if result.Err != nil && r.open[result.Op.String()] == result.Err.Error() {
			continue
		}
		if lines++; lines <= logged {
			r.reportOne(result)
		}
	}
	if lines > logged {
		r.log.Info("and more operations", "count", lines-logged)
	}
	level := slog.LevelDebug
	if lines > 0 {
		level = slog.LevelInfo
	}
	r.log.Log(context.Background(), level, "round",
		"operations", len(round.Results), "drift", round.Drift(), "errors", round.Failed(),
		"deferred", len(round.Deferred), "took", round.Took)
}

func (r *Reconciler) reportOne(result Result) {
	text := result.Op.String()
	switch {
	case result.Err != nil:
		r.log.Error("operation not done", "op", text, "err", result.Err)
	case result.Drift:
		r.log.Warn("drift repaired", "op", text)
	default:
		r.log.Info("changed", "op", text)
	}
}

// reportReading tells an error of observation once, and its end.
func (r *Reconciler) reportReading(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	switch {
	case text == r.unread:
	case text == "":
		r.log.Info("kernel is readable again")
	default:
		r.log.Error("kernel not read or keys not kept", "err", err)
	}
	r.unread = text
}
