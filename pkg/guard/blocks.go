package guard

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/lvsd/lvsd/pkg/durable"
	"github.com/lvsd/lvsd/pkg/lvs"
)

// MostBlocks bounds the blocks by command: a longer list is a file's.
const MostBlocks = 65536

// Block is a network that somebody blocked by command.
type Block struct {
	Prefix netip.Prefix `json:"prefix"`
	By     string       `json:"by"`    // who
	Since  time.Time    `json:"since"` // when
	Until  time.Time    `json:"until"` // year 1: for ever
}

func (b Block) over(now time.Time) bool { return !b.Until.IsZero() && !now.Before(b.Until) }

// Blocks are the blocks by command. They are in a file, so that they outlast a
// restart of the daemon, and of the machine.
type Blocks struct {
	path string

	mu  sync.Mutex
	all map[netip.Prefix]Block
}

// OpenBlocks reads the blocks in a file; one that does not exist has none. It and
// its directory are made when there is something to keep.
func OpenBlocks(path string) (*Blocks, error) {
	b := &Blocks{path: path, all: map[netip.Prefix]Block{}}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return b, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the blocks by command: %w", err)
	}
	var list []Block
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("read the blocks by command from %s: %w (without this file lvsd starts without them)", path, err)
	}
	for _, block := range list {
		b.all[block.Prefix] = block
	}
	return b, nil
}

// Add blocks a network. One that is blocked already gets the new end.
func (b *Blocks) Add(block Block) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expire(block.Since)
	old, had := b.all[block.Prefix]
	if !had && len(b.all) >= MostBlocks {
		return fmt.Errorf("block %s: %d networks are blocked by command already: expected a file in [guard] block_files for so many",
			block.Prefix, len(b.all))
	}
	b.all[block.Prefix] = block
	if err := b.save(); err != nil {
		delete(b.all, block.Prefix)
		if had {
			b.all[block.Prefix] = old
		}
		return fmt.Errorf("block %s: %w", block.Prefix, err)
	}
	return nil
}

// Remove ends a block. It is an error if there is none of exactly this network.
func (b *Blocks) Remove(p netip.Prefix, now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expire(now)
	old, ok := b.all[p]
	if !ok {
		return fmt.Errorf("unblock %s: it is not blocked by command", p)
	}
	delete(b.all, p)
	if err := b.save(); err != nil {
		b.all[p] = old
		return fmt.Errorf("unblock %s: %w", p, err)
	}
	return nil
}

// List gives the blocks that hold, in order.
func (b *Blocks) List(now time.Time) []Block {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := []Block{}
	for _, block := range b.all {
		if !block.over(now) {
			list = append(list, block)
		}
	}
	slices.SortFunc(list, func(x, y Block) int { return x.Prefix.Compare(y.Prefix) })
	return list
}

// Set is what is blocked.
func (b *Blocks) Set(now time.Time) lvs.PrefixSet {
	var set lvs.PrefixSetBuilder
	for _, block := range b.List(now) {
		set.Add(block.Prefix)
	}
	return set.Set()
}

// Next is when the next block ends; zero if none does.
func (b *Blocks) Next(now time.Time) time.Time {
	var next time.Time
	for _, block := range b.List(now) {
		if !block.Until.IsZero() && (next.IsZero() || block.Until.Before(next)) {
			next = block.Until
		}
	}
	return next
}

// expire forgets the blocks that are over. The caller holds the lock and saves.
func (b *Blocks) expire(now time.Time) {
	for p, block := range b.all {
		if block.over(now) {
			delete(b.all, p)
		}
	}
}

// save writes the file whole or not at all.
func (b *Blocks) save() error {
	list := make([]Block, 0, len(b.all))
	for _, block := range b.all {
		list = append(list, block)
	}
	slices.SortFunc(list, func(x, y Block) int { return x.Prefix.Compare(y.Prefix) })
	data, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		return fmt.Errorf("write the blocks by command: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(b.path), 0o755); err != nil {
		return fmt.Errorf("write the blocks by command: %w", err)
	}
	if err := durable.Write(b.path, append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("write the blocks by command: %w", err)
	}
	return nil
}
