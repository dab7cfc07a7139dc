package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"time"

	"github.com/lvsd/lvsd/pkg/ipvs"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// fill times making the whole table in an empty namespace, one for each side.
func fill(services []lvs.Service) (ours, theirs time.Duration, err error) {
	err = inNamespace(func() error {
		theirs, err = ipvsadm(rules(services), "-R")
		return err
	})
	if err != nil {
		return 0, 0, err
	}
	err = inNamespace(func() error {
		ours, err = apply(services)
		return err
	})
	return ours, theirs, err
}

// read times reading the whole table of one namespace.
func read(services []lvs.Service) (ours, theirs time.Duration, err error) {
	err = inNamespace(func() error {
		if _, err := apply(services); err != nil {
			return err
		}
		if theirs, err = ipvsadm(nil, "-Sn"); err != nil {
			return err
		}
		ours, err = readServices(len(services))
		return err
	})
	return ours, theirs, err
}

func apply(services []lvs.Service) (time.Duration, error) {
	table, err := ipvs.Open()
	if err != nil {
		return 0, err
	}
	defer table.Close()
	start := time.Now()
	for _, err := range table.Apply(context.Background(), adds(services)) {
		if err != nil {
			return 0, err
		}
	}
	return time.Since(start), nil
}

func readServices(want int) (time.Duration, error) {
	table, err := ipvs.Open()
	if err != nil {
		return 0, err
	}
	defer table.Close()
	start := time.Now()
	got, err := table.Services()
	if err != nil {
		return 0, err
	}
	took := time.Since(start)
	if len(got) != want {
		return 0, fmt.Errorf("read %d services, want %d", len(got), want)
	}
	return took, nil
}

func ipvsadm(input []byte, args ...string) (time.Duration, error) {
	cmd := exec.Command("ipvsadm", args...)
	cmd.Stdin = bytes.NewReader(input)
	var errors bytes.Buffer
	cmd.Stderr = &errors
	start := time.Now()
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("ipvsadm %v: %w: %s", args, err, errors.Bytes())
	}
	return time.Since(start), nil
}

// rules writes services as ipvsadm -S does.
func rules(services []lvs.Service) []byte {
	var b bytes.Buffer
	for _, s := range services {
		fmt.Fprintf(&b, "-A -t %s -s %s\n", s.Key.VIP, s.Scheduler)
		for _, server := range s.Servers {
			fmt.Fprintf(&b, "-a -t %s -r %s -g -w %d\n", s.Key.VIP, server.Key, server.Weight)
		}
	}
	return b.Bytes()
}

// adds gives the changes that make services out of nothing.
func adds(services []lvs.Service) []lvs.Change {
	var changes []lvs.Change
	for _, s := range services {
		changes = append(changes, lvs.Change{Verb: lvs.Add, Service: s})
		for i := range s.Servers {
			changes = append(changes, lvs.Change{Verb: lvs.Add, Service: s, Server: &s.Servers[i]})
		}
	}
	return changes
}
