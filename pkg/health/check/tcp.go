package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
)

// TCP connects; then, if told so, sends something and expects an answer.
type TCP struct {
	Send   string `toml:"send" json:"send,omitempty"`
	Expect string `toml:"expect" json:"expect,omitempty"` // regular expression anywhere in the first 64 KiB
}

// Kind is "tcp".
func (*TCP) Kind() string { return "tcp" }

// OnlyConnects tells whether the check is done when there is a connection, so that
// a Connector can make it.
func (s *TCP) OnlyConnects() bool { return s.Send == "" && s.Expect == "" }

func (s *TCP) compile(b *builder) probe {
	expect := b.regexp("expect", s.Expect)
	return simple(func(ctx context.Context, t Target) error {
		conn, err := connect(ctx, t)
		if err != nil {
			return err
		}
		defer conn.Close()
		return converse(conn, s.Send, expect)
	})
}

// converse sends and reads until the expected answer is there.
func converse(conn net.Conn, send string, expect *regexp.Regexp) error {
	if send != "" {
		if _, err := io.WriteString(conn, send); err != nil {
			return fmt.Errorf("send %d bytes: %w", len(send), cause(err))
		}
	}
	if expect == nil {
		return nil
	}
	var got []byte
	chunk := make([]byte, 4096)
	for {
		n, err := conn.Read(chunk)
		got = append(got, chunk[:n]...)
		if n > 0 && expect.Match(got) {
			return nil
		}
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("got %s, expected a match of %q", quote(got), expect)
		}
		if err != nil {
			return fmt.Errorf("got %s, waiting for a match of %q: %w", quote(got), expect, cause(err))
		}
	}
}
