package config

import (
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/lvsd/lvsd/pkg/notify/notice"
)

// Bounds and defaults of [notify.NAME]. An hour is ldirectord's emailalertfreq.
const (
	maxRepeat        = 168 * time.Hour
	mailRepeat       = time.Hour
	alertRepeat      = time.Minute
	maxCollect       = time.Hour
	mailCollect      = 10 * time.Second
	maxRate          = 6000
	defaultRate      = 60
	maxNotifyTimeout = 5 * time.Minute
	notifyTimeout    = 30 * time.Second
)

// receivers reads [notify.NAME]. Mail comes from the director if nothing else is
// said.
func (c *checker) receivers(raw *named[rawReceiver, *rawReceiver], director string) []Receiver {
	var all []Receiver
	for i := range raw.entries {
		e := &raw.entries[i]
		checkName(&c.problems, e.pos, "receiver", e.name)
		r := c.receiver(e.name, &e.value)
		if r.Email != nil && !e.value.From.given() {
			r.Email.From = "lvsd@" + director
		}
		all = append(all, r)
	}
	return all
}

func (c *checker) receiver(name string, raw *rawReceiver) Receiver {
	r := Receiver{Name: name}
	if raw.bad {
		return r
	}
	types := []string{"email", "webhook", "exec"}
	if !raw.Type.given() {
		c.add(raw.pos, oneOf(types), "notify.%s has no type", name)
		return r
	}
	kind, ok := choose(&c.problems, &raw.Type, "type of receiver", types, word(types...))
	if !ok {
		return r
	}
	c.onlyFor(kind, raw)
	var repeat, collect time.Duration
	switch kind {
	case "email":
		r.Email = c.email(name, raw)
		repeat, collect = mailRepeat, mailCollect
	case "webhook":
		r.Webhook = c.webhook(name, raw)
		if r.Webhook.Format == notice.AlertmanagerFormat {
			repeat = alertRepeat
		}
	case "exec":
		r.Exec = c.exec(name, raw)
	}
	r.On = c.kinds(&raw.On)
	r.Repeat = c.repeat(&raw.Repeat, repeat)
	r.Collect = raw.Collect.in(&c.problems, "collect", 0, maxCollect, collect)
	r.Rate = int(raw.Rate.in(&c.problems, "rate", 1, maxRate, defaultRate))
	r.Timeout = raw.Timeout.in(&c.problems, "timeout", time.Second, maxNotifyTimeout, notifyTimeout)
	return r
}

// onlyFor refuses the keys of other types.
func (c *checker) onlyFor(kind string, raw *rawReceiver) {
	c.noneOf(kind, "email", &raw.rawEmail)
	c.noneOf(kind, "webhook", &raw.rawWebhook)
	c.noneOf(kind, "exec", &raw.rawExec)
	if kind == "exec" {
		c.noneOf(kind, "email and webhook", &raw.rawPeer)
	}
	if kind == "exec" && raw.Collect.given() {
		c.add(raw.Collect.pos, "no collect", "collect has no effect: a program is run for each event")
	}
}

func (c *checker) noneOf(kind, owner string, keys any) {
	if kind == owner {
		return
	}
	for key, pos := range given(keys) {
		c.add(pos, `type = "`+strings.ReplaceAll(owner, " and ", `" or "`)+`"`, "%s is for %s, this is %s", key, owner, kind)
	}
}

// given are the keys of a raw struct that the files give, and where.
func given(keys any) map[string]Position {
	all := map[string]Position{}
	v := reflect.ValueOf(keys).Elem()
	for i := range v.NumField() {
		if a := v.Field(i).Addr().Interface().(raw).place(); a.given() {
			all[v.Type().Field(i).Tag.Get("toml")] = a.pos
		}
	}
	return all
}

func (c *checker) kinds(raw *list[text, *text]) []notice.Kind {
	all := notice.Kinds()
	if !raw.given() {
		return all
	}
	var words []string
	for _, k := range all {
		words = append(words, string(k))
	}
	if raw.ok() && len(raw.values) == 0 {
		c.add(raw.pos, oneOf(words), "on is an empty list, so the receiver would never be told anything")
	}
	wanted := map[notice.Kind]bool{}
	for i := range raw.values {
		if k, ok := choose(&c.problems, &raw.values[i], "kind of event", words, notice.ParseKind); ok {
			wanted[k] = true
		}
	}
	return slices.DeleteFunc(all, func(k notice.Kind) bool { return !wanted[k] })
}

// repeat reads a duration that may be 0, which is never.
func (c *checker) repeat(raw *duration, otherwise time.Duration) time.Duration {
	if raw.ok() && raw.value == 0 {
		return 0
	}
	return raw.in(&c.problems, "repeat", 10*time.Second, maxRepeat, otherwise)
}

func (c *checker) exec(name string, raw *rawReceiver) *Exec {
	x := &Exec{User: raw.User.value}
	if raw.Command.ok() || !raw.Command.given() {
		for _, t := range raw.Command.values {
			x.Command = append(x.Command, t.value)
		}
		if len(x.Command) == 0 {
			c.add(raw.pos, `command = ["/PATH/PROGRAM", "ARGUMENT"]`, "notify.%s has no command", name)
		} else if !filepath.IsAbs(x.Command[0]) {
			c.add(raw.Command.pos, `a path that begins with "/"; there is no shell`, "%q is not an absolute path", x.Command[0])
		}
	}
	return x
}

func (c *checker) peer(raw *rawReceiver) Peer {
	p := Peer{
		Insecure:   !raw.Verify.or(true),
		ServerName: raw.ServerName.value,
		CAFile:     c.file(&raw.CAFile, "ca_file"),
	}
	if p.Insecure && raw.CAFile.given() {
		c.add(raw.CAFile.pos, "verify = true", "ca_file is of no use with verify = false")
	}
	return p
}

// file reads the path of a file. It is opened when it is needed: the one who
// validates a configuration need not be allowed to read its secrets.
func (c *checker) file(t *text, what string) string {
	if t.ok() && !filepath.IsAbs(t.value) {
		c.add(t.pos, `a path that begins with "/"`, "%s %q is not absolute", what, t.value)
	}
	return t.value
}
