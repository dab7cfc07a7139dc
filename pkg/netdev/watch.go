package netdev

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// resubscribe is the pause after the kernel refused a subscription or broke it.
const resubscribe = time.Second

// Watch calls kick whenever an interface or an address changes in the namespace
// of the calling thread, and when changes may have been missed, until the context
// ends. Then it returns nil. It is an error only if watching cannot begin; a
// subscription that breaks is renewed.
func Watch(ctx context.Context, kick func()) error {
	s, err := subscribe()
	if err != nil {
		return fmt.Errorf("watch interfaces and addresses: %w", err)
	}
	for {
		receive(ctx, s, kick)
		if s = renew(ctx); s == nil {
			return nil
		}
		kick()
	}
}

func subscribe() (*nl.NetlinkSocket, error) {
	return nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR)
}

// receive kicks for every message, and when the kernel had to drop some (ENOBUFS),
// until the subscription breaks or the context ends; then it closes it.
func receive(ctx context.Context, s *nl.NetlinkSocket, kick func()) {
	defer context.AfterFunc(ctx, s.Close)()
	defer s.Close()
	for {
		if _, _, err := s.Receive(); err != nil && !errors.Is(err, unix.ENOBUFS) {
			return
		}
		kick()
	}
}

// renew subscribes again, and again if that fails; it gives nil when the context
// ends.
func renew(ctx context.Context) *nl.NetlinkSocket {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(resubscribe):
		}
		if s, err := subscribe(); err == nil {
			return s
		}
	}
}
