package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/lvsd/lvsd/pkg/status"
)

// printGuard writes all that is known of the guard.
func printGuard(w io.Writer, now time.Time, g status.Guard) error {
	var b strings.Builder
	printGuardHead(&b, g)
	b.WriteString("\n")
	t := table{{"VIP", "VERDICT", "PACKETS", "BYTES"}}
	for _, v := range g.VIPs {
		t = append(t, []string{v.VIP.String(), "passed", fmt.Sprint(v.Passed.Packets), size(v.Passed.Bytes)})
		for _, r := range v.Reasons {
			t = append(t, []string{"", dropped(g) + ": " + r.Reason, fmt.Sprint(r.Packets), size(r.Bytes)})
		}
	}
	t.print(&b, 2)
	if len(g.Commanded) > 0 {
		b.WriteString("\n")
		printBlocks(&b, now, g.Commanded)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// printGuardHead says whether the guard is there.
func printGuardHead(b *strings.Builder, g status.Guard) {
	var on []string
	for _, i := range g.Interfaces {
		mode := i.Mode
		if mode == "" {
			mode = "NOT ATTACHED"
		}
		on = append(on, fmt.Sprintf("%s (%s)", i.Interface, mode))
	}
	does := "enforcing"
	if !g.Enforce {
		does = "COUNTING ONLY"
	}
	fmt.Fprintf(b, "guard: %s on %s; %s allowed, %s blocked", does, strings.Join(on, ", "),
		count(g.Allow, "network"), count(g.Block, "network"))
	if n := len(g.Commanded); n > 0 {
		fmt.Fprintf(b, ", %d of them by command", n)
	}
	b.WriteString("\n")
	for _, text := range g.Lacks {
		fmt.Fprintf(b, "  this kernel lacks %s\n", text)
	}
	for _, text := range g.Problems {
		fmt.Fprintf(b, "error: %s\n", indent(text))
	}
}

// printGuardLines is the guard's part of the whole status: a line for each VIP
// that lost something.
func printGuardLines(b *strings.Builder, g *status.Guard) {
	if g == nil {
		return
	}
	printGuardHead(b, *g)
	for _, v := range g.VIPs {
		var why []string
		for _, r := range v.Reasons {
			why = append(why, fmt.Sprintf("%d %s", r.Packets, r.Reason))
		}
		if len(why) > 0 {
			fmt.Fprintf(b, "  vip %s: %d passed, %d %s: %s\n", v.VIP, v.Passed.Packets, v.Dropped.Packets, dropped(*g), strings.Join(why, ", "))
		}
	}
}

func dropped(g status.Guard) string {
	if g.Enforce {
		return "dropped"
	}
	return "would be dropped"
}

func printBlocks(b *strings.Builder, now time.Time, blocks []status.GuardBlock) {
	t := table{{"BLOCKED BY COMMAND", "BY", "SINCE", "UNTIL"}}
	for _, x := range blocks {
		until := "unblocked"
		if !x.Until.IsZero() {
			until = fmt.Sprintf("%s (%s more)", x.Until.Format(time.DateTime), x.Until.Sub(now).Round(time.Second))
		}
		t = append(t, []string{x.Prefix.String(), x.By, x.Since.Format(time.DateTime), until})
	}
	t.print(b, len(t[0]))
}

// printTop writes who sent most in some seconds.
func printTop(w io.Writer, top status.GuardTop, seconds float64, most int) error {
	var b strings.Builder
	perSecond := func(n uint64) string { return fmt.Sprintf("%.0f", float64(n)/max(seconds, 0.001)) }
	t := table{{"SOURCE", "VIP", "PACKETS/S", "BYTES/S", "SYN/S"}}
	for i, x := range top.Talkers {
		if i == most {
			break
		}
		t = append(t, []string{
			x.Source.String(), x.VIP.String(), perSecond(x.Packets), size(uint64(float64(x.Bytes) / max(seconds, 0.001))), perSecond(x.SYNs),
		})
	}
	if len(t) == 1 {
		b.WriteString("nobody sent anything\n")
	} else {
		t.print(&b, 2)
	}
	if len(top.Samples) > 0 {
		b.WriteString("\ndropped last:\n")
	}
	for i, x := range top.Samples {
		if i == most {
			break
		}
		fmt.Fprintf(&b, "  %s  %s on %s: %s\n", x.Time.Format("15:04:05.000"), x.Packet, x.Interface, x.Reason)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func printVerdict(w io.Writer, v status.GuardVerdict) error {
	does := "PASSES"
	switch {
	case v.Drop && v.Enforce:
		does = "IS DROPPED"
	case v.Drop:
		does = "PASSES, but would be dropped with enforce = true"
	}
	_, err := fmt.Fprintf(w, "%s %s: %s\n", v.Packet, does, v.Rule)
	return err
}
