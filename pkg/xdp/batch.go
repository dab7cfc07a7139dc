package xdp

import (
	"errors"
	"fmt"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// batchSize is how many entries of a map go through one system call.
const batchSize = 4096

// dump reads a map whole. Entries that come or go meanwhile may be in it or not.
func dump[K comparable, V any](m *ebpf.Map) (map[K]V, error) {
	all := map[K]V{}
	err := dumpBatches(m, all)
	if errors.Is(err, ebpf.ErrNotSupported) {
		err = dumpEach(m, all)
	}
	if err != nil {
		return nil, fmt.Errorf("read map %s: %w", m, err)
	}
	return all, nil
}

func dumpBatches[K comparable, V any](m *ebpf.Map, all map[K]V) error {
	var cursor ebpf.MapBatchCursor
	size := min(batchSize, int(m.MaxEntries()))
	keys, values := make([]K, size), make([]V, size)
	for {
		n, err := m.BatchLookup(&cursor, keys, values, nil)
		if err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return err
		}
		for i := range n {
			all[keys[i]] = values[i]
		}
		if err != nil {
			return nil // that was the end
		}
	}
}

func dumpEach[K comparable, V any](m *ebpf.Map, all map[K]V) error {
	var key K
	var value V
	entries := m.Iterate()
	for entries.Next(&key, &value) {
		all[key] = value
	}
	return entries.Err()
}

// readAt reads these entries of an array. A guard has a few of the thousands that an
// array has room for, which would take long to read whole each second.
func readAt[V any](m *ebpf.Map, places []uint32) (map[uint32]V, error) {
	all := make(map[uint32]V, len(places))
	for _, p := range places {
		var value V
		if err := m.Lookup(p, &value); err != nil {
			return nil, fmt.Errorf("read map %s: %w", m, err)
		}
		all[p] = value
	}
	return all, nil
}

// putAll writes entries; where the kernel has no batches of this kind of map, one
// by one.
func putAll[K, V any](m *ebpf.Map, keys []K, values []V) error {
	idle := 0
	for len(keys) > 0 {
		n := min(len(keys), batchSize)
		done, err := m.BatchUpdate(keys[:n], values[:n], nil)
		if errors.Is(err, ebpf.ErrNotSupported) {
			done, err = putEach(m, keys[:n], values[:n])
		}
		keys, values, idle = keys[done:], values[done:], idle+1
		if done > 0 {
			idle = 0
		}
		switch {
		case errors.Is(err, unix.ENOMEM) && idle < refills:
			time.Sleep(refill)
		case err != nil:
			return fmt.Errorf("write map %s: %w", m, err)
		}
	}
	return nil
}

// Since Linux 6.1 a map that grows takes its memory from a small store, which the
// kernel fills in an interrupt: at once, but for User-Mode Linux, where that is the
// timer's. Who writes fast finds it empty for a moment.
const (
	refill  = time.Millisecond
	refills = 1000 // until no memory means that there is none
)

// putEach tells how many entries it wrote.
func putEach[K, V any](m *ebpf.Map, keys []K, values []V) (done int, err error) {
	for i := range keys {
		if err := m.Put(&keys[i], &values[i]); err != nil {
			return i, err
		}
	}
	return len(keys), nil
}

// deleteAll deletes entries; those that are not there are no error.
func deleteAll[K any](m *ebpf.Map, keys []K) error {
	for i := range keys {
		if err := m.Delete(&keys[i]); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("delete from map %s: %w", m, err)
		}
	}
	return nil
}
