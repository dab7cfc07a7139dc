package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"
)

// journal takes a process's output line by line, with the time at which each
// line came.
type journal struct {
	mu      sync.Mutex
	lines   []entry
	partial string
}

type entry struct {
	time time.Time
	text string
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	whole := strings.Split(j.partial+string(p), "\n")
	j.partial = whole[len(whole)-1]
	for _, text := range whole[:len(whole)-1] {
		j.lines = append(j.lines, entry{time.Now(), text})
	}
	return len(p), nil
}

// mark is a position that since takes: the end of what came so far.
func (j *journal) mark() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.lines)
}

// since gives the lines after a mark that contain a text.
func (j *journal) since(mark int, text string) []entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	var found []entry
	for _, e := range j.lines[mark:] {
		if strings.Contains(e.text, text) {
			found = append(found, e)
		}
	}
	return found
}

// await waits until so many lines after a mark contain a text, and gives all
// lines up to the last of them.
func (j *journal) await(ctx context.Context, mark int, text string, count int) ([]entry, error) {
	err := until(ctx, func() bool { return len(j.since(mark, text)) >= count })
	if err != nil {
		return nil, fmt.Errorf("no line with %s in the log: %w", text, err)
	}
	lines := j.since(mark, "")
	for i, e := range lines {
		if strings.Contains(e.text, text) {
			count--
		}
		if count == 0 {
			return lines[:i+1], nil
		}
	}
	return lines, nil
}

// message is a line of the log without its time stamp.
func (e entry) message() string {
	_, text, ok := strings.Cut(e.text, " level=")
	if !ok {
		return e.text
	}
	return "level=" + text
}
