package check

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func FuzzParseStatuses(f *testing.F) {
	f.Add("200")
	f.Add("200-399,404")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseStatuses(text)
		if err != nil {
			return
		}
		back, err := ParseStatuses(s.String())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(s, back); diff != "" {
			t.Error(diff)
		}
	})
}

func FuzzHealthStatus(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x00\x02\x08\x01"))
	f.Fuzz(func(t *testing.T, frame []byte) {
		if status, err := healthStatus(frame); (status == "") == (err == nil) {
			t.Errorf("got %q, %v", status, err)
		}
	})
}

func FuzzReadGreeting(f *testing.F) {
	f.Add([]byte("\x4a\x00\x00\x00" + mysqlHandshake()))
	f.Add([]byte("\x17\x00\x00\x00\xff\x10\x04Too many connections"))
	f.Fuzz(func(_ *testing.T, packet []byte) {
		_ = readGreeting(bytes.NewReader(packet))
	})
}

func FuzzEcho(f *testing.F) {
	f.Add([]byte("\x45"), true, false)
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\x00\x01"), false, false)
	f.Fuzz(func(t *testing.T, packet []byte, raw, v6 bool) {
		e := newEcho(Target{})
		e.v6 = v6
		if e.answeredBy(packet, raw) {
			t.Error("answered by what does not have its data")
		}
	})
}
