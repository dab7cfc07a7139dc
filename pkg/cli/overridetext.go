package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/lvsd/lvsd/pkg/override"
	"github.com/lvsd/lvsd/pkg/status"
)

// overrideNote says what somebody wants, who, since when and why.
func overrideNote(now time.Time, o override.Override) string {
	text := fmt.Sprintf("%s by %s for %s", strings.ToUpper(o.Verb()), orElse(o.By, "nobody known"), since(now, o.Since))
	if o.Reason != "" {
		text += fmt.Sprintf(" (%s)", o.Reason)
	}
	if o.Remove && o.Removed.IsZero() {
		text += ", to be removed when empty"
	}
	return text
}

// printOverrides writes the overrides that no row of a server shows.
func printOverrides(b *strings.Builder, s status.Status) {
	for _, o := range s.Overrides {
		switch {
		case o.Idle:
			fmt.Fprintf(b, "override %s: %s, idle: the configuration has nothing of that name\n", o.Target, overrideNote(s.Time, o.Override))
		case o.Target == override.Self:
			fmt.Fprintf(b, "override director: %s, VIPs come back only if no other director lives\n", overrideNote(s.Time, o.Override))
		}
	}
}
