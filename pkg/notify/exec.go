package notify

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/notify/notice"
	"github.com/lvsd/lvsd/pkg/process"
)

// program runs a program for an event.
type program struct{ config.Exec }

func (p program) check() error { return process.Program{Command: p.Command, User: p.User}.Check() }

func (p program) send(ctx context.Context, m notice.Message) error {
	e := m.Events[0]
	end, err := process.Program{
		Command: append(p.Command[:len(p.Command):len(p.Command)], arguments(e)...),
		Env:     environment(e, m.Lost),
		User:    p.User,
	}.Run(ctx)
	if err == nil {
		err = end.Err()
	}
	if err == nil {
		return nil
	}
	if line := end.FirstLine(); line != "" {
		return fmt.Errorf("%s: %w: %q", p.Command[0], err, line)
	}
	return fmt.Errorf("%s: %w", p.Command[0], err)
}

func environment(e notice.Event, lost int) []string {
	return []string{
		"LVSD_KIND=" + string(e.Kind),
		"LVSD_DIRECTOR=" + clean(e.Director),
		"LVSD_VIRTUAL=" + clean(e.Virtual),
		"LVSD_REAL=" + clean(e.Real),
		"LVSD_ADDRESS=" + clean(e.Address),
		"LVSD_INSTANCE=" + clean(e.Instance),
		"LVSD_PRIORITY=" + strconv.Itoa(e.Priority),
		"LVSD_FROM=" + clean(e.From),
		"LVSD_TO=" + clean(e.To),
		"LVSD_SINCE=" + stamp(e.Since),
		"LVSD_TIME=" + stamp(e.Time),
		"LVSD_CAUSE=" + clean(e.Cause),
		"LVSD_TEXT=" + clean(e.Text()),
		"LVSD_REMINDER=" + map[bool]string{false: "0", true: "1"}[e.Reminder],
		"LVSD_LOST=" + strconv.Itoa(lost),
	}
}

// maxValue is how long a variable may be in bytes. The kernel takes 128 KiB
// (MAX_ARG_STRLEN), and of all of them together a quarter of the stack (execve(2)).
const maxValue = 64 << 10

// clean takes away what no environment can hold: a cause may quote a server, or
// be that of a refused reload with thousands of problems.
func clean(s string) string {
	s = strings.ReplaceAll(s, "\x00", "")
	if len(s) > maxValue {
		s = strings.ToValidUTF8(s[:maxValue], "")
	}
	return s
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339)
}

// arguments are those that keepalived's notify scripts get
// (notify_instance_exec, keepalived/vrrp/vrrp_notify.c).
func arguments(e notice.Event) []string {
	if e.Kind != notice.RoleChanged {
		return nil
	}
	state := strings.ToUpper(e.To)
	switch e.To {
	case "active":
		state = "MASTER"
	case "standby":
		state = "BACKUP"
	}
	return []string{"INSTANCE", e.Instance, state, strconv.Itoa(e.Priority)}
}
