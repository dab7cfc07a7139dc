package daemon

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// An upgrade puts the program that is on disk now in the place of the one that
// runs, in the same process: after SIGUSR2. The kernel keeps all that it has, as in
// any restart. What a restart could not keep is the director's part in VRRP: it
// would give its VIPs away, or fall silent for the dead time. The new program goes
// on where the old one was, and the others do not notice.

// resumeVariable tells the new program since when, in seconds since 1970, and in
// which instances the old one was active: "1700000000.123 front back".
const resumeVariable = "LVSD_RESUME"

// validateTime is how long the new program may take to say that it can read the
// configuration.
const validateTime = time.Minute

// awaitUpgrade waits until an upgrade is asked for and can begin, and then calls
// begin, once. The program must accept the configuration first, so that a broken
// one does not end a director that works.
func (d *Director) awaitUpgrade(ctx context.Context, begin func()) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-d.upgrades:
		}
		if err := d.tryProgram(ctx); err != nil {
			d.log().Error("upgrade refused, this director goes on", "err", err)
			continue
		}
		begin()
		return nil
	}
}

func (d *Director) tryProgram(ctx context.Context) error {
	path, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the program: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, validateTime)
	defer cancel()
	if out, err := exec.CommandContext(ctx, path, "validate", d.options.Config).CombinedOutput(); err != nil {
		return fmt.Errorf("%s validate %s: %w: %s", path, d.options.Config, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// become starts the program on disk in this process. The threads of VRRP send
// adverts until that moment. It returns only with an error.
func (d *Director) become() error {
	path, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the program: %w", err)
	}
	resume := append([]string{strconv.FormatFloat(seconds(time.Now()), 'f', 3, 64)}, d.roles.active()...)
	environment := append(os.Environ(), resumeVariable+"="+strings.Join(resume, " "))
	return os.NewSyscallError("execve "+path, unix.Exec(path, os.Args, environment))
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// resumption is what a program before this one, in the same process, was.
type resumption struct {
	since  time.Time
	active []string
}

// resumed reads the resumption, and hides it from children.
func resumed() resumption {
	words := strings.Fields(os.Getenv(resumeVariable))
	if os.Unsetenv(resumeVariable) != nil || len(words) == 0 {
		return resumption{}
	}
	at, err := strconv.ParseFloat(words[0], 64)
	if err != nil {
		return resumption{}
	}
	return resumption{since: time.UnixMilli(int64(at * 1000)), active: words[1:]}
}

// happened tells whether there was a program before this one: then this director's
// kernel has the connections.
func (r resumption) happened() bool { return !r.since.IsZero() }

// holds tells whether an instance goes on being active: the others have not
// heard three intervals of silence.
func (r resumption) holds(name string, interval time.Duration) bool {
	silence := time.Since(r.since)
	return slices.Contains(r.active, name) && silence >= 0 && silence < 3*interval
}
