package check

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"
)

var (
	errTimeout = errors.New("timed out")
	errClosed  = errors.New("connection closed by the server")
	errTooLong = errors.New("answer too long")
)

// cause strips an error of the layers that net and its users put around what
// happened: "connection refused", not "dial tcp 10.0.0.2:80: connect:
// connection refused". What it returns still answers errors.Is on an errno.
func cause(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	if isTimeout(err) {
		return errTimeout
	}
	if errors.Is(err, errTooLong) {
		return errTooLong
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errClosed
	}
	var unverified *tls.CertificateVerificationError
	if errors.As(err, &unverified) {
		return unverified
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op != "remote error" { // the server's TLS alert reads well as it is
		return op.Err
	}
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err
	}
	return err
}

// reason is cause for an error that a library made of the connection's end: once
// the deadline has passed, it is the reason, whatever half of an answer the
// library found malformed.
func reason(ctx context.Context, err error) error {
	if at, ok := ctx.Deadline(); ok && !time.Now().Before(at) {
		return errTimeout
	}
	return cause(err)
}

// unasked tells whether an error is that this host has no descriptor, memory or
// process left for a check.
func unasked(err error) bool {
	for _, short := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EAGAIN} {
		if errors.Is(err, short) {
			return true
		}
	}
	return false
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &ne) && ne.Timeout()
}

// shown is how much of an unexpected answer an error quotes, in bytes.
const shown = 60

// quote gives the beginning of what a server sent, safe to print.
func quote[T string | []byte](s T) string {
	if len(s) > shown {
		return strconv.Quote(string(s[:shown])) + "…"
	}
	return strconv.Quote(string(s))
}

// maxWords is how long an error may be, in bytes.
const maxWords = 400

// printable makes one line of an error in which a server may have a say.
func printable(words string) string {
	if len(words) > maxWords {
		words = words[:maxWords] + "…"
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return ' '
		}
		return r
	}, words)
}
