package secret

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestRead(t *testing.T) {
	for _, tt := range []struct {
		name, content string
		mode          os.FileMode
		want, err     string
	}{
		{"password", "pass word\r\n\n", 0o600, "pass word", ""},
		{"read only", "x", 0o400, "x", ""},
		{"group", "x", 0o640, "", "mode 0640 lets others than its owner read it: expected 0600"},
		{"others", "x", 0o604, "", "mode 0604 lets others than its owner read it: expected 0600"},
		{"empty", "\n", 0o600, "", "it is empty"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "secret")
			if err := os.WriteFile(path, []byte(tt.content), tt.mode); err != nil {
				t.Fatal(err)
			}
			got, err := Read(path)
			if got != tt.want || (err == nil) != (tt.err == "") || err != nil && err.Error() != "read "+path+": "+tt.err {
				t.Errorf("got %q, %v; want %q, %q", got, err, tt.want, tt.err)
			}
		})
	}
}

func TestReadMissing(t *testing.T) {
	_, err := Read("/nowhere/secret")
	if err == nil || !strings.HasSuffix(err.Error(), "read /nowhere/secret: no such file or directory") {
		t.Errorf("got %v", err)
	}
}

// A named pipe without a writer does not hold the reader up.
func TestReadPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("got %v, want an error about the kind of file", err)
	}
}
