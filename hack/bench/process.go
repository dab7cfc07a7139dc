package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of times in /proc/PID/stat (USER_HZ, proc(5)).
const clockTick = 10 * time.Millisecond

// stat gives the fields of /proc/PID/stat after the command's name, which may
// hold anything: state, parent, …
func stat(pid int) ([]string, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(fields) < 13 {
		return nil, fmt.Errorf("process %d: short stat %q", pid, data)
	}
	return fields, nil
}

// family is a process and its children, without those that have ended: they have
// no memory, and who waits for them is about to take over their times.
func family(pid int) ([]int, error) {
	entries, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	all := []int{pid}
	for _, e := range entries {
		child, _ := strconv.Atoi(filepath.Base(e))
		if fields, err := stat(child); err == nil && fields[0] != "Z" && fields[1] == strconv.Itoa(pid) {
			all = append(all, child)
		}
	}
	return all, nil
}

// processorTime is what processes have used, in user and in system mode.
func processorTime(pids []int) (time.Duration, error) {
	var sum time.Duration
	for _, pid := range pids {
		fields, err := stat(pid)
		if err != nil {
			return 0, err
		}
		for _, f := range fields[11:13] {
			ticks, err := strconv.Atoi(f)
			if err != nil {
				return 0, err
			}
			sum += time.Duration(ticks) * clockTick
		}
	}
	return sum, nil
}

// residentBytes is the memory that processes hold.
func residentBytes(pids []int) (int, error) {
	sum := 0
	for _, pid := range pids {
		text, err := resident(pid)
		if err != nil {
			return 0, err
		}
		kB, err := strconv.Atoi(strings.TrimSuffix(text, " kB"))
		if err != nil {
			return 0, err
		}
		sum += kB << 10
	}
	return sum, nil
}

// resident is a process's memory as the kernel writes it: "7616 kB".
func resident(pid int) (string, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			return strings.TrimSpace(rest), nil
		}
	}
	return "", fmt.Errorf("no VmRSS of process %d", pid)
}
