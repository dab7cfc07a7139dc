package control

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Access is who may use a socket besides root and the daemon's own user.
type Access struct {
	Group string // "" is nobody
	GID   int    // Group's number
}

// who is named in what is said to those who may not.
func (a Access) who() string {
	if a.Group == "" {
		return "only root and the user that it runs as may"
	}
	return fmt.Sprintf("only root, the user that it runs as and the group %s may", a.Group)
}

// admits tells whether somebody may.
func (a Access) admits(p peer) bool {
	switch {
	case p.Uid == 0, int(p.Uid) == os.Geteuid():
		return true
	case a.Group == "":
		return false
	}
	return int(p.Gid) == a.GID || slices.Contains(p.groups, uint32(a.GID))
}

// bind makes the socket so that it never is, for a moment, anybody else's: mask and
// group are those of the thread that makes it. (A chown after it would need a
// capability more, CAP_CHOWN.)
func (a Access) bind(path string) (net.Listener, error) {
	mask := 0o177
	if a.Group != "" {
		mask = 0o117
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		before, err := unix.SetfsgidRetGid(a.GID)
		if err != nil {
			return nil, fmt.Errorf("take the group %s: %w", a.Group, err)
		}
		defer unix.Setfsgid(before)
	}
	old := unix.Umask(mask)
	defer unix.Umask(old)
	listener, err := net.Listen("unix", path)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			return nil, op.Err // the rest of it is the path once more
		}
		return nil, err
	}
	if err := a.check(path); err != nil {
		listener.Close()
		return nil, err
	}
	return listener, nil
}

// check holds that the socket has its group: the kernel says nothing to who may not
// take it (setfsgid(2)).
func (a Access) check(path string) error {
	if a.Group == "" {
		return nil
	}
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if s, ok := info.Sys().(*syscall.Stat_t); !ok || int(s.Gid) != a.GID {
		return fmt.Errorf("the user that lvsd runs as may not give it to the group %s", a.Group)
	}
	return nil
}

// authorize lets those in who may, and logs who changes something.
func authorize(next http.Handler, a Access, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, ok := peerOf(r.Context())
		if !ok || !a.admits(p) {
			write(w, http.StatusForbidden, failure{Error: a.who()})
			return
		}
		if r.Method != http.MethodGet {
			log.Info("control request", "path", r.URL.Path, "user", p.name(), "uid", p.Uid, "pid", p.Pid)
		}
		next.ServeHTTP(w, r)
	})
}

// groups are the supplementary groups of the process at the other end of a unix
// socket (SO_PEERGROUPS, Linux 4.13).
func groups(fd uintptr) ([]uint32, error) {
	list := make([]uint32, 32)
	for {
		size := uint32(len(list) * 4)
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(&list[0])), uintptr(unsafe.Pointer(&size)), 0)
		switch {
		case errno == 0:
			return list[:size/4], nil
		case errno != unix.ERANGE || int(size) <= len(list)*4:
			return nil, errno
		}
		list = make([]uint32, size/4)
	}
}
