package status

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/lvsd/lvsd/pkg/health"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// Why is the chain from the configuration to the weight of a real server in the
// kernel, behind one VIP.
type Why struct {
	Server  string         `json:"server"` // "web/web1"
	Service lvs.ServiceKey `json:"service"`
	Address netip.AddrPort `json:"address"`
	Weight  int32          `json:"weight"` // in the kernel
	Result  string         `json:"result"` // what that means, in a sentence
	Steps   []Step         `json:"steps"`
}

// Step is one link of the chain.
type Step struct {
	Part string `json:"part"` // file, health, override, service, role, kernel
	Text string `json:"text"` // sentences
}

// WhyOf explains the weight of a real server behind each VIP of its service; nothing
// if the status has no such server.
func WhyOf(s Status, virtual, server string) []Why {
	var list []Why
	for _, v := range s.Services {
		for _, r := range v.Servers {
			if v.Virtual == virtual && r.Name == server {
				list = append(list, explain(s, v, r))
			}
		}
	}
	return list
}

func explain(s Status, v Service, r Server) Why {
	w := Why{Server: v.Virtual + "/" + r.Name, Service: v.Service, Address: r.Address, Weight: r.Weight, Result: result(v, r)}
	for _, step := range []Step{
		{"file", file(s, v, r)},
		{"health", healthWords(s, v, r)},
		{"override", overrideWords(s, r)},
		{"service", serviceWords(v, r)},
		{"role", roleWords(s, v)},
		{"kernel", kernelWords(s, v, r)},
	} {
		if step.Text != "" {
			w.Steps = append(w.Steps, step)
		}
	}
	return w
}

// result says what the kernel does with new connections.
func result(v Service, r Server) string {
	switch {
	case !v.Present:
		return "The kernel does not have the service: nobody is served."
	case !r.Present:
		return "The kernel does not have it: it gets no connections."
	case r.Weight == 0:
		return fmt.Sprintf("It gets no new connections; %d are open.", r.Active)
	}
	var all int64
	for _, other := range v.Servers {
		all += int64(other.Weight)
	}
	return fmt.Sprintf("It gets new connections with weight %d of %d in all.", r.Weight, all)
}

func file(s Status, v Service, r Server) string {
	if r.Fallback {
		return "It is the fallback, which serves when no real server does."
	}
	from := "The configuration"
	if s.Daemon != nil && len(s.Daemon.Files) == 1 {
		from = s.Daemon.Files[0]
	}
	text := fmt.Sprintf("%s gives it weight %d, by %s.", from, r.Configured, orElse(r.Tunnel, r.Forwarding))
	if s.Daemon != nil && s.Daemon.Reload != "" {
		text += " The last reload was refused: the file may say something else by now."
	}
	return text
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func healthWords(s Status, v Service, r Server) string {
	h := r.Health
	switch {
	case r.Fallback:
		return ""
	case h == nil && s.Daemon == nil:
		return "No daemon runs, so nobody knows."
	case h == nil:
		return "It has no check, so it counts as up."
	}
	var b strings.Builder
	fmt.Fprintf(&b, "It is %s%s.", h.State, forTime(s.Time, h.Since))
	for _, c := range h.Checks {
		b.WriteString(" " + checkWords(s.Time, c))
	}
	if h.Flapping {
		b.WriteString(" It flaps.")
	}
	switch {
	case h.State == health.Unknown:
		b.WriteString(" Until its checks have spoken it stays as the kernel has it; a new one waits.")
	case h.State == health.Down && v.Ignoring:
		b.WriteString(" But so few servers are up that failures are not believed (min_available).")
	case h.State == health.Down && v.Quiescent:
		b.WriteString(" So it gets weight 0 and keeps its connections (quiescent).")
	case h.State == health.Down:
		b.WriteString(" So it is removed (quiescent = false).")
	case climbing(v, r):
		fmt.Fprintf(&b, " It climbs to its weight and is at %d (slow_start).", h.Weight)
	}
	return b.String()
}

// climbing tells whether a server that is up has not reached its weight yet.
func climbing(v Service, r Server) bool {
	goal := r.Configured
	if r.Override != nil {
		goal = r.Override.Weight
	}
	return !v.QuorumLost && r.Health.Weight > 0 && r.Health.Weight < goal
}

func checkWords(now time.Time, c Check) string {
	if c.Last.At.IsZero() {
		return fmt.Sprintf("Check %s (%s) has not spoken yet.", c.Name, c.What)
	}
	outcome := "succeeded"
	if !c.Last.OK {
		outcome = "failed"
	}
	text := fmt.Sprintf("Check %s (%s) %s %s ago", c.Name, c.What, outcome, now.Sub(c.Last.At).Round(time.Second))
	if c.Last.Error != "" {
		text += ": " + c.Last.Error
	}
	return text + "."
}

func forTime(now, since time.Time) string {
	if since.IsZero() {
		return ""
	}
	return " for " + now.Sub(since).Round(time.Second).String()
}

func overrideWords(s Status, r Server) string {
	o := r.Override
	if o == nil {
		return ""
	}
	text := fmt.Sprintf("%s %s it (%s) %s ago", orElse(o.By, "Somebody"), did(o.Drains(), o.Weight), o.Target, s.Time.Sub(o.Since).Round(time.Second))
	if o.Reason != "" {
		text += ": " + o.Reason
	}
	text += ". That holds until `lvsd enable` takes it back."
	switch {
	case !o.Removed.IsZero():
		text += " It was empty, or the deadline had come, and was deleted."
	case o.Remove:
		text += " It is deleted once it is empty."
	case !o.Drains() && r.Health != nil && r.Health.State != health.Up:
		text += " But a weight brings no server up that is not."
	}
	return text
}

func did(drains bool, weight int32) string {
	if drains {
		return "drained"
	}
	return fmt.Sprintf("gave weight %d to", weight)
}

func serviceWords(v Service, r Server) string {
	fallback := slices.ContainsFunc(v.Servers, func(o Server) bool { return o.Fallback && o.Weight > 0 })
	switch {
	case v.QuorumLost && fallback:
		return "Too little weight of its service is up (quorum), so that the fallback serves and no real server does."
	case v.QuorumLost:
		return "Too little weight of its service is up (quorum); there is no fallback, so that those that are up serve."
	case fallback && !r.Fallback:
		return "No real server of its service serves, so that the fallback does."
	}
	return ""
}

// roleWords says whether clients come here at all.
func roleWords(s Status, v Service) string {
	for _, i := range s.VRRP {
		if !slices.ContainsFunc(i.VIPs, func(vip VIP) bool { return vip.Address.Addr() == v.Service.VIP.Addr() }) {
			continue
		}
		if i.Role == lvs.Active {
			return fmt.Sprintf("This director is active in %s: the clients of %s come here.", i.Name, v.Service.VIP.Addr())
		}
		text := fmt.Sprintf("This director is %s in %s: the clients of %s do not come here", i.Role, i.Name, v.Service.VIP.Addr())
		if i.Peer.IsValid() {
			text += fmt.Sprintf(", but probably to %s", i.Peer)
		}
		return text + "."
	}
	return ""
}

// names tells whether a text names a service, and not only one whose port begins
// with the same digits.
func names(text, service string) bool {
	parts := strings.Split(text, service)
	return slices.ContainsFunc(parts[1:], func(rest string) bool { return rest == "" || rest[0] < '0' || rest[0] > '9' })
}

func kernelWords(s Status, v Service, r Server) string {
	have := fmt.Sprintf("The kernel has it with weight %d", r.Weight)
	if !r.Present {
		have = "The kernel does not have it"
	}
	d := s.Daemon
	switch {
	case d == nil:
		return have + "; no daemon compares that with the configuration."
	case d.Checked.IsZero():
		return have + "; that was not compared with the configuration yet."
	}
	have += fmt.Sprintf("; that was compared %s ago", s.Time.Sub(d.Checked).Round(time.Second))
	if d.InStep {
		return have + " and is as it should be."
	}
	var about []string
	for _, e := range d.Errors {
		if names(e, v.Service.String()) {
			about = append(about, e)
		}
	}
	if len(about) == 0 {
		return have + ", and other things are not as they should be."
	}
	return have + ", and is not as it should be: " + strings.Join(about, "; ") + "."
}
