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
	if g.Error != "" {
		fmt.Fprintf(&b, "error: %s\n", indent(g.Error))
	}
	b.WriteString("\n")
	t := table{{"VIP / RULE", "PASSED", "DROPPED", "BYTES PASSED", "BYTES DROPPED"}}
	for _, v := range g.VIPs {
		t = append(t, []string{
			v.VIP.String(), fmt.Sprint(v.Passed.Packets), fmt.Sprint(v.Dropped.Packets), size(v.Passed.Bytes), size(v.Dropped.Bytes),
		})
		for _, r := range v.Reasons {
			t = append(t, []string{"  " + r.Reason, fmt.Sprint(r.Passed), fmt.Sprint(r.Dropped), "", ""})
		}
	}
	t.print(&b, 1)
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
		on = append(on, fmt.Sprintf("%s (%s)", i.Interface, orElse(i.Mode, "NOT ATTACHED")))
	}
	does := "enforcing"
	switch {
	case !g.Loaded:
		does = "NOT LOADED,"
	case !g.Enforce:
		does = "counting only,"
	}
	fmt.Fprintf(b, "guard: %s on %s; %s allowed, %s blocked", does, strings.Join(on, ", "),
		count(g.Allow, "network"), count(g.Block, "network"))
	if n := len(g.Commanded); n > 0 {
		fmt.Fprintf(b, ", %d of them by command", n)
	}
	b.WriteString("\n")
	for _, text := range g.Problems {
		fmt.Fprintf(b, "error: %s\n", indent(text))
	}
}

// printGuardLines is the guard's part of the whole status: a line for each VIP
// for which it did something.
func printGuardLines(b *strings.Builder, g *status.Guard) {
	if g == nil {
		return
	}
	printGuardHead(b, *g)
	for _, v := range g.VIPs {
		var why []string
		for _, r := range v.Reasons {
			if r.Drops {
				why = append(why, fmt.Sprintf("%d %s", r.Passed+r.Dropped, r.Reason))
			}
		}
		if len(why) > 0 {
			fmt.Fprintf(b, "  vip %s: %d passed, %d dropped; %s\n", v.VIP, v.Passed.Packets, v.Dropped.Packets, strings.Join(why, ", "))
		}
	}
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
	t := table{{"SOURCE", "VIP", "PACKETS/S", "BYTES/S", "SYN/S", "DROPPED/S"}}
	for i, x := range top.Talkers {
		if i == most {
			break
		}
		t = append(t, []string{
			x.Source.String(), x.VIP.String(), perSecond(x.Packets), size(uint64(float64(x.Bytes) / max(seconds, 0.001))), perSecond(x.SYNs),
			perSecond(x.Dropped),
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

func printGuardVerdict(w io.Writer, v status.GuardVerdict) error {
	does := "PASSES"
	switch {
	case v.Dropped:
		does = "IS DROPPED"
	case v.Drops:
		does = "PASSES, but with enforce = true it would be dropped"
	}
	_, err := fmt.Fprintf(w, "%s %s: %s\n", v.Packet, does, v.Rule)
	return err
}
