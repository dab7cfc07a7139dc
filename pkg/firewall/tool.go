package firewall

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/coreos/go-iptables/iptables"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// lockSeconds is how long a command waits for the lock of iptables (-w).
const lockSeconds = 5

// tool is the iptables or the ip6tables of the machine.
type tool struct {
	*iptables.IPTables
	path  string
	names string // file with the names of the legacy tables that are in the kernel
	nft   func() bool
}

func findTool(f lvs.Family) (*tool, error) {
	t := &tool{names: "/proc/thread-self/net/ip_tables_names"}
	name, proto := "iptables", iptables.ProtocolIPv4
	if f == lvs.IPv6 {
		t.names = "/proc/thread-self/net/ip6_tables_names"
		name, proto = "ip6tables", iptables.ProtocolIPv6
	}
	var err error
	if t.path, err = lookPath(name); err != nil {
		return nil, err
	}
	t.IPTables, err = iptables.New(iptables.IPFamily(proto), iptables.Path(t.path), iptables.Timeout(lockSeconds))
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", t.path, err)
	}
	t.nft = sync.OnceValue(func() bool {
		version, err := exec.Command(t.path, "--version").Output()
		return err != nil || strings.Contains(string(version), "nf_tables")
	})
	return t, nil
}

// lookPath finds a program also where the PATH of a service or of an ordinary
// user does not lead.
func lookPath(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin/", "/sbin/"} {
		if path, err := exec.LookPath(dir + name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("no program %s: install the package iptables", name)
}

// loaded tells whether the kernel can have rules in the table. Of those of nft
// nobody knows without looking, which there costs nothing.
func (t *tool) loaded(table string) bool {
	names, _ := os.ReadFile(t.names) // absent: there are none
	return slices.Contains(strings.Fields(string(names)), table) || t.nft()
}

// list prints a whole table by one command; go-iptables needs one for each chain.
func (t *tool) list(table string) (string, error) {
	cmd := exec.Command(t.path, "--wait", strconv.Itoa(lockSeconds), "-t", table, "-S")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", cmd, err, bytes.TrimSpace(stderr.Bytes()))
	}
	return string(out), nil
}

// add tries without looking first: nearly always the chains are there, and a
// command is dear. If then it is not a chain that is missing but a kernel
// module, the chains made in vain go again.
func (t *tool) add(r lvs.Rule, args []string) error {
	err := t.put(r, args)
	if !notExist(err) {
		return err
	}
	var made []string
	for _, chain := range []string{r.Chain, target(args)} {
		if own(chain) && t.NewChain(r.Table, chain) == nil {
			made = append(made, chain)
		}
	}
	if len(made) == 0 {
		return err
	}
	if err := t.put(r, args); err != nil {
		for _, chain := range made {
			_ = t.DeleteChain(r.Table, chain) // the first error says more
		}
		return err
	}
	return nil
}

func (t *tool) put(r lvs.Rule, args []string) error {
	if own(r.Chain) {
		return t.Append(r.Table, r.Chain, args...)
	}
	return t.Insert(r.Table, r.Chain, 1, args...)
}

func (t *tool) delete(r lvs.Rule, args []string) error {
	if err := t.Delete(r.Table, r.Chain, args...); err != nil {
		return err
	}
	chain := chainOf(r, args)
	listing, err := t.list(r.Table)
	if err != nil {
		return err
	}
	if used(listing, chain) {
		return nil
	}
	return t.DeleteChain(r.Table, chain)
}

// used tells whether a chain has rules, or rules of anybody lead to it, or it is
// not there at all.
func used(listing, chain string) bool {
	exists := false
	for line := range strings.Lines(listing) {
		args, err := split(strings.TrimRight(line, "\n"))
		if err != nil || len(args) < 2 {
			continue
		}
		if args[0] == "-A" && (args[1] == chain || target(args) == chain) {
			return true
		}
		exists = exists || args[0] == "-N" && args[1] == chain
	}
	return !exists
}
