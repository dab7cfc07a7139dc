package realserver

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lvsd/lvsd/pkg/lvs"
)

func TestRun(t *testing.T) {
	f := newFake(t)
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	vip := lvs.AddressKey{Interface: "lo", Prefix: netip.MustParsePrefix("10.0.0.200/32")}
	has := func() bool {
		all, err := f.devices.Addresses()
		must(t, err)
		_, ok := all[vip]
		return ok
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- f.server().Run(ctx, byDR, time.Minute, log) }()
		synctest.Wait()
		if !has() {
			t.Fatal("the VIP was not set up")
		}
		must(t, f.devices.Delete(vip))
		f.kick()
		synctest.Wait()
		if !has() {
			t.Error("the VIP was not repaired when the addresses changed")
		}
		must(t, f.devices.Delete(vip))
		f.failing(func(op, _ string) error {
			if op == "add" {
				return errFake
			}
			return nil
		})
		time.Sleep(time.Minute)
		synctest.Wait()
		f.failing(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		if !has() {
			t.Error("the VIP was not repaired after the interval")
		}
		cancel()
		if err := <-ended; err != nil || !has() {
			t.Errorf("the end: %v, the VIP is there: %v", err, has())
		}
	})
	if got := strings.Count(out.String(), `msg=repaired op="set up address 10.0.0.200/32 on lo"`); got != 2 {
		t.Errorf("%d repairs in the log, want 2:\n%s", got, out.String())
	}
	if !strings.Contains(out.String(), "level=ERROR msg=repair err=") {
		t.Errorf("the failure is not in the log:\n%s", out.String())
	}
}

func TestRunThatCannotBegin(t *testing.T) {
	f := newFake(t)
	f.failing(func(op, _ string) error {
		if writes(op) {
			return errFake
		}
		return nil
	})
	if err := f.server().Run(t.Context(), byDR, time.Minute, slog.New(slog.DiscardHandler)); !errors.Is(err, errFake) {
		t.Errorf("got %v, want %v", err, errFake)
	}
}
