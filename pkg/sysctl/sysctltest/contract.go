package sysctltest

import (
	"errors"
	"io/fs"
	"testing"
)

// Kernel is what sysctl.FS and Fake have in common.
type Kernel interface {
	Read(key string) (string, error)
	Write(key, value string) error
}

// Used is the parameters that Contract needs, with values of a new namespace.
var Used = map[string]string{
	"net.ipv4.ip_forward":          "0",
	"net.ipv4.ip_local_port_range": "32768 60999",
	"net.ipv4.conf.lo.arp_ignore":  "0",
}

// Contract tests what callers may rely on. It needs the parameters of a network
// namespace that nobody else changes.
func Contract(t *testing.T, k Kernel) {
	steps := []struct{ name, key, write, want string }{
		{"dots", "net.ipv4.ip_forward", "1", "1"},
		{"slashes", "net/ipv4/conf/lo/arp_ignore", "1", "1"},
		{"the same by dots", "net.ipv4.conf.lo.arp_ignore", "2", "2"},
		{"several fields", "net.ipv4.ip_local_port_range", "1024\t 2048", "1024 2048"},
	}
	for _, s := range steps {
		if err := k.Write(s.key, s.write); err != nil {
			t.Errorf("%s: %v", s.name, err)
		}
		if got, err := k.Read(s.key); err != nil || got != s.want {
			t.Errorf("%s: got %q, %v, want %q", s.name, got, err, s.want)
		}
	}
	for _, key := range []string{"net.ipv4.conf.nosuch.arp_ignore", "net.ipv4.no_such_parameter"} {
		if _, err := k.Read(key); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("read %s: got %v, want %v", key, err, fs.ErrNotExist)
		}
		if err := k.Write(key, "1"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("write %s: got %v, want %v", key, err, fs.ErrNotExist)
		}
	}
	for _, key := range []string{"", "/etc/hostname", "net/../../../etc/hostname"} {
		if got, err := k.Read(key); err == nil {
			t.Errorf("read %q: got %q, want an error", key, got)
		}
		if err := k.Write(key, "1"); err == nil {
			t.Errorf("write %q: got no error", key)
		}
	}
}
