package web

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/lvsd/lvsd/hack/browser"
	"github.com/lvsd/lvsd/pkg/guard"
	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/status"
)

// flood is a guard under which so many packets come in each second by each rule,
// since a moment. What rules for dropping decide over is dropped until it does not
// enforce any more.
type flood struct {
	since  time.Time
	counts time.Time // since when it only counts, none while it enforces
	vips   []netip.Addr
	rates  map[lvs.GuardReason]uint64
	bytes  [2]uint64 // each second that passed and that were dropped, of each VIP
	err    error
}

func newFlood() *flood {
	return &flood{
		since: time.Now().Add(-time.Hour), bytes: [2]uint64{820_000, 96_000}, vips: []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")},
		rates: map[lvs.GuardReason]uint64{lvs.GuardPassed: 1240, lvs.GuardAllowed: 12, lvs.GuardUndeclared: 1500, lvs.GuardSourceSYNs: 40},
	}
}

// at is the guard at a moment.
func (f *flood) at(now time.Time) *status.Guard {
	have := &lvs.Guard{
		Interfaces:    map[string]lvs.GuardLink{"eth0": {Mode: lvs.GuardDriver}},
		VIPs:          map[netip.Addr]lvs.GuardVIP{},
		Allow:         lvs.Prefixes(netip.MustParsePrefix("198.51.100.8/29")),
		Block:         lvs.Prefixes(netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("198.51.100.7/32")),
		GuardSettings: lvs.GuardSettings{Enforce: f.counts.IsZero()},
	}
	want := &lvs.Guard{Interfaces: map[string]lvs.GuardLink{"eth0": {}, "eth1": {}}}
	enforced := now
	if !f.counts.IsZero() {
		enforced = f.counts
	}
	came := func(until time.Time, rate uint64) uint64 { return uint64(until.Sub(f.since).Seconds() * float64(rate)) }
	var counters lvs.GuardCounters
	for _, vip := range f.vips {
		have.VIPs[vip] = lvs.GuardVIP{}
		for reason, rate := range f.rates {
			n := lvs.GuardCount{VIP: vip, Reason: reason, Passed: came(now, rate)}
			if reason.Drops() {
				n.Dropped = came(enforced, rate)
				n.Passed -= n.Dropped
			}
			counters.Packets = append(counters.Packets, n)
		}
		counters.Bytes = append(counters.Bytes, lvs.GuardBytes{
			VIP: vip, Passed: came(now, f.bytes[0]) + came(now, f.bytes[1]) - came(enforced, f.bytes[1]), Dropped: came(enforced, f.bytes[1]),
		})
	}
	var s status.Status
	s.SetGuard(want, have, counters, []guard.Block{{Prefix: netip.MustParsePrefix("198.51.100.7/32"), By: "anna"}}, f.err)
	return s.Guard
}

// guardRow is an expression: the texts of the cells of a row of the guard's table,
// that of a VIP or, with a rule, of this.
func guardRow(vip, rule string) string {
	return fmt.Sprintf(`(() => { let vip = ""; for (const r of document.querySelectorAll("#guard-rows tr")) {
		const who = r.querySelector(".who").textContent;
		if (r.className.startsWith("vip")) vip = who;
		if (vip === %q && who === (%q || vip)) return [...r.cells].slice(1).map((c) => c.textContent).join("|");
	} return ""; })()`, vip, rule)
}

// shown shows the guard alone, on each screen.
func shownGuard(t *testing.T, b *browser.Browser, name string) {
	t.Helper()
	for _, s := range browser.Screens {
		b.Use(s)
		b.Do(chromedp.ScrollIntoView("#guard"), chromedp.Evaluate(`document.getElementById("guard").scrollIntoView()`, nil))
		b.Picture(name + "-" + s.Name)
		for _, v := range b.Violations() {
			t.Errorf("%s: %s", s.Name, v)
		}
		if wide := browser.Value[int](b, "document.documentElement.scrollWidth"); wide > int(s.Width) {
			t.Errorf("%s: the page is %d wide", s.Name, wide)
		}
	}
}

const guardText = `document.getElementById("guard").innerText`

// The guard's panel: what comes in a second beside what came in all, by VIP and
// rule, and what is wrong, without obstacles for anybody.
func TestPageGuard(t *testing.T) {
	guard := newFlood()
	guard.err = errors.New("read the list /etc/lvsd/blocked: no such file or directory")
	f := &fake{now: sample(3, 2), guard: guard.at}
	f.now.Services[0].SYNs = &status.GuardSYNs{Seconds: 10, SYNs: 60, Repeated: 30}
	f.now.Services[1].SYNs = &status.GuardSYNs{Seconds: 10, SYNs: 212, Repeated: 1}
	f.now.Services[2].SYNs = &status.GuardSYNs{Seconds: 10, SYNs: 90}
	server, url := serve(t, f)
	b := open(t, url)
	for _, vip := range []string{"192.0.2.1", "2001:db8::1"} {
		b.Shows("the rates of "+vip, guardRow(vip, "")+`.startsWith("1.25 k|820 kB|") && `+guardRow(vip, "")+`.includes("|1.54 k|96.0 kB|")`)
		b.Shows("a rule of "+vip, `/^0\|\|0\|\|1\.50 k\|\|5\.4\d M\|$/.test(`+guardRow(vip, "no service at this port")+`)`)
	}
	b.Shows("the sums", `/Packets dropped\s+3\.08 k\/s\s+192 kB\/s · 11\.1 M packets in all/.test(`+guardText+`)`)
	for _, words := range []string{
		"enforcing", "eth0: in the driver", "eth1: not attached", "2 networks", "1 by command · 1 network on the allow list", "lvsd guard top",
		"read the list /etc/lvsd/blocked: no such file or directory",
	} {
		b.Shows(words, fmt.Sprintf(`%s.includes(%q)`, guardText, words))
	}
	b.Shows("what clients asked again, the worst first", `document.getElementById("asked-rows").innerText.replace(/\s+/g, " ").startsWith("web0 60 30 50 % web1 212 1 <1 %")`)
	b.Shows("that the list is a problem", `document.getElementById("problems").textContent.includes("Guard: read the list")`)
	shownGuard(t, b, "guard")

	f.change(func(*status.Status) { guard.rates[lvs.GuardBlocked] = 7 })
	server.Kick()
	b.Shows("a rule that begins to drop, marked", `[...document.querySelectorAll("#guard-rows tr.flash .who")].map((e) => e.textContent).join() ===
		"source on the block list,source on the block list"`)
	b.Do(chromedp.Evaluate(`window.loadedOnce = true`, nil))
	f.change(func(*status.Status) { guard.counts, guard.err = time.Now(), nil })
	server.Kick()
	b.Shows("that it only counts, marked", `document.querySelector("#guard-badges .flash")?.textContent === "counting only"`)
	b.Shows("what it would drop", `/Packets it would drop\s+3\.09 k\/s/.test(`+guardText+`)`)
	b.Shows("what would be dropped by a rule", `document.getElementById("guard-rows").textContent.includes("no service at this port would be dropped")`)
	b.Shows("that the list is read", `!document.body.textContent.includes("/etc/lvsd/blocked")`)
	if !browser.Value[bool](b, `window.loadedOnce === true`) {
		t.Error("the page was loaded again")
	}
	shownGuard(t, b, "guard-counting")
	if complaints := b.Complaints(); len(complaints) > 0 {
		t.Errorf("complaints: %q", complaints)
	}
}

// A guard that cannot be loaded says why; without one nothing is there.
func TestPageGuardNotLoaded(t *testing.T) {
	var s status.Status
	s.SetGuard(&lvs.Guard{Interfaces: map[string]lvs.GuardLink{"eth0": {}}}, nil, lvs.GuardCounters{}, nil, nil)
	s.Guard.Error = "load guard: set the memory limit: operation not permitted"
	f := &fake{now: sample(1, 1)}
	server, url := serve(t, f)
	b := open(t, url)
	b.Shows("no guard", `document.getElementById("guard").offsetParent === null && !document.body.innerText.includes("Guard")`)
	f.change(func(now *status.Status) { now.Guard = s.Guard })
	server.Kick()
	b.Shows("the reason", `document.getElementById("guard-problems").innerText.includes("load guard: set the memory limit: operation not permitted")`)
	b.Shows("the state", `document.getElementById("guard-badges").innerText.replace(/\s+/g, " ") === "not loaded eth0: not attached"`)
	b.Shows("no numbers", `document.getElementById("guard-numbers").offsetParent === null`)
	b.Shows("a problem", `document.getElementById("problems").textContent.includes("The guard is not loaded: it drops nothing")`)
	shownGuard(t, b, "guard-not-loaded")
	f.change(func(now *status.Status) { now.Guard = newFlood().at(time.Now()) })
	server.Kick()
	b.Shows("that it is loaded after all", `document.getElementById("guard-badges").innerText.startsWith("enforcing")`)
	if now := browser.Value[string](b, guardRow("192.0.2.1", "")); !strings.HasPrefix(now, "–|–|") {
		t.Errorf("what it counted before is taken for what came in a second: %s", now)
	}
	f.change(func(now *status.Status) { now.Guard = nil })
	server.Kick()
	b.Shows("no guard any more", `document.getElementById("guard").offsetParent === null`)
}

// Every rule has words of its own.
func TestSentences(t *testing.T) {
	known := map[string]bool{}
	for r := lvs.GuardPassed; r < lvs.GuardReasons; r++ {
		s := sentence(r.String())
		if known[s] || s == "" {
			t.Errorf("%s: %q", r, s)
		}
		known[s] = true
	}
}
