package main

import (
	"fmt"
	"net/netip"
	"os"
	"text/tabwriter"
	"time"

	"github.com/lvsd/lvsd/pkg/ipvs"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// How the checks are measured: some time until every server is up and the checks
// are spread, some for the processor time, and then so many servers that die one
// after another.
const (
	upWait    = time.Minute
	warmUp    = 8 * time.Second
	window    = 15 * time.Second
	deaths    = 40
	deathGap  = 150 * time.Millisecond
	deathWait = 10 * time.Second
	look      = 20 * time.Millisecond // between two looks at the table
)

// few servers are what ldirectord can check too: one after another.
const few = 20

// checker is a program that checks servers each second, by one tcp connection, one
// failure being enough.
type checker struct {
	name  string
	start func(servers []netip.AddrPort) (pid int, stop func(), err error)
}

// cost is what its checks cost and how soon they find a death.
type cost struct {
	rate     float64       // checks in a second that were really made
	perCheck time.Duration // processor time of one
	memory   int           // bytes
	found    []time.Duration
}

// percentile is the time from a death to weight 0 in the kernel, for that share
// of the deaths.
func (c cost) percentile(p int) time.Duration {
	return c.found[len(c.found)*p/100].Round(time.Millisecond)
}

// measureChecks prints what n checks a second of lvsd and keepalived cost, and of
// a few servers those of ldirectord too. It tells whether lvsd's cost less
// processor time than keepalived's.
func measureChecks(program string, n int) (bool, error) {
	all := []checker{{"keepalived", keepalived}, {"lvsd", director(program)}, {"ldirectord", ldirectord}}
	cheap := true
	for _, set := range []struct {
		servers  int
		checkers []checker
	}{{n, all[:2]}, {n / 10, all[:2]}, {few, all}} {
		costs, err := compare(set.servers, set.checkers)
		if err != nil {
			return false, err
		}
		cheap = cheap && (set.servers == few || costs[1].perCheck < costs[0].perCheck)
	}
	return cheap, nil
}

func compare(n int, checkers []checker) ([]cost, error) {
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(out, "\n%d tcp checks each second\tdone\tcpu per check\tmemory\tdetection p50\tp99\t\n", n)
	var costs []cost
	for _, c := range checkers {
		var cost cost
		err := inNamespace(func() (err error) {
			cost, err = c.measure(n)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("checks of %s: %w", c.name, err)
		}
		fmt.Fprintf(out, "%s\t%.0f/s\t%s\t%.1f MB\t%s\t%s\t\n", c.name, cost.rate, cost.perCheck.Round(100*time.Nanosecond),
			float64(cost.memory)/1e6, cost.percentile(50), cost.percentile(99))
		costs = append(costs, cost)
	}
	return costs, out.Flush()
}

func (c checker) measure(n int) (cost, error) {
	servers, err := listen(n)
	if err != nil {
		return cost{}, err
	}
	defer servers.close()
	table, err := ipvs.Open()
	if err != nil {
		return cost{}, err
	}
	defer table.Close()
	pid, stop, err := c.start(servers.addrs)
	if err != nil {
		return cost{}, err
	}
	defer stop()
	if err := allUp(table, n); err != nil {
		return cost{}, err
	}
	time.Sleep(warmUp)
	pids, err := family(pid)
	if err != nil {
		return cost{}, err
	}
	asked := servers.asked.Load()
	before, err := processorTime(pids)
	if err != nil {
		return cost{}, err
	}
	time.Sleep(window)
	after, err := processorTime(pids)
	if err != nil {
		return cost{}, err
	}
	done := servers.asked.Load() - asked
	result := cost{perCheck: (after - before) / time.Duration(max(done, 1)), rate: float64(done) / window.Seconds()}
	if result.memory, err = residentBytes(pids); err != nil {
		return cost{}, err
	}
	result.found, err = servers.die(table)
	return result, err
}

// allUp waits until n servers have a weight.
func allUp(table *ipvs.Table, n int) error {
	up := 0
	for end := time.Now().Add(upWait); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		found, err := where(table, func(r lvs.Server) bool { return r.Weight > 0 })
		if err != nil {
			return err
		}
		if up = len(found); up == n {
			return nil
		}
	}
	return fmt.Errorf("%d of %d servers are up after %s", up, n, upWait)
}

// quiesced are the servers of weight 0 in the kernel.
func quiesced(table *ipvs.Table) ([]netip.AddrPort, error) {
	return where(table, func(r lvs.Server) bool { return r.Weight == 0 })
}

// where gives the servers in the kernel of which something is true.
func where(table *ipvs.Table, is func(lvs.Server) bool) ([]netip.AddrPort, error) {
	services, err := table.Services()
	if err != nil {
		return nil, err
	}
	var found []netip.AddrPort
	for _, s := range services {
		for _, r := range s.Servers {
			if is(r) {
				found = append(found, r.Key)
			}
		}
	}
	return found, nil
}
