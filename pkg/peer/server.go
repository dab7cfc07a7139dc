package peer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/lvsd/lvsd/pkg/lvs"
)

// Refusal is why a question got no answer.
type Refusal string

// The refusals.
const (
	Stranger   Refusal = "not from a peer"
	TooOften   Refusal = "too many questions"
	Incomplete Refusal = "incomplete or too slow"
	Foreign    Refusal = "not of this protocol"
	Forged     Refusal = "not authentic"
	NoSecret   Refusal = "own secret not readable"
)

// Director is who answers.
type Director interface {
	// Describe says what the director is and holds. The outcome is left out.
	Describe() (Answer, error)
	// Push sends all connections, for this peer. It is ErrBusy while it does so
	// already or has just done so.
	Push(ctx context.Context, peer netip.Addr) (Counts, error)
}

// ErrBusy is a push that must wait.
var ErrBusy = errors.New("connections are being pushed already, or have just been")

// A peer may ask so often: much more than it does by itself.
const (
	askWindow = 10 * time.Second
	maxAsks   = 50
)

// Server answers the peers' questions. Each peer has one question at a time.
type Server struct {
	link     Link
	family   lvs.Family
	peers    []netip.Addr
	director Director
	log      *slog.Logger

	mu      sync.Mutex
	asking  map[netip.Addr]*asker
	refused map[Refusal]uint64
}

// asker is what the server knows of a peer.
type asker struct {
	busy  bool
	since time.Time // of the window
	asks  int       // in it
}

// NewServer makes a server that does not listen yet. Only the peers, which are of
// one family, get an answer.
func NewServer(l Link, f lvs.Family, peers []netip.Addr, d Director, log *slog.Logger) *Server {
	s := &Server{link: l, family: f, peers: peers, director: d, log: log, asking: map[netip.Addr]*asker{}, refused: map[Refusal]uint64{}}
	for _, p := range peers {
		s.asking[p] = &asker{}
	}
	return s
}

// Refused is how many questions got no answer, by reason.
func (s *Server) Refused() map[Refusal]uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.refused)
}

// Run listens and answers until the context ends, which is no error.
func (s *Server) Run(ctx context.Context) error {
	config := net.ListenConfig{Control: s.link.bind, KeepAliveConfig: alive}
	any, network := netip.IPv4Unspecified(), "tcp4"
	if s.family == lvs.IPv6 {
		any, network = netip.IPv6Unspecified(), "tcp6"
	}
	l, err := config.Listen(ctx, network, netip.AddrPortFrom(any, s.link.Port).String())
	if err != nil {
		return fmt.Errorf("listen for the peers on %s port %d: %w", s.link.Interface, s.link.Port, reason(err))
	}
	return s.serve(ctx, l)
}

func (s *Server) serve(ctx context.Context, l net.Listener) error {
	var tasks sync.WaitGroup
	defer tasks.Wait()
	defer context.AfterFunc(ctx, func() { l.Close() })()
	defer l.Close()
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("listen for the peers: %w", reason(err))
		}
		peer := addrOf(conn.RemoteAddr())
		if r := s.admit(peer, time.Now()); r != "" {
			s.refuse(peer, r, nil)
			conn.Close()
			continue
		}
		tasks.Go(func() {
			defer conn.Close()
			defer s.leave(peer) // before the peer sees the end, as it may ask again then
			defer context.AfterFunc(ctx, func() { conn.Close() })()
			if r, err := s.answer(ctx, conn, peer); err != nil && ctx.Err() == nil {
				s.refuse(peer, r, err)
			}
		})
	}
}

// admit tells why a host may not ask now, "" if it may.
func (s *Server) admit(peer netip.Addr, now time.Time) Refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.asking[peer]
	if a == nil || !slices.Contains(s.peers, peer) {
		return Stranger
	}
	if now.Sub(a.since) > askWindow {
		a.since, a.asks = now, 0
	}
	if a.busy || a.asks >= maxAsks {
		return TooOften
	}
	a.asks++
	a.busy = true
	return ""
}

func (s *Server) leave(peer netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asking[peer].busy = false
}

// refuse counts, and logs the first of each reason.
func (s *Server) refuse(peer netip.Addr, r Refusal, err error) {
	s.mu.Lock()
	s.refused[r]++
	first := s.refused[r] == 1
	s.mu.Unlock()
	if first {
		s.log.Warn("question of a director refused, more of this kind are only counted", "source", peer, "why", r, "err", err)
	}
}

// answer holds one conversation.
func (s *Server) answer(ctx context.Context, conn net.Conn, peer netip.Addr) (Refusal, error) {
	key, err := s.link.secret()
	if err != nil {
		return NoSecret, err
	}
	session := session{secret: key, server: addrOf(conn.LocalAddr()), client: peer, fromServer: nonce()}
	if _, err := conn.Write(session.hello()); err != nil {
		return Incomplete, err
	}
	b, err := read(conn, questionLen, stepTime)
	if err != nil {
		return Incomplete, reason(err)
	}
	q, err := session.readQuestion(b)
	if errors.Is(err, errForged) {
		return Forged, err
	}
	if err != nil {
		return Foreign, err
	}
	a := s.say(ctx, q, peer)
	if err := conn.SetDeadline(time.Now().Add(stepTime)); err != nil {
		return Incomplete, err
	}
	if _, err := conn.Write(session.answer(q, a)); err != nil {
		return Incomplete, reason(err)
	}
	return "", nil
}

// say answers a question that is believed.
func (s *Server) say(ctx context.Context, q Question, peer netip.Addr) Answer {
	a, err := s.director.Describe()
	if err != nil {
		s.log.Error("question of a director not answered", "source", peer, "err", err)
		return Answer{Outcome: Failed}
	}
	a.Outcome = Done
	if q == Push {
		a.Outcome, a.Pushed = s.push(ctx, a, peer)
	}
	return a
}

func (s *Server) push(ctx context.Context, a Answer, peer netip.Addr) (Outcome, Counts) {
	if !a.Master {
		return Standby, Counts{}
	}
	done, err := s.director.Push(ctx, peer)
	switch {
	case errors.Is(err, ErrBusy):
		return Busy, Counts{}
	case err != nil:
		s.log.Error("connections not pushed", "peer", peer, "err", err)
		return Failed, done
	}
	return Done, done
}
