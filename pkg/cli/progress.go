package cli

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// progress is one line on standard error that tells how far something is: on a
// terminal it replaces itself, elsewhere there is a line from time to time.
type progress struct {
	out      io.Writer
	terminal bool
	open     bool
	last     time.Time
}

func newProgress(env Env) progress {
	return progress{out: env.Err, terminal: isTerminal(env.Err)}
}

func (p *progress) show(text string) {
	switch {
	case p.terminal:
		fmt.Fprintf(p.out, "\r\x1b[K%s", text)
		p.open = true
	case time.Since(p.last) >= linePause:
		fmt.Fprintln(p.out, text)
		p.last = time.Now()
	}
}

// end leaves the line clear for what comes after it.
func (p *progress) end() {
	if p.open {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.open = false
	}
}

// isTerminal tells whether a person is at the other end of a file.
func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
