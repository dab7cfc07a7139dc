package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/secret"
)

// How long the parts of a question may take.
const (
	dialTime = time.Second
	stepTime = 2 * time.Second // for each message
	pushTime = 5 * time.Minute // for a push of some ten million connections
)

// alive notices within seconds that a director that pushes has died.
var alive = net.KeepAliveConfig{Enable: true, Idle: 2 * time.Second, Interval: 2 * time.Second, Count: 3}

// Link is how directors reach each other.
type Link struct {
	Interface  string // nothing is sent or taken elsewhere; "" is any
	Port       uint16
	SecretFile string // read for each question, so that it may be changed at any time
}

// secret reads the secret.
func (l Link) secret() (string, error) {
	text, err := secret.Read(l.SecretFile)
	if err == nil && len(text) < MinSecret {
		err = fmt.Errorf("read %s: the secret has %d bytes: expected at least %d", l.SecretFile, len(text), MinSecret)
	}
	return text, err
}

// bind keeps a socket on the interface.
func (l Link) bind(_, _ string, raw syscall.RawConn) error {
	if l.Interface == "" {
		return nil
	}
	var err error
	if errControl := raw.Control(func(fd uintptr) { err = unix.BindToDevice(int(fd), l.Interface) }); errControl != nil {
		return errControl
	}
	if err != nil {
		return fmt.Errorf("bind to %s: %w", l.Interface, err)
	}
	return nil
}

// Ask asks a director. A push is over when its answer comes.
func Ask(ctx context.Context, l Link, director netip.Addr, q Question) (Answer, error) {
	a, err := ask(ctx, l, director, q)
	if err != nil {
		return Answer{}, fmt.Errorf("ask director %s: %w", director, reason(err))
	}
	return a, nil
}

func ask(ctx context.Context, l Link, director netip.Addr, q Question) (Answer, error) {
	key, err := l.secret()
	if err != nil {
		return Answer{}, err
	}
	d := net.Dialer{Timeout: dialTime, Control: l.bind, KeepAliveConfig: alive}
	conn, err := d.DialContext(ctx, "tcp", netip.AddrPortFrom(director, l.Port).String())
	if err != nil {
		return Answer{}, unreached(err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	s := session{secret: key, server: addrOf(conn.RemoteAddr()), client: addrOf(conn.LocalAddr()), fromClient: nonce()}
	hello, err := read(conn, helloLen, stepTime)
	if err != nil {
		return Answer{}, err
	}
	if err := s.readHello(hello); err != nil {
		return Answer{}, err
	}
	if _, err := conn.Write(s.question(q)); err != nil {
		return Answer{}, err
	}
	limit := stepTime
	if q == Push {
		limit = pushTime
	}
	b, err := read(conn, answerLen, limit)
	if err != nil {
		return Answer{}, err
	}
	return s.readAnswer(q, b)
}

// read reads a message of a known length.
func read(conn net.Conn, n int, within time.Duration) ([]byte, error) {
	if err := conn.SetDeadline(time.Now().Add(within)); err != nil {
		return nil, err
	}
	b := make([]byte, n)
	_, err := io.ReadFull(conn, b)
	return b, err
}

func addrOf(a net.Addr) netip.Addr {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return tcp.AddrPort().Addr().Unmap().WithZone("")
}

// ErrAbsent is the error of a question to where no director is: nobody answers, or
// nobody listens. One that is there and does not answer as it should, or a network
// of this host's own that does not work, are other errors.
var ErrAbsent = errors.New("no director is there")

// absent is an error of connecting that is ErrAbsent too.
type absent struct{ error }

func (a absent) Is(target error) bool { return target == ErrAbsent }
func (a absent) Unwrap() error        { return a.error }

// unreached tells why a director was not reached.
func unreached(err error) error {
	if late(err) || errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, unix.EHOSTUNREACH) {
		return absent{reason(err)}
	}
	return err
}

// late tells whether something was waited for in vain.
func late(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

// reason takes off what the caller says already.
func reason(err error) error {
	if late(err) {
		return errors.New("no answer in time")
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	var call *os.SyscallError
	if errors.As(err, &call) {
		err = call.Err
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, unix.ECONNRESET) {
		return errors.New("it refused to answer: is the secret the same on both, and this director one of its peers?")
	}
	return err
}
