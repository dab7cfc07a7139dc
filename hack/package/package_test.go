// Package packaging holds the Debian package to Debian's and systemd's own judges. What it does on a machine is tested in integration/packaging.
package packaging

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// deb is one of the packages that `make packages` builds.
func deb(t *testing.T) string {
	t.Helper()
	found, _ := filepath.Glob("../../build/packages/lvsd_1.0.0_*.deb")
	if len(found) != 1 {
		t.Fatal("no package in build/packages: `make packages` builds it")
	}
	return found[0]
}

// unpacked is a folder with the package's files.
func unpacked(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	run(t, "dpkg-deb", "-x", deb(t), dir)
	return dir
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

// lintian(1) has neither an error nor a warning.
func TestLintian(t *testing.T) {
	out, err := exec.Command("lintian", "--tag-display-limit", "0", "--allow-root", deb(t)).CombinedOutput()
	if err != nil || regexp.MustCompile(`(?m)^[EW]: `).Match(out) {
		t.Errorf("%v\n%s", err, out)
	}
}

// exposure is the highest score that systemd-analyze(1) may give to a unit: 10 has no restriction, 0 can do nothing.
var exposure = map[string]float64{"lvsd.service": 2.9, "lvsd-realserver.service": 2.3}

// systemd understands the units, and finds them restricted well.
func TestUnits(t *testing.T) {
	root := unpacked(t)
	for unit, most := range exposure {
		path := filepath.Join("/lib/systemd/system", unit)
		out, _ := exec.Command("systemd-analyze", "verify", "--root="+root, "--man=no", "--recursive-errors=no", path).CombinedOutput()
		if complaints := regexp.MustCompile(`(?m)^.*`+unit+`.*$`).FindAllString(string(out), -1); complaints != nil {
			t.Errorf("%s", strings.Join(complaints, "\n"))
		}
		text := run(t, "systemd-analyze", "security", "--offline=yes", "--no-pager", filepath.Join(root, path))
		score := regexp.MustCompile(`exposure level for \S+: ([0-9.]+)`).FindStringSubmatch(text)
		if score == nil {
			t.Fatalf("no score:\n%s", text)
		}
		got, err := strconv.ParseFloat(score[1], 64)
		if err != nil || got > most {
			t.Errorf("%s has a score of %s, at most %.1f is allowed:\n%s", unit, score[1], most, text)
		}
		t.Logf("%s: systemd-analyze security %s", unit, score[1])
	}
}

// The package holds what a package should, and each file that it installs is readable for everybody and writable for root alone.
func TestContents(t *testing.T) {
	root := unpacked(t)
	for _, path := range []string{
		"usr/sbin/lvsd", "usr/share/man/man8/lvsd.8.gz", "usr/share/man/man8/lvsd-realserver-setup.8.gz", "usr/share/man/man5/director.toml.5.gz",
		"usr/share/bash-completion/completions/lvsd", "usr/share/zsh/vendor-completions/_lvsd", "usr/share/fish/vendor_completions.d/lvsd.fish",
		"lib/systemd/system/lvsd.service", "lib/systemd/system/lvsd-realserver.service", "etc/default/lvsd", "usr/lib/sysusers.d/lvsd.conf",
		"usr/share/doc/lvsd/copyright", "usr/share/doc/lvsd/changelog.gz", "usr/share/doc/lvsd/docs/troubleshooting.md",
		"usr/share/doc/lvsd/examples/nat/director.toml", "usr/share/doc/lvsd/examples/realtime.conf",
	} {
		if info, err := os.Stat(filepath.Join(root, path)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := os.Stat(filepath.Join(root, "etc/lvsd/director.toml")); err == nil {
		t.Error("the package brings a configuration, which would be in the way of the administrator's")
	}
	for line := range strings.Lines(run(t, "dpkg-deb", "-c", deb(t))) {
		if !regexp.MustCompile(`^(-rw-r--r--|-rwxr-xr-x|drwxr-xr-x) root/root `).MatchString(line) {
			t.Errorf("%s", line)
		}
	}
	if out := run(t, filepath.Join(root, "usr/sbin/lvsd"), "version"); !strings.HasPrefix(out, "lvsd 1.0.0 (") {
		t.Errorf("the program says %s", out)
	}
}

// Versions are ordered as they came, for Debian too.
func TestVersion(t *testing.T) {
	top := t.TempDir()
	git := func(args ...string) string {
		t.Helper()
		return run(t, "git", append([]string{"-C", top, "-c", "user.name=x", "-c", "user.email=x@example.com"}, args...)...)
	}
	must(t, os.MkdirAll(filepath.Join(top, "hack/package"), 0o755))
	run(t, "cp", "version", filepath.Join(top, "hack/package"))
	git("init", "-q")
	git("add", "-A")
	change := func() { must(t, os.WriteFile(filepath.Join(top, "hack/package/x"), []byte(t.Name()), 0o600)) }
	commit := func() { git("commit", "-q", "--allow-empty", "-m", "x") }
	var got []string
	for i, step := range []func(){commit, commit, func() { git("tag", "v0.9.0") }, commit, func() { commit(); git("tag", "v0.10.0") }, commit,
		func() { change(); git("add", "-A") }} {
		step()
		version := strings.TrimSpace(run(t, filepath.Join(top, "hack/package/version")))
		got = append(got, version)
		if i > 0 {
			run(t, "dpkg", "--compare-versions", got[i-1], "lt", version)
		}
	}
	want := regexp.MustCompile(`^0\.0\.0\+1\.g\w+ 0\.0\.0\+2\.g\w+ 0\.9\.0 0\.9\.0\+1\.g\w+ 0\.10\.0 0\.10\.0\+1\.g\w+ 0\.10\.0\+1\.g\w+\.changed$`)
	if !want.MatchString(strings.Join(got, " ")) {
		t.Errorf("got %q", got)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
