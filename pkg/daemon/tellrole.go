package daemon

import (
	"github.com/lvsd/lvsd/pkg/notify/notice"
	"github.com/lvsd/lvsd/pkg/vrrp"
)

// noticeOf is what people are told of an event of a VRRP instance: a change of
// its role, or that another director is active beside this one and no longer. The step from
// initialize to backup at a start is no news.
func noticeOf(e vrrp.Event, priority uint8) (notice.Event, bool) {
	n := notice.Event{Time: e.Time, Instance: e.Instance, Priority: int(priority), Cause: e.Why}
	switch {
	case e.Kind == vrrp.SplitBrain:
		n.Kind = notice.SplitBrain
		return n, true
	case e.Kind == vrrp.Healed:
		n.Kind = notice.SplitBrainOver
		return n, true
	case e.Kind == vrrp.Changed && !(e.Old == vrrp.Initialize && e.State == vrrp.Backup):
		n.Kind, n.From, n.To = notice.RoleChanged, e.Old.String(), e.State.String()
		return n, true
	}
	return notice.Event{}, false
}
