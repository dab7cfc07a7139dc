package main

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/lvsd/lvsd/pkg/ipvs"
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
	p50, p99 time.Duration // from death to weight 0 in the kernel
}

// measureChecks prints what the checks of lvsd and keepalived cost, and tells
// whether lvsd's cost less processor time.
func measureChecks(program string, n int) (bool, error) {
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(out, "\n%d tcp checks each second\tdone\tcpu per check\tmemory\tdetection p50\tp99\t\n", n)
	var costs []cost
	for _, c := range []checker{{"keepalived", keepalived}, {"lvsd", director(program)}} {
		var cost cost
		err := inNamespace(func() (err error) {
			cost, err = c.measure(n)
			return err
		})
		if err != nil {
			return false, fmt.Errorf("checks of %s: %w", c.name, err)
		}
		fmt.Fprintf(out, "%s\t%.0f/s\t%s\t%.1f MB\t%s\t%s\t\n", c.name, cost.rate, cost.perCheck.Round(100*time.Nanosecond),
			float64(cost.memory)/1e6, cost.p50.Round(time.Millisecond), cost.p99.Round(time.Millisecond))
		costs = append(costs, cost)
	}
	return costs[1].perCheck < costs[0].perCheck, out.Flush()
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
	if err := allUp(table); err != nil {
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
	latencies, err := servers.die(table)
	if err != nil {
		return cost{}, err
	}
	result.p50, result.p99 = latencies[len(latencies)/2], latencies[len(latencies)*99/100]
	return result, nil
}

// allUp waits until no server has weight 0.
func allUp(table *ipvs.Table) error {
	var down []netip.AddrPort
	var err error
	for end := time.Now().Add(upWait); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if down, err = quiesced(table); err != nil || len(down) == 0 {
			return err
		}
	}
	return fmt.Errorf("%d servers are not up after %s", len(down), upWait)
}

// listeners are servers that accept and close.
type listeners struct {
	addrs []netip.AddrPort
	asked atomic.Int64 // connections that were accepted
	open  map[netip.AddrPort]net.Listener
}

func listen(n int) (*listeners, error) {
	l := &listeners{open: map[netip.AddrPort]net.Listener{}}
	addr := netip.MustParseAddr("127.1.0.0")
	for range n {
		addr = addr.Next()
		to := netip.AddrPortFrom(addr, 80)
		one, err := net.Listen("tcp", to.String())
		if err != nil {
			l.close()
			return nil, err
		}
		l.addrs = append(l.addrs, to)
		l.open[to] = one
		go func() {
			for {
				c, err := one.Accept()
				if err != nil {
					return
				}
				l.asked.Add(1)
				c.Close()
			}
		}()
	}
	return l, nil
}

func (l *listeners) close() {
	for _, one := range l.open {
		one.Close()
	}
}

// die ends servers one after another and gives the times until the kernel had
// them with weight 0, sorted.
func (l *listeners) die(table *ipvs.Table) ([]time.Duration, error) {
	died := map[netip.AddrPort]time.Time{}
	var latencies []time.Duration
	next := time.Now()
	for end := next.Add(deaths*deathGap + deathWait); len(latencies) < deaths; time.Sleep(look) {
		now := time.Now()
		if now.After(end) {
			return nil, fmt.Errorf("%d of %d deaths were not found", deaths-len(latencies), deaths)
		}
		if len(died) < deaths && !now.Before(next) {
			one := l.addrs[len(died)*len(l.addrs)/deaths]
			l.open[one].Close()
			died[one], next = now, next.Add(deathGap)
		}
		down, err := quiesced(table)
		if err != nil {
			return nil, err
		}
		for _, one := range down {
			if at, new := died[one]; new && !at.IsZero() {
				latencies = append(latencies, time.Since(at))
				died[one] = time.Time{}
			}
		}
	}
	slices.Sort(latencies)
	return latencies, nil
}

// quiesced are the servers of weight 0 in the kernel.
func quiesced(table *ipvs.Table) ([]netip.AddrPort, error) {
	services, err := table.Services()
	if err != nil {
		return nil, err
	}
	var down []netip.AddrPort
	for _, s := range services {
		for _, r := range s.Servers {
			if r.Weight == 0 {
				down = append(down, r.Key)
			}
		}
	}
	return down, nil
}

func director(program string) func([]netip.AddrPort) (int, func(), error) {
	return func(servers []netip.AddrPort) (int, func(), error) {
		d, err := startWith(program, func(dir string) []byte {
			var b bytes.Buffer
			fmt.Fprintf(&b, "[director]\nname = \"bench\"\nstate_dir = %[1]q\ndata_dir = %[1]q\n[virtual.web]\nvip = \"198.18.0.1:80\"\n"+
				"check = { type = \"tcp\", interval = \"1s\", timeout = \"3s\", rise = 1, fall = 1 }\n[virtual.web.real]\n", dir)
			for i, s := range servers {
				fmt.Fprintf(&b, "r%d = \"%s\"\n", i, s)
			}
			return b.Bytes()
		})
		if err != nil {
			return 0, nil, err
		}
		return d.cmd.Process.Pid, d.stop, nil
	}
}

func keepalived(servers []netip.AddrPort) (int, func(), error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return 0, nil, err
	}
	var b bytes.Buffer
	b.WriteString("virtual_server 198.18.0.1 80 {\n delay_loop 1\n lb_algo wlc\n lb_kind DR\n protocol TCP\n")
	for _, s := range servers {
		fmt.Fprintf(&b, " real_server %s %d {\n  weight 1\n  inhibit_on_failure\n  TCP_CHECK {\n   connect_timeout 3\n   retry 0\n  }\n }\n",
			s.Addr(), s.Port())
	}
	b.WriteString("}\n")
	path := filepath.Join(dir, "keepalived.conf")
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		return 0, nil, err
	}
	cmd := exec.Command("keepalived", "--dont-fork", "--check", "--use-file", path, "--log-console",
		"--pid", filepath.Join(dir, "pid"), "--checkers_pid", filepath.Join(dir, "checkers"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return 0, nil, err
	}
	stop := func() {
		// The checkers are in its process group.
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	}
	return cmd.Process.Pid, stop, nil
}
