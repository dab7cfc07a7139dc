package daemon

import (
	"testing"

	"github.com/lvsd/lvsd/pkg/notify/notice"
	"github.com/lvsd/lvsd/pkg/vrrp"
)

func TestNoticeOf(t *testing.T) {
	changed := func(from, to vrrp.State) vrrp.Event {
		return vrrp.Event{Instance: "front", Kind: vrrp.Changed, Old: from, State: to, Why: "test"}
	}
	tests := []struct {
		name  string
		event vrrp.Event
		want  notice.Kind // "" if nobody is told
		to    string
	}{
		{"start", changed(vrrp.Initialize, vrrp.Backup), "", ""},
		{"start of an address owner", changed(vrrp.Initialize, vrrp.Active), notice.RoleChanged, "active"},
		{"take-over", changed(vrrp.Backup, vrrp.Active), notice.RoleChanged, "active"},
		{"the other is back", changed(vrrp.Active, vrrp.Backup), notice.RoleChanged, "backup"},
		{"fault", changed(vrrp.Active, vrrp.Fault), notice.RoleChanged, "fault"},
		{"split brain is over", vrrp.Event{Instance: "front", Kind: vrrp.Healed, Why: "test"}, notice.SplitBrainOver, ""},
		{"split brain", vrrp.Event{Instance: "front", Kind: vrrp.SplitBrain, Why: "test"}, notice.SplitBrain, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := noticeOf(tt.event, 100)
			if ok != (tt.want != "") || got.Kind != tt.want || got.To != tt.to {
				t.Errorf("got %+v, %t", got, ok)
			}
			if ok && (got.Instance != "front" || got.Priority != 100 || got.Cause != "test") {
				t.Errorf("got %+v", got)
			}
		})
	}
}
