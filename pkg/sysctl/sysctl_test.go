package sysctl_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/lvsd/lvsd/pkg/sysctl"
)

func TestPath(t *testing.T) {
	tests := []struct {
		name, key string
		want      string // "" is refused
	}{
		{"dots", "net.ipv4.ip_forward", "net/ipv4/ip_forward"},
		{"a dot inside a part", "net.ipv4.conf.eth0/100.rp_filter", "net/ipv4/conf/eth0.100/rp_filter"},
		{"slashes", "net/ipv4/conf/eth0.100/rp_filter", "net/ipv4/conf/eth0.100/rp_filter"},
		{"one part", "kernel", "kernel"},
		{"empty", "", ""},
		{"absolute", "/etc/passwd", ""},
		{"absolute by dot", ".net.ipv4", ""},
		{"up by slashes", "net/../../etc/passwd", ""},
		{"up by dots", "net.//.//.etc.passwd", ""},
		{"up and nothing else", "..", ""},
		{"here", "net/./ipv4", ""},
		{"empty part", "net..ipv4", ""},
		{"at the end", "net.ipv4.", ""},
		{"NUL", "net.ipv4\x00.x", ""},
		{"line", "net.ipv4\n", ""},
		{"space", "net.ipv4 ", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := sysctl.Path(tt.key)
			if got != tt.want || (err != nil) != (tt.want == "") {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
		})
	}
}

func TestInterfaceKey(t *testing.T) {
	got, err := sysctl.Path(sysctl.InterfaceKey("ipv4", "eth0.100", "arp_ignore"))
	if want := "net/ipv4/conf/eth0.100/arp_ignore"; got != want || err != nil {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

func FuzzPath(f *testing.F) {
	f.Add("net.ipv4.conf.eth0/100.rp_filter")
	f.Add("net/../../etc/passwd")
	f.Fuzz(func(t *testing.T, key string) {
		path, err := sysctl.Path(key)
		if err != nil {
			return
		}
		if !filepath.IsLocal(path) || path != filepath.Clean(path) || strings.ContainsRune(path, 0) {
			t.Errorf("%q leads to %q", key, path)
		}
	})
}
