package integration

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/hack/lab"
	"github.com/lvsd/lvsd/hack/lab/labtest"
)

// says runs a command of lvsd's and gives its exit code, standard output and
// standard error.
func (d *director) says(args ...string) (int, string, string) {
	d.t.Helper()
	c := d.command(args...)
	var errors logBuffer
	c.Stderr = &errors
	var out logBuffer
	c.Stdout = &out
	_ = c.Run()
	return c.ProcessState.ExitCode(), out.String(), errors.String()
}

// Without a daemon: plan says what apply does, status shows it.
func TestApply(t *testing.T) {
	l := labtest.New(t, lab.Topology{})
	d := newDirector(t, l.Host("lb1"), webConfig(1, 2))
	planned := d.plan()
	if len(planned) == 0 {
		t.Fatal("nothing is planned")
	}
	if _, err := os.Stat(d.dir + "/owned.json"); err == nil || len(d.table()) > 0 {
		t.Errorf("the plan changed something: %v, table %q", err, d.table())
	}
	code, out, errors := d.says("apply")
	if diff := cmp.Diff(strings.Join(planned, "\n")+"\n", out); diff != "" || code != 0 || errors != "" {
		t.Errorf("apply: exit code %d, %s (-planned +done):\n%s", code, errors, diff)
	}
	d.settled()
	code, out, errors = d.says("status")
	if code != 0 || errors != "" || !strings.Contains(out, "\ndirector lb1: NO DAEMON RUNS, this is the kernel's table\n") ||
		!strings.Contains(out, "\n  rs2             10.0.1.102:80") {
		t.Errorf("status: exit code %d, %s:\n%s", code, errors, out)
	}
	d.write(strings.Replace(webConfig(1), "eth0", "eth9", 1))
	code, out, errors = d.says("apply")
	if code != 1 || !strings.Contains(errors, "eth9") || strings.Count(errors, "\n") != strings.Count(errors, "lvsd: ") {
		t.Errorf("apply to an interface that is not there: exit code %d:\n%s%s", code, out, errors)
	}
}

// A second director is refused, and apply; a file that went bad hides nothing.
func TestCommandsBesideADirector(t *testing.T) {
	l := labtest.New(t, lab.Topology{})
	d := start(t, l.Host("lb1"), webConfig(1, 1))
	running := fmt.Sprintf("lvsd: a director already runs (pid %d): it holds %s/lvsd.lock", d.cmd.Process.Pid, d.dir)
	for command, want := range map[string]string{"director": running + "\n", "apply": running + "; `lvsd reload` makes it read the file\n"} {
		if code, out, errors := d.says(command); code != 1 || out != "" || errors != want {
			t.Errorf("%s: exit code %d, %q, got %q, want %q", command, code, out, errors, want)
		}
	}
	good := labtest.Must(os.ReadFile(d.config()))(t)
	labtest.NoError(t, os.WriteFile(d.config(), append(good, "[virtual.web2\n"...), 0o600))
	code, _, errors := d.says("reload")
	if code != 1 || !strings.HasPrefix(errors, "lvsd: reload refused, the configuration before it stays in force:\nlvsd:   "+d.config()+":") {
		t.Errorf("reload: exit code %d, %q", code, errors)
	}
	code, out, errors := d.says("status")
	if code != 0 || errors != "" || !strings.Contains(out, "\nLAST RELOAD REFUSED, the configuration before it is in force:\n  "+d.config()+":") {
		t.Errorf("status: exit code %d, %s:\n%s", code, errors, out)
	}
	labtest.NoError(t, os.WriteFile(d.config(), good, 0o600))
	if code, out, errors := d.says("reload"); code != 0 || out != "director lb1 has reloaded: 0 operations done\n" || errors != "" {
		t.Errorf("reload: exit code %d, %q, %q", code, out, errors)
	}
	d.stop()
	if code, _, errors := d.says("reload"); code != 1 || !strings.Contains(errors, "no director is running") {
		t.Errorf("reload after the stop: exit code %d, %q", code, errors)
	}
}
