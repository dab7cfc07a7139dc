package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/lvsd/lvsd/pkg/cli"
)

// commands are a command and all below it that people are told of.
func commands(c *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{c}
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			all = append(all, commands(sub)...)
		}
	}
	return all
}

// pageName is lvsd-plan for `lvsd plan`.
func pageName(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

func commandPage(e edition, c *cobra.Command) string {
	c.InitDefaultHelpFlag()
	p := newPage(e, pageName(c), "8", lowerFirst(c.Short))
	p.synopsis(c)
	p.heading("DESCRIPTION")
	if text := c.Long; text != "" {
		p.prose(text)
	} else {
		p.prose(c.Short + ".")
	}
	p.subcommands(c)
	p.options("OPTIONS", c.NonInheritedFlags())
	p.options("OPTIONS OF ALL COMMANDS", c.InheritedFlags())
	if !c.HasParent() {
		p.WriteString(surroundings)
	}
	p.exitStatus(c)
	p.seeAlso(c)
	return p.String()
}

// lowerFirst is for NAME, whose descriptions are no sentences.
func lowerFirst(text string) string {
	if len(text) > 1 && text[1] >= 'a' && text[1] <= 'z' && !strings.HasPrefix(text, "Linux") {
		return strings.ToLower(text[:1]) + text[1:]
	}
	return text
}

// synopsis shows the command's words, with what it is called by in bold.
func (p *page) synopsis(c *cobra.Command) {
	p.heading("SYNOPSIS")
	usage := strings.TrimPrefix(c.UseLine(), c.CommandPath())
	if c.HasAvailableSubCommands() {
		usage = " COMMAND" + usage
	}
	p.macro("Sy", c.CommandPath())
	p.text(usage)
}

func (p *page) subcommands(c *cobra.Command) {
	if !c.HasAvailableSubCommands() {
		return
	}
	p.heading("COMMANDS")
	p.WriteString(".Bl -tag -width Ds\n")
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			fmt.Fprintf(p, ".It Xr %s 8\n", pageName(sub))
			p.text(sub.Short)
		}
	}
	p.WriteString(".El\n")
}

func (p *page) options(title string, flags *pflag.FlagSet) {
	if !flags.HasAvailableFlags() {
		return
	}
	p.heading(title)
	p.WriteString(".Bl -tag -width Ds\n")
	flags.VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			p.option(f)
		}
	})
	p.WriteString(".El\n")
}

func (p *page) option(f *pflag.Flag) {
	value, usage := pflag.UnquoteUsage(f)
	line := ".It "
	if f.Shorthand != "" {
		line += "Fl " + f.Shorthand + " , "
	}
	line += "Fl \\-" + escape(f.Name)
	if value != "" {
		line += " Ar " + argument(value)
	}
	fmt.Fprintln(p, line)
	if said(f.DefValue) {
		usage += fmt.Sprintf(" (default %s)", f.DefValue)
	}
	p.text(usage)
}

// said tells whether a default is worth telling: it is no type's zero.
func said(value string) bool {
	switch value {
	case "", "false", "0", "0s", "[]":
		return false
	}
	return true
}

func (p *page) exitStatus(c *cobra.Command) {
	p.heading("EXIT STATUS")
	p.WriteString(".Bl -tag -width Ds\n")
	for _, e := range cli.ExitCodes(c) {
		p.macro("It", fmt.Sprint(e.Code))
		p.text(e.Meaning)
	}
	p.WriteString(".El\n")
}

func (p *page) seeAlso(c *cobra.Command) {
	p.heading("SEE ALSO")
	p.WriteString(".Xr director.toml 5 ,\n")
	if c.HasParent() {
		p.WriteString(".Xr realserver.toml 5 ,\n.Xr " + pageName(c.Parent()) + " 8\n")
		return
	}
	p.WriteString(".Xr realserver.toml 5\n")
}

// surroundings is what no command says of itself.
const surroundings = `.Sh ENVIRONMENT
.Bl -tag -width Ds
.It Ev LVSD_SOCKET
the control socket of a running director, in place of
.Fl \-socket
.El
.Sh FILES
.Bl -tag -width Ds
.It Pa /etc/lvsd/director.toml
the director\(aqs configuration, see
.Xr director.toml 5
.It Pa /etc/lvsd/conf.d/*.toml
more of it, read in the order of the names
.It Pa /etc/lvsd/realserver.toml
a real server\(aqs configuration, see
.Xr realserver.toml 5
.It Pa /run/lvsd
the lock, the control socket, and the keys of what lvsd made
.It Pa /var/lib/lvsd
drains and weights that were given by hand
.It Pa /etc/default/lvsd
flags and kernel modules for
.Pa lvsd.service
.El
`
