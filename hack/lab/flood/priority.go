package flood

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Real-time priorities. The kernel's thread for what it receives comes before who sends: else it would never get to run once it has fallen
// behind, and the ring would overflow.
const (
	priorityOfSender   = 1
	priorityOfReceiver = 2
)

// takeProcessor puts this thread and the reception of frames before every process of one processor, as a card's interrupts are.
func takeProcessor() (giveBack func() error, err error) {
	const processor = 0
	var only unix.CPUSet
	only.Set(processor)
	if err := unix.SchedSetaffinity(0, &only); err != nil {
		return nil, fmt.Errorf("stay on processor %d: %w", processor, err)
	}
	receiver, err := findThread("ksoftirqd/" + strconv.Itoa(processor))
	if err != nil {
		return nil, err
	}
	before, err := unix.SchedGetAttr(receiver, 0)
	if err != nil {
		return nil, fmt.Errorf("read the priority of the kernel's thread for softirqs: %w", err)
	}
	if err := prefer(receiver, priorityOfReceiver); err != nil {
		return nil, err
	}
	giveBack = func() error { return unix.SchedSetAttr(receiver, before, 0) }
	if err := prefer(0, priorityOfSender); err != nil {
		return nil, errors.Join(err, giveBack())
	}
	return giveBack, nil
}

func prefer(thread int, priority uint32) error {
	a := &unix.SchedAttr{Policy: unix.SCHED_FIFO, Priority: priority, Flags: unix.SCHED_FLAG_RESET_ON_FORK}
	if err := unix.SchedSetAttr(thread, a, 0); err != nil {
		return fmt.Errorf("give thread %d real-time priority: %w", thread, err)
	}
	return nil
}

// findThread finds a kernel thread by its name.
func findThread(name string) (int, error) {
	paths, _ := filepath.Glob("/proc/[0-9]*/comm") // the pattern is a good one
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err == nil && strings.TrimSpace(string(b)) == name {
			return strconv.Atoi(filepath.Base(filepath.Dir(path)))
		}
	}
	return 0, fmt.Errorf("there is no kernel thread %s", name)
}
