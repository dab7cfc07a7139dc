// Package peer is the authenticated channel between directors that share
// connections: each asks the others how many they hold, and one that has come late
// asks for all of them. The connections themselves do not go this way: they are
// pushed as messages of the kernel's sync daemon.
//
// One question is one TCP connection on the interface of the sync daemon. Who is
// asked sends a nonce first; question and answer carry an HMAC-SHA256 over both
// sides' nonces and addresses, keyed with a secret that both have and that is never
// sent. So a recorded question or answer is worth nothing, to nobody. All messages
// have a fixed length. Nothing is encrypted: numbers of connections are no secret.
package peer

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
)

// Question is what a director wants of another one.
type Question uint8

// The questions.
const (
	Count Question = 1 // how many connections it holds
	Push  Question = 2 // that it sends them all
)

// Outcome is what came of a question.
type Outcome uint8

// The outcomes.
const (
	Done    Outcome = 1
	Standby Outcome = 2 // who was asked does not send connections itself
	Busy    Outcome = 3 // a push is under way, or has just been
	Failed  Outcome = 4 // see the log of who was asked
)

func (o Outcome) String() string {
	switch o {
	case Done:
		return "done"
	case Standby:
		return "it is a standby itself"
	case Busy:
		return "it pushes already, or has just done so"
	case Failed:
		return "it could not, see its log"
	}
	return fmt.Sprintf("outcome(%d)", uint8(o))
}

// Counts are connections that a kernel holds.
type Counts struct {
	Connections uint64
	Templates   uint64 // of persistence
}

// Answer is what a director says of itself.
type Answer struct {
	Outcome Outcome
	Master  bool // it sends connections
	Backup  bool // it receives them
	Counts
	Pushed Counts // by this push
}

// The errors of a message that is not believed.
var (
	errForeign = errors.New("it is not of this protocol")
	errForged  = errors.New("it is not authentic: is the secret the same on both?")
)

// The lengths of the parts in bytes.
const (
	nonceLen    = 32
	macLen      = sha256.Size
	bodyLen     = 2 + 4*8
	helloLen    = len(greeting) + nonceLen
	questionLen = nonceLen + 1 + macLen
	answerLen   = bodyLen + macLen
)

// greeting tells this protocol and its version from others.
const greeting = "lvsd peer 1\n"

// MinSecret is how long a secret is at least, in bytes: who listens can try
// guesses for as long as he likes.
const MinSecret = 16

// session is what both sides know of one question.
type session struct {
	secret         string
	server, client netip.Addr
	fromServer     [nonceLen]byte
	fromClient     [nonceLen]byte
}

func nonce() [nonceLen]byte {
	var n [nonceLen]byte
	_, _ = rand.Read(n[:]) // never fails (crypto/rand)
	return n
}

// mac authenticates a part of the session. The word keeps questions and answers
// apart.
func (s *session) mac(word string, rest ...byte) []byte {
	h := hmac.New(sha256.New, []byte(s.secret))
	h.Write([]byte(greeting + word + "\n"))
	h.Write(s.fromServer[:])
	h.Write(s.fromClient[:])
	for _, a := range []netip.Addr{s.server, s.client} {
		b := a.As16()
		h.Write(b[:])
	}
	h.Write(rest)
	return h.Sum(nil)
}

func (s *session) hello() []byte { return append([]byte(greeting), s.fromServer[:]...) }

func (s *session) readHello(b []byte) error {
	rest, ok := bytes.CutPrefix(b, []byte(greeting))
	if !ok || len(rest) != nonceLen {
		return errForeign
	}
	s.fromServer = [nonceLen]byte(rest)
	return nil
}

func (s *session) question(q Question) []byte {
	return append(append(s.fromClient[:], byte(q)), s.mac("question", byte(q))...)
}

// readQuestion gives a question that is authentic.
func (s *session) readQuestion(b []byte) (Question, error) {
	if len(b) != questionLen {
		return 0, errForeign
	}
	s.fromClient = [nonceLen]byte(b[:nonceLen])
	q := b[nonceLen]
	if !hmac.Equal(b[nonceLen+1:], s.mac("question", q)) {
		return 0, errForged
	}
	if Question(q) != Count && Question(q) != Push {
		return 0, errForeign
	}
	return Question(q), nil
}

func (s *session) answer(q Question, a Answer) []byte {
	flags := byte(0)
	if a.Master {
		flags |= 1
	}
	if a.Backup {
		flags |= 2
	}
	b := []byte{byte(a.Outcome), flags}
	for _, n := range []uint64{a.Connections, a.Templates, a.Pushed.Connections, a.Pushed.Templates} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return append(b, s.mac("answer", append([]byte{byte(q)}, b...)...)...)
}

// readAnswer gives an answer to a question that is authentic.
func (s *session) readAnswer(q Question, b []byte) (Answer, error) {
	if len(b) != answerLen {
		return Answer{}, errForeign
	}
	body := b[:bodyLen]
	if !hmac.Equal(b[bodyLen:], s.mac("answer", append([]byte{byte(q)}, body...)...)) {
		return Answer{}, errForged
	}
	number := func(i int) uint64 { return binary.BigEndian.Uint64(body[2+8*i:]) }
	return Answer{
		Outcome: Outcome(body[0]),
		Master:  body[1]&1 != 0,
		Backup:  body[1]&2 != 0,
		Counts:  Counts{number(0), number(1)},
		Pushed:  Counts{number(2), number(3)},
	}, nil
}
