package check

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestCause(t *testing.T) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"errno", refused, "connection refused"},
		{"errno in a URL", &url.Error{Op: "Get", URL: "http://x/", Err: refused}, "connection refused"},
		{"deadline of a context", fmt.Errorf("x: %w", context.DeadlineExceeded), "timed out"},
		{"deadline of a connection", &net.OpError{Op: "read", Net: "tcp", Err: os.ErrDeadlineExceeded}, "timed out"},
		{"end", fmt.Errorf("x: %w", io.ErrUnexpectedEOF), "connection closed by the server"},
		{"alert", &net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}, "remote error: tls: bad certificate"},
		{"certificate", fmt.Errorf("x: %w", &tls.CertificateVerificationError{Err: errors.New("expired")}), "tls: failed to verify certificate: expired"},
		{"another of net's", &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("odd")}, "odd"},
		{"another", errors.New("odd"), "odd"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := cause(tt.err).Error(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	if !errors.Is(cause(refused), syscall.ECONNREFUSED) {
		t.Error("the errno is lost")
	}
}

func TestPrintable(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"words", "connect 10.0.0.2:80: connection refused", "connect 10.0.0.2:80: connection refused"},
		{"escape sequence", "a\x1b[2Jb\r\nc", "a [2Jb  c"},
		{"broken UTF-8", "a\xffb", "a b"},
		{"long", strings.Repeat("x", 1000), strings.Repeat("x", maxWords) + "…"},
	} {
		if got := printable(tt.in); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}
