package control

import (
	"context"
	"fmt"
	"net"
	"os"
	users "os/user"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

type peerKey struct{}

// withPeer puts the credentials of who connected into the context of its
// requests.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	raw, err := c.(*net.UnixConn).SyscallConn()
	if err != nil {
		return ctx
	}
	var peer *unix.Ucred
	if errControl := raw.Control(func(fd uintptr) {
		peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); errControl != nil || err != nil {
		return ctx
	}
	return context.WithValue(ctx, peerKey{}, peer)
}

// user names who asks: the user of the process at the other end, and where that is
// not the user who logged in, as after sudo, that one too: "root (alice)".
func user(ctx context.Context) string {
	peer, ok := ctx.Value(peerKey{}).(*unix.Ucred)
	if !ok {
		return ""
	}
	name := userName(peer.Uid)
	if login, ok := loginUser(peer.Pid); ok && login != peer.Uid {
		name += " (" + userName(login) + ")"
	}
	return name
}

func userName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	u, err := users.LookupId(id)
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
