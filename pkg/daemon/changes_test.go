package daemon

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/changelog"
	"github.com/lvsd/lvsd/pkg/control"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/override"
)

// The log has what changed in the order in which it did, with causes, and outlasts
// the director.
func TestChanges(t *testing.T) {
	r := start(t, web("director.resync = \"1s\"\n", "rs1", "rs2"))
	r.order(control.Order{Target: override.Of("web", "rs1"), Reason: "new disk"})
	r.enable(override.Of("web", "rs1"))
	r.write(web("director.resync = \"1s\"\n", "rs1"))
	must(t, r.reload())
	r.write("nonsense")
	_ = r.reload()
	key := r.status().Services[0].Service
	for _, err := range r.table.Apply(t.Context(), []lvs.Change{{Verb: lvs.Delete, Service: lvs.Service{Key: key}}}) {
		must(t, err)
	}
	want := []string{
		"director director lb1 starts",
		"override web/rs1 is drained by * : new disk",
		"override web/rs1 is as configured again by *",
		"configuration the configuration was read again: 1 operations done in the kernel",
		"configuration the new configuration is refused : *",
		"drift somebody else's change of the kernel was undone : *",
	}
	var list []changelog.Change
	for last := uint64(0); len(list) < len(want); {
		more, err := control.Dial(r.socket()).Changes(t.Context(), last, patience)
		must(t, err)
		if len(more) == 0 {
			t.Fatalf("no change for %s after %+v", patience, list)
		}
		list, last = append(list, more...), more[len(more)-1].Number
	}
	for i, w := range want {
		got := string(list[i].Kind) + " " + list[i].Text
		if list[i].Cause != "" {
			got += " : " + list[i].Cause
		}
		if !matches(w, got) {
			t.Errorf("change %d: got %q, want %q", i, got, w)
		}
	}
	r.eventually("it is in the file", func() bool {
		data, err := os.ReadFile(filepath.Join(r.dir, "changes.jsonl"))
		return err == nil && strings.Count(string(data), "\n") >= len(want)
	})
	if more, err := control.Dial(r.socket()).Changes(t.Context(), 1<<40, 0); err != nil || len(more) < len(want) {
		t.Errorf("after a number of another log: %d changes, %v", len(more), err)
	}
	began := time.Now()
	last := list[len(list)-1].Number
	if more, err := control.Dial(r.socket()).Changes(t.Context(), last, 50*time.Millisecond); err != nil || len(more) > 0 || time.Since(began) > patience {
		t.Errorf("a wait for nothing: %v, %v", more, err)
	}
}

// matches tells whether a text is as a pattern, in which "*" stands for anything.
func matches(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	if !strings.HasPrefix(text, parts[0]) {
		return false
	}
	for _, part := range parts {
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}
		text = text[i+len(part):]
	}
	return true
}
