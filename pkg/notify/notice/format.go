package notice

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"text/template"
	"time"
)

// Format makes the body of a webhook's request.
type Format func(Message) ([]byte, error)

// The names of the built-in formats.
const (
	JSONFormat         = "json"
	SlackFormat        = "slack"
	AlertmanagerFormat = "alertmanager"
)

// Formats are the names of the built-in formats.
func Formats() []string { return []string{JSONFormat, SlackFormat, AlertmanagerFormat} }

// NewFormat gives a built-in format, or the one of a template where it has a
// text.
func NewFormat(name, text string) (Format, error) {
	if text != "" {
		return newTemplate(text)
	}
	switch name {
	case JSONFormat:
		return asJSON, nil
	case SlackFormat:
		return asSlack, nil
	case AlertmanagerFormat:
		return asAlerts, nil
	}
	return nil, fmt.Errorf("unknown format %q", name)
}

// newTemplate makes a format of a text/template over a Message. Its function
// json writes a value as JSON, quotes and all.
func newTemplate(text string) (Format, error) {
	t, err := template.New("template").Option("missingkey=error").Funcs(template.FuncMap{"json": jsonText}).Parse(text)
	if err != nil {
		return nil, err
	}
	return func(m Message) ([]byte, error) {
		var b bytes.Buffer
		err := t.Execute(&b, m)
		return b.Bytes(), err
	}, nil
}

// TryTemplate runs a template over a message with everything in it, so that a
// field that does not exist is found before it matters.
func TryTemplate(text string) ([]byte, error) {
	format, err := newTemplate(text)
	if err != nil {
		return nil, err
	}
	now := time.Date(2000, 1, 2, 3, 4, 5, 0, time.UTC)
	event := Event{
		Kind: ServerDown, Time: now, Director: "director", Virtual: "virtual", Real: "real", Address: "192.0.2.1:80",
		Instance: "instance", From: "up", To: "down", Since: now, Cause: `a "quoted" cause`,
	}
	return format(Message{Director: "director", Time: now, Events: []Event{event, event}, Lost: 1})
}

func jsonText(v any) (string, error) {
	b, err := json.Marshal(v)
	return string(b), err
}

// body is the JSON format.
type body struct {
	Director string      `json:"director"`
	Subject  string      `json:"subject"`
	Text     string      `json:"text"`
	Lost     int         `json:"lost"`
	Events   []bodyEvent `json:"events"`
}

type bodyEvent struct {
	Event
	Text string `json:"text"`
}

func asJSON(m Message) ([]byte, error) {
	b := body{Director: m.Director, Subject: m.Subject(), Text: m.Text(), Lost: m.Lost}
	for _, e := range m.Events {
		b.Events = append(b.Events, bodyEvent{e, e.Text()})
	}
	return json.Marshal(b)
}

// slackEscape replaces what has a meaning in Slack's texts
// (api.slack.com/reference/surfaces/formatting#escaping).
var slackEscape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// asSlack is the body of Slack's incoming webhooks, which Mattermost, Rocket.Chat
// and others take too.
func asSlack(m Message) ([]byte, error) {
	text := "*" + slackEscape.Replace(m.Subject()) + "*\n" + slackEscape.Replace(m.Text())
	return json.Marshal(map[string]string{"text": text})
}

// alert is one of the list that Alertmanager takes at POST /api/v2/alerts
// (postableAlert, api/v2/openapi.yaml).
type alert struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    time.Time         `json:"startsAt"`
	EndsAt      *time.Time        `json:"endsAt,omitempty"`
}

// asAlerts makes an alert of each event. One that begins a problem holds for as
// long as the message says; if it does not say, Alertmanager's own
// resolve_timeout counts. An event that ends a problem resolves its alert.
func asAlerts(m Message) ([]byte, error) {
	alerts := make([]alert, 0, len(m.Events))
	for _, e := range m.Events {
		alerts = append(alerts, newAlert(e, m))
	}
	return json.Marshal(alerts)
}

func newAlert(e Event, m Message) alert {
	t := e.Kind.traits()
	a := alert{
		Labels:      labels(e, t),
		Annotations: map[string]string{"summary": e.Headline(), "description": e.Text()},
		StartsAt:    e.Time,
	}
	switch {
	case t.phase == ends:
		a.EndsAt = &e.Time
		if !e.Since.IsZero() {
			a.StartsAt = e.Since
		}
	case t.phase == begins && m.Hold > 0:
		end := m.Time.Add(m.Hold)
		a.EndsAt = &end
	}
	return a
}

// labels tell alerts apart, so they are the same when a problem begins and ends.
func labels(e Event, t traits) map[string]string {
	severity := "warning"
	if t.grave {
		severity = "critical"
	}
	all := map[string]string{"alertname": t.alert, "severity": severity, "director": e.Director}
	for name, value := range map[string]string{
		"virtual": e.Virtual, "real": e.Real, "address": e.Address, "instance": e.Instance,
	} {
		if value != "" {
			all[name] = value
		}
	}
	return all
}
