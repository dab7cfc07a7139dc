package kmod

import (
	"context"
	"testing"
)

func TestListed(t *testing.T) {
	const list = "kernel/net/netfilter/xt_mark.ko\nkernel/net/ipv4/netfilter/ip-tables.ko\n"
	tests := []struct {
		name, module string
		want         bool
	}{
		{"first", "xt_mark", true},
		{"dash for underscore", "xt-mark", true},
		{"underscore for dash", "ip_tables", true},
		{"end of a name", "mark", false},
		{"beginning of a name", "xt", false},
		{"absent", "ip_vs", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := listed(list, tt.module); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestNamesThatAreRefused(t *testing.T) {
	for _, module := range []string{"", "-r", "../ip_vs", "ip vs", "ip_vs\n", "IP_VS", "ip_vs;reboot"} {
		if _, err := Has(module); err == nil {
			t.Errorf("Has(%q): got no error", module)
		}
		if err := Load(context.Background(), module); err == nil {
			t.Errorf("Load(%q): got no error", module)
		}
	}
}
