package lvs

import (
	"slices"
	"strings"
)

// Schedulers lists every scheduler of Linux up to 6.12; a kernel may be built
// without some of them (net/netfilter/ipvs/Kconfig).
var Schedulers = []string{
	"rr", "wrr", "lc", "wlc", "fo", "ovf", "lblc", "lblcr", "dh", "sh", "mh", "sed", "nq", "twos",
}

// Engines lists the persistence engines of Linux.
var Engines = []string{"sip"}

// Flags are the flags of a virtual service that a user may set; the values are
// the kernel's (IP_VS_SVC_F_*, include/uapi/linux/ip_vs.h). The persistent flag
// is not among them: Settings.Persistence says it.
type Flags uint32

// The flags. The three scheduler flags mean what the scheduler makes of them.
const (
	OnePacket Flags = 0x04
	Sched1    Flags = 0x08
	Sched2    Flags = 0x10
	Sched3    Flags = 0x20
)

var flagNames = []struct {
	name string
	flag Flags
}{
	{"flag-1", Sched1},
	{"flag-2", Sched2},
	{"flag-3", Sched3},
	{"sh-fallback", Sched1},
	{"sh-port", Sched2},
	{"mh-fallback", Sched1},
	{"mh-port", Sched2},
}

// SchedulerFlags lists the flags that a scheduler knows, by ipvsadm's names:
// the ones named after it and the generic ones.
func SchedulerFlags(scheduler string) []string {
	var names []string
	for _, f := range flagNames {
		if strings.HasPrefix(f.name, "flag-") || strings.HasPrefix(f.name, scheduler+"-") {
			names = append(names, f.name)
		}
	}
	return names
}

// ParseSchedulerFlag reads one of SchedulerFlags(scheduler).
func ParseSchedulerFlag(scheduler, name string) (Flags, bool) {
	if !slices.Contains(SchedulerFlags(scheduler), name) {
		return 0, false
	}
	for _, f := range flagNames {
		if f.name == name {
			return f.flag, true
		}
	}
	return 0, false
}

// Names gives the flags in ipvsadm's words for the scheduler: sh-port, not
// flag-2, where the scheduler has a word of its own.
func (f Flags) Names(scheduler string) []string {
	var names []string
	if f&OnePacket != 0 {
		names = append(names, "one-packet")
	}
	for _, bit := range []Flags{Sched1, Sched2, Sched3} {
		if f&bit != 0 {
			names = append(names, flagName(scheduler, bit))
		}
	}
	return names
}

func flagName(scheduler string, bit Flags) string {
	generic := ""
	for _, f := range flagNames {
		if f.flag != bit {
			continue
		}
		if strings.HasPrefix(f.name, scheduler+"-") {
			return f.name
		}
		if strings.HasPrefix(f.name, "flag-") {
			generic = f.name
		}
	}
	return generic
}
