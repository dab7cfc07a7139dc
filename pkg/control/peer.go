package control

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/user"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// peer is the process at the other end, as it was when it connected.
type peer struct {
	unix.Ucred
	groups []uint32 // supplementary
}

type peerKey struct{}

func peerOf(ctx context.Context) (peer, bool) {
	p, ok := ctx.Value(peerKey{}).(peer)
	return p, ok
}

// withPeer puts the credentials of who connected into the context of its
// requests (SO_PEERCRED, unix(7)).
func withPeer(ctx context.Context, c net.Conn) context.Context {
	conn, ok := c.(*net.UnixConn)
	if !ok {
		return ctx
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return ctx
	}
	var p peer
	if errControl := raw.Control(func(fd uintptr) {
		var cred *unix.Ucred
		if cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err != nil {
			return
		}
		p.Ucred = *cred
		p.groups, _ = groups(fd) // a kernel before 4.13 has none to tell
	}); errControl != nil || err != nil {
		return ctx
	}
	return context.WithValue(ctx, peerKey{}, p)
}

// name is the user of the process, and where that is not who logged in, as after
// sudo, that one too: "root (alice)".
func (p peer) name() string {
	name := userName(p.Uid)
	if login, ok := loginUser(p.Pid); ok && login != p.Uid {
		name += " (" + userName(login) + ")"
	}
	return name
}

func userName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	u, err := user.LookupId(id)
	if err != nil {
		return "user " + id
	}
	return u.Username
}

// loginUser is who logged in, by the kernel's audit (proc(5)). The process may be
// gone, or never have been under a login.
func loginUser(pid int32) (uint32, bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/loginuid", pid))
	if err != nil {
		return 0, false
	}
	uid, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 32)
	return uint32(uid), err == nil && uint32(uid) != ^uint32(0)
}
