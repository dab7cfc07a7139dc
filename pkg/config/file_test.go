package config

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// What cannot be read as a configuration gives one clear line, at once.
func TestUnreadable(t *testing.T) {
	tests := []struct {
		name string
		make func(t *testing.T, path string)
		want string
	}{
		{"missing", func(*testing.T, string) {}, "open: no such file or directory"},
		{"directory", func(t *testing.T, path string) { noError(t, os.Mkdir(path, 0o700)) }, "a directory is not a regular file"},
		{"named pipe", func(t *testing.T, path string) { noError(t, syscall.Mkfifo(path, 0o600)) }, "a named pipe is not a regular file"},
		{"device", func(t *testing.T, path string) { noError(t, os.Symlink("/dev/zero", path)) }, "a device is not a regular file"},
		{"loop of links", func(t *testing.T, path string) { noError(t, os.Symlink(path, path)) }, "open: too many levels of symbolic links"},
		{"empty", write(""), "nothing is declared: no table [virtual.NAME], [vip], [vrrp.NAME], [nat] or [timeouts]"},
		{"only comments", write("# to be done\n"), "nothing is declared: no table [virtual.NAME], [vip], [vrrp.NAME], [nat] or [timeouts]"},
		{"10 MB", write(strings.Repeat("# filler\n", 10_000_000/9)), "configuration file too large: more than 8 MiB"},
		{"NUL bytes", write("[virtual\x00]\n"), "not a text file: TOML is UTF-8 without NUL bytes"},
		{"not UTF-8", write("# caf\xe9\n"), "not a text file: TOML is UTF-8 without NUL bytes"},
		{"UTF-16", write("\xff\xfe[\x00v\x00]\x00"), "not a text file: TOML is UTF-8 without NUL bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "director.toml")
			tt.make(t, path)
			_, err := Load(t.Context(), path, testHosts)
			if err == nil || err.Error() != path+": "+tt.want {
				t.Errorf("got %v, want %s: %s", err, path, tt.want)
			}
		})
	}
}

func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(text string) func(*testing.T, string) {
	return func(t *testing.T, path string) { noError(t, os.WriteFile(path, []byte(text), 0o600)) }
}

func TestCauseIsKept(t *testing.T) {
	_, err := Load(t.Context(), filepath.Join(t.TempDir(), "director.toml"), testHosts)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v is not fs.ErrNotExist", err)
	}
	path := filepath.Join(t.TempDir(), "director.toml")
	write("[virtual.web]\nvip = \"gone.example:80\"\nfallback = \"127.0.0.1\"\n")(t, path)
	_, err = Load(t.Context(), path, testHosts)
	var dns *net.DNSError
	if !errors.As(err, &dns) || !dns.IsNotFound {
		t.Errorf("%v is no DNS error", err)
	}
}

// A file in conf.d is no less a problem than the main one.
func TestConfD(t *testing.T) {
	const main = "[virtual.web]\nvip = \"192.0.2.1:80\"\nfallback = \"127.0.0.1\"\n"
	dir := t.TempDir()
	path := filepath.Join(dir, "director.toml")
	write(main)(t, path)
	write("a file, not a directory")(t, filepath.Join(dir, "conf.d"))
	if _, err := Load(t.Context(), path, testHosts); err != nil {
		t.Errorf("conf.d is a file: %v", err)
	}
	noError(t, os.Remove(filepath.Join(dir, "conf.d")))
	noError(t, os.Mkdir(filepath.Join(dir, "conf.d"), 0o700))
	pipe := filepath.Join(dir, "conf.d", "x.toml")
	noError(t, syscall.Mkfifo(pipe, 0o600))
	_, err := Load(t.Context(), path, testHosts)
	if want := pipe + ": a named pipe is not a regular file"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	other := filepath.Join(dir, "director.conf")
	write(main)(t, other)
	if _, err := Load(t.Context(), other, testHosts); err != nil {
		t.Errorf("conf.d beside a file of another kind: %v", err)
	}
}

// The system's resolver knows numbers of services and literal addresses
// without a network.
func TestSystemResolver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "director.toml")
	write("[virtual.web]\nvip = \"192.0.2.1:http\"\nfallback = \"127.0.0.1\"\n")(t, path)
	cfg, err := Load(t.Context(), path, net.DefaultResolver)
	if err != nil {
		t.Fatal(err)
	}
	if got := cfg.Virtual[0].Keys[0].String(); got != "tcp 192.0.2.1:80" {
		t.Errorf("got %s", got)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	path := filepath.Join(t.TempDir(), "director.toml")
	write("[virtual.web]\nvip = \"web.invalid:80\"\nfallback = \"127.0.0.1\"\n")(t, path)
	if _, err := Load(ctx, path, net.DefaultResolver); err == nil {
		t.Error("resolved web.invalid without a context")
	}
}
