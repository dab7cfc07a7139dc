package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/status"
)

// The exit codes of a monitoring plugin
// (https://www.monitoring-plugins.org/doc/guidelines.html, "Plugin Return Codes").
const (
	pluginOK       = 0
	pluginWarning  = 1
	pluginCritical = 2
	pluginUnknown  = 3
)

var pluginWords = [...]string{"OK", "WARNING", "CRITICAL", "UNKNOWN"}

// plugin is a run of `lvsd nagios`.
type plugin struct {
	subject           string   // "": all
	names             []string // of services; none: all
	warning, critical threshold
	role              string // that is expected, or ""
	seconds           int    // that the director may take
}

var pluginSubjects = []string{"service", "role", "sync", "reload"}

func newNagios(p *paths) *cobra.Command {
	var n plugin
	// unknown is what a plugin says of how it was called.
	unknown := func(err error) error {
		text, _, _ := strings.Cut(err.Error(), "\n")
		return n.print(p, finding{level: pluginUnknown, texts: []string{text}})
	}
	c := &cobra.Command{
		Use:   "nagios [service [NAME...]|role|sync|reload]",
		Short: "Check the director as a monitoring plugin of Nagios or Icinga",
		Long:  nagiosHelp,
		Annotations: exits{
			pluginOK: "OK", pluginWarning: "WARNING", pluginCritical: "CRITICAL", pluginUnknown: "UNKNOWN",
		}.annotations(),
		Args: func(_ *cobra.Command, args []string) error {
			if err := n.about(args); err != nil {
				return unknown(err)
			}
			return nil
		},
		ValidArgs: pluginSubjects,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if n.role != "" {
				if _, err := lvs.ParseRole(n.role); err != nil {
					return unknown(fmt.Errorf("--expect: %w", err))
				}
			}
			return n.print(p, n.check(cmd.Context(), p))
		},
	}
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return unknown(err) })
	c.Flags().VarP(&n.warning, "warning", "w", "`RANGE` outside of which the value is a warning")
	c.Flags().VarP(&n.critical, "critical", "c", "`RANGE` outside of which the value is critical")
	c.Flags().IntVarP(&n.seconds, "timeout", "t", 10, "`SECONDS` that the director may take to answer")
	c.Flags().StringVar(&n.role, "expect", "", "role only: the `ROLE` that this director should have, active or standby; another is a warning")
	// As a plugin's -c is a threshold, the file goes without its short flag here.
	c.Flags().StringVar(&p.config, "config", defaultConfig, "the director's configuration `FILE`")
	return c
}

const nagiosHelp = `Check a running director, print one line with performance data, and exit with the
code of what it says. Without a subject all is checked.

  service [NAME...]  Value: percent of a service's real servers that serve; -w 100: -c 1:
                     if none are given. A service that the kernel does not have, or that
                     has lost its quorum, is critical.
  role               Value: seconds since the last change of role; -w 300: warns of a
                     take-over for five minutes. A fault is critical, and so are VIPs that
                     are not where they should be.
  sync               Value: connections in the director's table. A sync daemon that does
                     not run is critical.
  reload             Value: problems that a refused reload had; -w 0 if none is given. A
                     kernel that is not as configured is critical.

A RANGE is as in the guidelines: "10" is 0 to 10, "10:" 10 or more, "~:10" 10 or less,
"10:20" between, "@10:20" alerts inside in place of outside. -c is a threshold here:
the configuration is --config FILE. No director is CRITICAL, and so is one that does
not answer; UNKNOWN is a mistake in how the check was called, or no permission.`

// about takes the subject and the names.
func (n *plugin) about(args []string) error {
	if len(args) == 0 {
		return nil
	}
	if !slices.Contains(pluginSubjects, args[0]) {
		return fmt.Errorf("%q is nothing to check: expected one of %s", args[0], strings.Join(pluginSubjects, ", "))
	}
	n.subject, n.names = args[0], args[1:]
	if len(n.names) > 0 && n.subject != "service" {
		return fmt.Errorf("%s takes no names, got %s", n.subject, strings.Join(n.names, " "))
	}
	return nil
}

func (n *plugin) check(ctx context.Context, p *paths) finding {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(n.seconds)*time.Second)
	defer cancel()
	s, err := p.director().Status(ctx)
	var f finding
	switch {
	case err == nil:
		return n.look(s)
	case ctx.Err() != nil:
		f.note(pluginCritical, "the director does not answer within %d s", n.seconds)
	case errors.Is(err, fs.ErrPermission):
		f.note(pluginUnknown, "%v", err)
	default:
		f.note(pluginCritical, "%v", err)
	}
	return f
}

// look checks a status.
func (n *plugin) look(s status.Status) finding {
	switch n.subject {
	case "service":
		return n.services(s)
	case "role":
		return n.roles(s)
	case "sync":
		return n.sync(s)
	case "reload":
		return n.reload(s)
	}
	all := n.services(s)
	plain := plugin{}
	if len(s.VRRP) > 0 {
		all.add(plain.roles(s))
	}
	if s.Sync != nil {
		all.add(plain.sync(s))
	}
	all.add(plain.reload(s))
	return all
}

// print writes the one line and gives its exit code.
func (n *plugin) print(p *paths, f finding) error {
	title := "LVSD"
	if n.subject != "" {
		title += " " + strings.ToUpper(n.subject)
	}
	line := fmt.Sprintf("%s %s - %s", title, pluginWords[f.level], oneLine(strings.Join(f.texts, "; ")))
	if len(f.data) > 0 {
		line += " | " + strings.Join(f.data, " ")
	}
	if _, err := fmt.Fprintln(p.env.Out, line); err != nil {
		return exit(pluginUnknown)
	}
	if f.level == pluginOK {
		return nil
	}
	return exit(f.level)
}

// oneLine takes out what has a meaning in a plugin's output.
func oneLine(s string) string {
	return strings.NewReplacer("\n", "; ", "|", "/").Replace(s)
}

// finding is what a check came to.
type finding struct {
	level int
	texts []string // the gravest first
	data  []string // performance data
}

// note adds a text of a level: those of a higher one come first, and hide those of
// level OK.
func (f *finding) note(level int, format string, args ...any) {
	f.add(finding{level: level, texts: []string{fmt.Sprintf(format, args...)}})
}

// add adds another finding.
func (f *finding) add(other finding) {
	switch {
	case len(f.texts) == 0 || other.level > f.level && f.level == pluginOK:
		f.texts = other.texts
	case other.level > f.level:
		f.texts = append(slices.Clone(other.texts), f.texts...)
	case other.level > pluginOK || f.level == pluginOK:
		f.texts = append(f.texts, other.texts...)
	}
	f.level = max(f.level, other.level)
	f.data = append(f.data, other.data...)
}

// measure adds performance data: 'label'=value[unit];[warn];[crit];[min];[max].
func (f *finding) measure(label string, value float64, unit string, w, c threshold, bounds string) {
	label = strings.NewReplacer("'", "''", "=", "_").Replace(label)
	data := fmt.Sprintf("'%s'=%s%s;%s;%s;%s", label, number(value), unit, w, c, bounds)
	f.data = append(f.data, strings.TrimRight(data, ";"))
}
