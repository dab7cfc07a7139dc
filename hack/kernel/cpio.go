package main

import (
	"fmt"
	"io"
	"os"
)

// An archive writes a cpio archive in the format that the kernel unpacks as its first root (newc:
// Documentation/driver-api/early-userspace/buffer-format.rst). The first error sticks and is told by end.
type archive struct {
	w   io.Writer
	n   int // bytes written
	err error
}

func (a *archive) dir(names ...string) {
	for _, name := range names {
		a.entry(name, 0o040755, nil)
	}
}

func (a *archive) file(name string, content []byte) { a.entry(name, 0o100755, content) }

// copy adds a file of the host.
func (a *archive) copy(name, path string) {
	b, err := os.ReadFile(path)
	if err != nil && a.err == nil {
		a.err = err
	}
	a.file(name, b)
}

func (a *archive) end() error {
	a.entry("TRAILER!!!", 0, nil)
	return a.err
}

func (a *archive) entry(name string, mode uint32, content []byte) {
	// magic, ino, mode, uid, gid, nlink, mtime, filesize, devmajor, devminor, rdevmajor, rdevminor, namesize, check
	a.write(fmt.Appendf(nil, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
		0, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name)+1, 0))
	a.write(append([]byte(name), 0))
	a.pad()
	a.write(content)
	a.pad()
}

// pad fills up to a multiple of four.
func (a *archive) pad() { a.write(make([]byte, -a.n&3)) }

func (a *archive) write(b []byte) {
	if a.err != nil {
		return
	}
	n, err := a.w.Write(b)
	a.n += n
	a.err = err
}
