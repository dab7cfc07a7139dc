// Package plan compares the desired state with the observed one and says what
// to do about the difference: a list of operations in an order that is safe for
// traffic. It is pure: it does no I/O and reads no clock.
package plan

import (
	"fmt"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// Op is one operation on the kernel. String says it as a person would, and is
// the same for the same operation.
type Op interface{ String() string }

// Module loads a kernel module.
type Module struct{ Name string }

func (o Module) String() string { return "load kernel module " + o.Name }

// Sysctl sets a kernel parameter.
type Sysctl struct {
	lvs.Sysctl
	Old string // what the kernel has
}

func (o Sysctl) String() string {
	return fmt.Sprintf("set %s to %s (was %s; %s)", o.Key, o.Value, o.Old, o.Why)
}

// Timeouts sets the connection time-outs of IPVS. Fields that stay as they are
// are zero.
type Timeouts struct{ lvs.Timeouts }

func (o Timeouts) String() string { return "set IPVS time-outs: " + o.Timeouts.String() }

// Table changes the IPVS table.
type Table struct{ lvs.Change }

// Shrinks tells whether the change takes capacity from a service that stays:
// it must wait for the changes that give the service some.
func (o Table) Shrinks() bool {
	if o.Server == nil {
		return false
	}
	return o.Verb == lvs.Delete || o.Verb == lvs.Set && o.Server.Weight == 0
}

// Rule adds or deletes one copy of an iptables rule.
type Rule struct {
	Verb lvs.Verb
	lvs.Rule
}

func (o Rule) String() string {
	if o.Verb == lvs.Delete {
		return "delete rule: " + o.Rule.String()
	}
	return "add rule: " + o.Rule.String()
}

// Address adds or deletes an address of an interface.
type Address struct {
	Verb lvs.Verb
	lvs.Address
}

func (o Address) String() string { return fmt.Sprintf("%s address %s", o.Verb, o.AddressKey) }

// Link makes or deletes an interface with a hardware address of its own.
type Link struct {
	Verb lvs.Verb // Add or Delete
	lvs.VirtualLink
}

func (o Link) String() string { return fmt.Sprintf("%s interface %s", o.Verb, o.VirtualLink) }

// Daemon starts or stops a sync daemon.
type Daemon struct {
	Verb lvs.Verb // Add or Delete
	lvs.SyncDaemon
}

// String names a daemon that stops without the kernel's own choices, so that it
// reads the same whether they are known or not.
func (o Daemon) String() string {
	if o.Verb == lvs.Delete {
		return fmt.Sprintf("stop %s sync daemon %d on %s", o.Role, o.ID, o.Interface)
	}
	return "start " + o.SyncDaemon.String()
}

// Detour makes or ends a detour.
type Detour struct {
	Verb lvs.Verb
	lvs.Detour
}

func (o Detour) String() string { return fmt.Sprintf("%s detour over lo: %s", o.Verb, o.Detour) }
