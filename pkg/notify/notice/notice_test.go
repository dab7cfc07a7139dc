package notice

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write what is got to the golden files")

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }

// samples are an event of each kind.
var samples = []Event{
	{Kind: ServerDown, Virtual: "web", Real: "web1", Address: "10.0.0.1:80", From: "up", To: "down", Since: at(-3600), Cause: "connection refused"},
	{Kind: ServerDown, Virtual: "web", Real: "web1", From: "up", To: "down", Cause: "connection refused", Reminder: true},
	{Kind: ServerUp, Virtual: "web", Real: "web1", Address: "10.0.0.1:80", From: "down", To: "up", Since: at(-90)},
	{Kind: ServerFlapping, Virtual: "web", Real: "web2", Cause: "7 changes in a minute"},
	{Kind: ServiceDown, Virtual: "web", From: "up", To: "down", Cause: "no real server is left, the fallback answers"},
	{Kind: ServiceUp, Virtual: "web", From: "down", To: "up", Since: at(-10)},
	{Kind: RoleChanged, Instance: "front", From: "backup", To: "active", Priority: 100, Cause: "no advertisement for 3s"},
	{Kind: SplitBrain, Instance: "front", Cause: "advertisement of priority 50 from 192.0.2.2"},
	{Kind: SplitBrainOver, Instance: "front"},
	{Kind: SyncBehind, Address: "10.9.0.2", Cause: "it holds 10 connections and templates, this director 1020"},
	{Kind: SyncCaughtUp, Address: "10.9.0.2"},
	{Kind: ReloadRefused, Cause: "a.toml:1:2: bad\na.toml:3:4: <worse> & \"more\""},
	{Kind: ReloadTaken, Since: at(-60)},
	{Kind: KernelError, Cause: "add 10.0.0.1:80 to tcp 192.0.2.1:80: no such device"},
	{Kind: KernelOK, Since: at(-60)},
	{Kind: Drift, Cause: "2 operations: add 10.0.0.1:80 to tcp 192.0.2.1:80; …"},
	{Kind: Test, Cause: "sent by lvsd notify test"},
}

func sampleMessage() Message {
	m := Message{Director: "lb1", Time: at(5), Hold: 4 * time.Minute, Lost: 3}
	for _, e := range samples {
		e.Director, e.Time = "lb1", start
		m.Events = append(m.Events, e)
	}
	return m
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := "testdata/" + name
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func TestText(t *testing.T) {
	m := sampleMessage()
	var b strings.Builder
	for _, e := range m.Events {
		fmt.Fprintln(&b, Message{Director: "lb1", Events: []Event{e}}.Subject())
	}
	golden(t, "text.golden", m.Subject()+"\n"+m.Text()+b.String())
}

func TestFormats(t *testing.T) {
	for _, name := range Formats() {
		t.Run(name, func(t *testing.T) {
			format, err := NewFormat(name, "")
			if err != nil {
				t.Fatal(err)
			}
			body, err := format(sampleMessage())
			if err != nil {
				t.Fatal(err)
			}
			var value any
			if err := json.Unmarshal(body, &value); err != nil {
				t.Fatalf("%v in %s", err, body)
			}
			pretty, err := json.MarshalIndent(value, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name+".golden", string(pretty)+"\n")
		})
	}
}

func TestTemplate(t *testing.T) {
	format, err := NewFormat("", `{"n": {{len .Events}}, "first": {{json (index .Events 9).Cause}}, "kinds": "{{range .Events}}{{.Kind}} {{end}}"}`)
	if err != nil {
		t.Fatal(err)
	}
	got, err := format(sampleMessage())
	if err != nil || !json.Valid(got) {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestTryTemplate(t *testing.T) {
	for _, text := range []string{"{{.Text", "{{.Nothing}}", "{{range .Events}}{{.Nothing}}{{end}}", "{{nothing .}}"} {
		if got, err := TryTemplate(text); err == nil {
			t.Errorf("%s: got %s", text, got)
		}
	}
	if _, err := NewFormat("xml", ""); err == nil {
		t.Error("xml is a format")
	}
}

// A problem and its end have the same subject and, for Alertmanager, the same
// labels.
func TestPairs(t *testing.T) {
	for _, pair := range [][2]Kind{
		{ServerDown, ServerUp}, {ServerFlapping, ServerUp}, {ServiceDown, ServiceUp},
		{SplitBrain, SplitBrainOver}, {SyncBehind, SyncCaughtUp}, {ReloadRefused, ReloadTaken}, {KernelError, KernelOK},
	} {
		begin := Event{Kind: pair[0], Virtual: "web", Real: "web1", Cause: "x", Time: at(0)}
		end := Event{Kind: pair[1], Virtual: "web", Real: "web1", From: "down", Since: at(0), Time: at(9)}
		if !pair[0].Begins() || !pair[1].Ends() || begin.Subject() != end.Subject() {
			t.Errorf("%s and %s are no pair", pair[0], pair[1])
		}
		a, b := newAlert(begin, Message{}), newAlert(end, Message{})
		if diff := cmp.Diff(a.Labels, b.Labels); diff != "" {
			t.Errorf("labels of %s and %s:\n%s", pair[0], pair[1], diff)
		}
		if a.EndsAt != nil || b.EndsAt == nil || !a.StartsAt.Equal(b.StartsAt) {
			t.Errorf("%s from %s to %v, %s from %s to %v", pair[0], a.StartsAt, a.EndsAt, pair[1], b.StartsAt, b.EndsAt)
		}
	}
}

func TestKinds(t *testing.T) {
	for _, k := range Kinds() {
		if got, err := ParseKind(string(k)); got != k || err != nil {
			t.Errorf("%s: got %s, %v", k, got, err)
		}
		if text := (Event{Kind: k}).Headline(); text == string(k) {
			t.Errorf("%s has no headline", k)
		}
	}
	if _, err := ParseKind("test"); err == nil {
		t.Error("test can be chosen")
	}
}
