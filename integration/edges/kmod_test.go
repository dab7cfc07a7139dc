package edges

import (
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/kmod"
)

func TestKmodLoad(t *testing.T) {
	for _, module := range []string{"ip_vs_rr", "ip_vs_rr", "ip-vs-rr"} {
		if err := kmod.Load(t.Context(), module); err != nil {
			t.Fatal(err)
		}
		if has, err := kmod.Has(module); !has || err != nil {
			t.Errorf("Has(%q) after Load: got %v, %v", module, has, err)
		}
	}
}

func TestKmodLoadOfWhatIsNotThere(t *testing.T) {
	if has, err := kmod.Has("no_such_module"); has || err != nil {
		t.Errorf("got %v, %v", has, err)
	}
	err := kmod.Load(t.Context(), "no_such_module")
	if err == nil || !strings.Contains(err.Error(), "no_such_module not found") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v", err)
	}
}

func TestKmodWithoutModprobe(t *testing.T) {
	namespace(t)
	hide(t, "/usr/sbin")
	if own := run(t, "cat /proc/sys/kernel/modprobe"); own != "/sbin/modprobe\n" {
		hide(t, filepath.Dir(own))
	}
	t.Setenv("PATH", "/nowhere")
	err := kmod.Load(t.Context(), "no_such_module")
	if err == nil || !strings.Contains(err.Error(), "install the package kmod") {
		t.Errorf("got %v", err)
	}
}

// hide puts an empty directory in the place of another for this test's thread.
func hide(t *testing.T, dir string) {
	t.Helper()
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("none", dir, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
}
