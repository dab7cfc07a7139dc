package metrics

import (
	"maps"
	"slices"

	dto "github.com/prometheus/client_model/go"

	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/notify"
	"github.com/lvsd/lvsd/pkg/status"
)

// roles are all that a director can have in an instance.
var roles = []lvs.Role{lvs.Active, lvs.Standby, lvs.Faulty, lvs.Undecided}

// instance is a metric with one series for each VRRP instance for which value
// tells one.
func instance(name string, kind dto.MetricType, help string, value func(status.VRRP) (float64, bool)) family {
	return family{name, kind, help, func(s *scrape, add add) {
		for _, v := range s.Status.VRRP {
			if n, ok := value(v); ok {
				add(n, labels("vrrp", v.Name))
			}
		}
	}}
}

// elected is instance for those whose role this director elects.
func elected(name string, kind dto.MetricType, help string, value func(status.VRRP) float64) family {
	return instance(name, kind, help, func(v status.VRRP) (float64, bool) { return value(v), !v.External })
}

var vrrpTable = []family{
	{"lvsd_vrrp_role", gauge, "1 for the role (active, standby, fault, undecided) that this director has in the instance, 0 for the others.",
		func(s *scrape, add add) {
			for _, v := range s.Status.VRRP {
				for _, r := range roles {
					add(boolean(v.Role == r), labels("role", r.String(), "vrrp", v.Name))
				}
			}
		}},
	instance("lvsd_vrrp_transitions_total", counter, "Changes of the instance's state.",
		func(v status.VRRP) (float64, bool) { return float64(v.Transitions), true }),
	instance("lvsd_vrrp_state_since_timestamp_seconds", gauge, "When the instance came into its state.",
		func(v status.VRRP) (float64, bool) { return unix(v.Since), !v.Since.IsZero() }),
	elected("lvsd_vrrp_priority", gauge, "Priority of this director in force.",
		func(v status.VRRP) float64 { return float64(v.Priority) }),
	elected("lvsd_vrrp_adverts_sent_total", counter, "Adverts that this director sent.",
		func(v status.VRRP) float64 { return float64(v.Sent) }),
	elected("lvsd_vrrp_adverts_received_total", counter, "Adverts of other directors that were believed.",
		func(v status.VRRP) float64 { return float64(v.Received) }),
	{"lvsd_vrrp_adverts_refused_total", counter, "Adverts that were not believed, by reason.",
		func(s *scrape, add add) {
			for _, v := range s.Status.VRRP {
				for _, reason := range slices.Sorted(maps.Keys(v.Refused)) {
					add(float64(v.Refused[reason]), labels("reason", reason, "vrrp", v.Name))
				}
			}
		}},
	instance("lvsd_vrrp_peer_last_heard_timestamp_seconds", gauge, "When the last advert of another director was heard.",
		func(v status.VRRP) (float64, bool) { return unix(v.Heard), !v.Heard.IsZero() }),
	elected("lvsd_vrrp_timer_lateness_max_seconds", gauge, "Longest delay of a timer of the instance since the start; a large one makes other directors take over.",
		func(v status.VRRP) float64 { return v.Late }),
	{"lvsd_vrrp_vip_present", gauge, "1 if an address of the instance is on its interface: it should be where the role is active, and nowhere else.",
		func(s *scrape, add add) {
			for _, v := range s.Status.VRRP {
				for _, a := range v.VIPs {
					add(boolean(a.Present), labels("address", a.Address.String(), "interface", a.Interface, "vrrp", v.Name))
				}
			}
		}},
}

// receiver is a metric with one series for each receiver of notifications.
func receiver(name string, kind dto.MetricType, help string, value func(notify.Status) int) family {
	return family{name, kind, help, func(s *scrape, add add) {
		for _, r := range s.Receivers {
			add(float64(value(r)), labels("receiver", r.Name))
		}
	}}
}

var notifyTable = []family{
	receiver("lvsd_notify_messages_sent_total", counter, "Messages that the receiver took.", func(r notify.Status) int { return r.Sent }),
	receiver("lvsd_notify_attempts_failed_total", counter, "Attempts to send that failed; most are repeated.", func(r notify.Status) int { return r.Failed }),
	receiver("lvsd_notify_events_lost_total", counter, "Events that the receiver will never get.", func(r notify.Status) int { return r.Lost }),
	receiver("lvsd_notify_events_waiting", gauge, "Events that wait for the receiver.", func(r notify.Status) int { return r.Waiting }),
}
