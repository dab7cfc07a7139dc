package peer

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/lvsd/lvsd/pkg/lvs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var loopback = netip.MustParseAddr("127.0.0.1")

// fake is a director that holds what its tests say.
type fake struct {
	answer Answer
	err    error
	pushed chan netip.Addr
}

func (f *fake) Describe() (Answer, error) { return f.answer, nil }

func (f *fake) Push(_ context.Context, peer netip.Addr) (Counts, error) {
	f.pushed <- peer
	return Counts{200, 3}, f.err
}

func secretFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const aSecret = "a secret of many bytes"

// start runs a server on a port of its own and gives how to ask it.
func start(t *testing.T, d Director, peers ...netip.Addr) (Link, *Server) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	link := Link{Port: uint16(l.Addr().(*net.TCPAddr).Port), SecretFile: secretFile(t, aSecret)}
	s := NewServer(link, lvs.IPv4, peers, d, slog.New(slog.DiscardHandler))
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return link, s
}

func TestAsk(t *testing.T) {
	master := Answer{Master: true, Counts: Counts{1000, 7}}
	with := func(a Answer, o Outcome, pushed Counts) Answer {
		a.Outcome, a.Pushed = o, pushed
		return a
	}
	tests := []struct {
		name     string
		director fake
		question Question
		want     Answer
		pushes   int
	}{
		{"count", fake{answer: master}, Count, with(master, Done, Counts{}), 0},
		{"push", fake{answer: master}, Push, with(master, Done, Counts{200, 3}), 1},
		{"push by a standby", fake{answer: Answer{Backup: true}}, Push, Answer{Outcome: Standby, Backup: true}, 0},
		{"push while one is under way", fake{answer: master, err: ErrBusy}, Push, with(master, Busy, Counts{}), 1},
		{"push in vain", fake{answer: master, err: io.ErrUnexpectedEOF}, Push, with(master, Failed, Counts{200, 3}), 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.director.pushed = make(chan netip.Addr, 1)
			link, s := start(t, &tt.director, loopback)
			got, err := Ask(t.Context(), link, loopback, tt.question)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
			if len(tt.director.pushed) != tt.pushes || len(s.Refused()) != 0 {
				t.Errorf("%d pushes, refused %v", len(tt.director.pushed), s.Refused())
			}
		})
	}
}

// Nothing but an authentic question of a peer does anything; all else is counted
// by its reason.
func TestRefused(t *testing.T) {
	tests := []struct {
		name   string
		peer   netip.Addr
		secret string // of who asks
		ask    func(t *testing.T, l Link) error
		want   Refusal
		err    string
	}{
		{name: "stranger", peer: netip.MustParseAddr("127.0.0.9"), secret: aSecret, want: Stranger},
		{name: "another secret", peer: loopback, secret: strings.ToUpper(aSecret), want: Forged,
			err: "ask director 127.0.0.1: it refused to answer: is the secret the same on both, and this director one of its peers?"},
		{name: "noise", peer: loopback, want: Forged, ask: func(_ *testing.T, l Link) error {
			return raw(l, func([]byte) []byte { return make([]byte, questionLen) })
		}},
		{name: "cut", peer: loopback, want: Incomplete, ask: func(_ *testing.T, l Link) error {
			return raw(l, func([]byte) []byte { return make([]byte, 3) })
		}},
		{name: "a question of tomorrow", peer: loopback, want: Foreign, ask: func(_ *testing.T, l Link) error {
			return raw(l, func(hello []byte) []byte { return authentic(hello, 9) })
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			link, s := start(t, &fake{answer: Answer{Master: true}, pushed: make(chan netip.Addr)}, tt.peer)
			var err error
			if tt.ask != nil {
				err = tt.ask(t, link)
			} else {
				mine := link
				mine.SecretFile = secretFile(t, tt.secret)
				_, err = Ask(t.Context(), mine, loopback, Push)
			}
			if err == nil || tt.err != "" && err.Error() != tt.err || errors.Is(err, ErrAbsent) {
				t.Errorf("got %v, want an error %s", err, tt.err)
			}
			if diff := cmp.Diff(map[Refusal]uint64{tt.want: 1}, s.Refused()); diff != "" {
				t.Errorf("refused (-want +got):\n%s", diff)
			}
		})
	}
}

// Where nobody listens no director is, and a person is told what happened.
func TestAbsent(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	link := Link{Port: uint16(l.Addr().(*net.TCPAddr).Port), SecretFile: secretFile(t, aSecret)}
	l.Close()
	_, err = Ask(t.Context(), link, loopback, Count)
	if !errors.Is(err, ErrAbsent) || err.Error() != "ask director 127.0.0.1: connection refused" {
		t.Errorf("got %v", err)
	}
	if err := unreached(&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", unix.EHOSTUNREACH)}); !errors.Is(err, ErrAbsent) {
		t.Errorf("no neighbour: %v", err)
	}
	if err := unreached(&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", unix.ENETUNREACH)}); errors.Is(err, ErrAbsent) {
		t.Errorf("no network of one's own: %v", err)
	}
	if err := unreached(&net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}); !errors.Is(err, ErrAbsent) || err.Error() != "no answer in time" {
		t.Errorf("nobody answers: %v", err)
	}
}

// authentic is a question by somebody who knows the secret.
func authentic(hello []byte, q Question) []byte {
	s := session{secret: aSecret, server: loopback, client: loopback, fromClient: nonce()}
	if s.readHello(hello) != nil {
		return nil
	}
	return s.question(q)
}

// raw sends what it is given for the hello, and reads until the end.
func raw(l Link, question func(hello []byte) []byte) error {
	conn, err := net.Dial("tcp4", netip.AddrPortFrom(loopback, l.Port).String())
	if err != nil {
		return err
	}
	defer conn.Close()
	hello, err := read(conn, helloLen, time.Minute)
	if err != nil {
		return err
	}
	if _, err := conn.Write(question(hello)); err != nil {
		return err
	}
	_ = conn.(*net.TCPConn).CloseWrite()
	if b, err := io.ReadAll(conn); err != nil || len(b) > 0 {
		return err
	}
	return io.EOF
}

// A recorded question is worth nothing in another conversation.
func TestReplay(t *testing.T) {
	director := &fake{answer: Answer{Master: true}, pushed: make(chan netip.Addr, 9)}
	link, s := start(t, director, loopback)
	var recorded []byte
	if err := raw(link, func(hello []byte) []byte {
		recorded = authentic(hello, Push)
		return recorded
	}); errors.Is(err, io.EOF) {
		t.Fatal("no answer to an authentic question")
	}
	if err := raw(link, func([]byte) []byte { return recorded }); !errors.Is(err, io.EOF) {
		t.Errorf("got %v", err)
	}
	if len(director.pushed) != 1 || s.Refused()[Forged] != 1 {
		t.Errorf("%d pushes, refused %v", len(director.pushed), s.Refused())
	}
}

// Nor is one for another director, or an answer to another question.
func TestSessionsAreBound(t *testing.T) {
	one := session{secret: aSecret, server: loopback, client: loopback, fromServer: nonce(), fromClient: nonce()}
	question := one.question(Push)
	answer := one.answer(Count, Answer{Outcome: Done})
	for _, tt := range []struct {
		name   string
		change func(*session)
	}{
		{"server", func(s *session) { s.server = netip.MustParseAddr("127.0.0.2") }},
		{"client", func(s *session) { s.client = netip.MustParseAddr("127.0.0.2") }},
		{"nonce of the server", func(s *session) { s.fromServer = nonce() }},
		{"secret", func(s *session) { s.secret += "x" }},
	} {
		other := one
		tt.change(&other)
		if _, err := other.readQuestion(question); !errors.Is(err, errForged) {
			t.Errorf("%s: question: %v", tt.name, err)
		}
		if _, err := other.readAnswer(Count, answer); !errors.Is(err, errForged) {
			t.Errorf("%s: answer: %v", tt.name, err)
		}
	}
	if _, err := one.readAnswer(Push, answer); !errors.Is(err, errForged) {
		t.Errorf("answer to another question: %v", err)
	}
}

// A peer that asks all the time is not listened to for a while.
func TestTooOften(t *testing.T) {
	s := NewServer(Link{}, lvs.IPv4, []netip.Addr{loopback}, &fake{}, slog.New(slog.DiscardHandler))
	now := time.Now()
	for i := range maxAsks {
		if r := s.admit(loopback, now); r != "" {
			t.Fatalf("question %d: %s", i, r)
		}
		if r := s.admit(loopback, now); r != TooOften {
			t.Fatalf("second question at once: %q", r)
		}
		s.leave(loopback)
	}
	if r := s.admit(loopback, now); r != TooOften {
		t.Errorf("got %q", r)
	}
	if r := s.admit(loopback, now.Add(askWindow+1)); r != "" {
		t.Errorf("later: %q", r)
	}
}

func TestSecrets(t *testing.T) {
	for name, want := range map[string]string{
		secretFile(t, "too short\n"): "the secret has 9 bytes: expected at least 16",
		"/nowhere/secret":            "no such file or directory",
	} {
		_, err := Ask(t.Context(), Link{SecretFile: name}, loopback, Count)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// A director that knows nothing of the secret is never believed, whatever it sends.
func FuzzMessages(f *testing.F) {
	s := session{secret: aSecret, server: loopback, client: loopback}
	f.Add(s.hello())
	f.Add(s.question(Count))
	f.Add(s.answer(Count, Answer{Outcome: Done}))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := session{secret: aSecret, server: loopback, client: loopback, fromServer: nonce(), fromClient: nonce()}
		if _, err := s.readQuestion(b); err == nil {
			t.Error("question believed")
		}
		if _, err := s.readAnswer(Count, b); err == nil {
			t.Error("answer believed")
		}
		if err := s.readHello(b); err == nil && len(b) != helloLen {
			t.Error("hello of another length")
		}
	})
}
