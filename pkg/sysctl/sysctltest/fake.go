// Package sysctltest is the kernel's parameters in memory, and the contract that
// they and the real ones are tested by.
package sysctltest

import (
	"fmt"
	"io/fs"
	"maps"
	"sync"

	"github.com/lvsd/lvsd/pkg/sysctl"
)

// Fake holds parameters in memory. It is safe for several goroutines.
type Fake struct {
	// Fail is asked before each operation, with its name (read, set) and the key;
	// an error makes the operation fail without an effect. It is to be set before
	// the Fake is used.
	Fail func(op, key string) error

	mu     sync.Mutex
	values map[string]string // by path
}

// New returns a Fake of a kernel that has exactly these parameters.
func New(values map[string]string) (*Fake, error) {
	f := &Fake{values: map[string]string{}}
	for key, value := range values {
		path, err := sysctl.Path(key)
		if err != nil {
			return nil, err
		}
		f.values[path] = sysctl.Normalize(value)
	}
	return f, nil
}

// Read is sysctl.FS.Read.
func (f *Fake) Read(key string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	path, err := f.find("read", key)
	if err != nil {
		return "", err
	}
	return f.values[path], nil
}

// Write is sysctl.FS.Write; every value is taken.
func (f *Fake) Write(key, value string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	path, err := f.find("set", key)
	if err != nil {
		return err
	}
	f.values[path] = sysctl.Normalize(value)
	return nil
}

// Values gives every parameter by its path below /proc/sys.
func (f *Fake) Values() map[string]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.values)
}

func (f *Fake) find(op, key string) (string, error) {
	path, err := sysctl.Path(key)
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", op, key, err)
	}
	if f.Fail != nil {
		if err := f.Fail(op, key); err != nil {
			return "", fmt.Errorf("%s %s: %w", op, key, err)
		}
	}
	if _, ok := f.values[path]; !ok {
		return "", fmt.Errorf("%s %s: %w", op, key, fs.ErrNotExist)
	}
	return path, nil
}
