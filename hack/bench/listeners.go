package main

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/lvsd/lvsd/pkg/ipvs"
)

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
	deaths := min(deaths, len(l.addrs))
	died := map[netip.AddrPort]time.Time{}
	var latencies []time.Duration
	next := time.Now()
	for end := next.Add(time.Duration(deaths)*deathGap + deathWait); len(latencies) < deaths; time.Sleep(look) {
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
