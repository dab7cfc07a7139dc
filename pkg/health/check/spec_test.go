package check

import (
	"encoding/json"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"
)

func TestNewRefuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		spec Spec
		want string
	}{
		{"tcp expect", &TCP{Expect: "("}, "expect: error parsing regexp: missing closing ): `(`"},
		{"udp two payloads", &UDP{Payload: "a", PayloadHex: "00"}, "payload_hex: excludes payload"},
		{"udp hex", &UDP{PayloadHex: "0x"}, "payload_hex: encoding/hex: invalid byte: U+0078 'x'"},
		{"udp expected hex", &UDP{ExpectHex: "0"}, "expect_hex: encoding/hex: odd length hex string"},
		{"http path", &HTTP{Path: "index.html"}, `path: "index.html" is not an absolute path such as "/health?full=1"`},
		{"http url", &HTTP{Path: "http://example.com/"}, `path: "http://example.com/" is not an absolute path such as "/health?full=1"`},
		{"http method", &HTTP{Method: "GET /"}, `method: "GET /" is not a method such as "GET"`},
		{"http host", &HTTP{Host: "www.example.com/x"}, `host: "www.example.com/x" is not a host name`},
		{"http header", &HTTP{Headers: map[string]string{"X": "a\r\nb"}}, `headers: "X": "a\r\nb" is not a header`},
		{"http host header", &HTTP{Headers: map[string]string{"host": "x"}}, `headers: "host": use host`},
		{"http password", &HTTP{PasswordFile: "/x"}, "username: is missing: password_file needs it"},
		{"all problems", &HTTP{ExpectBody: "(", Method: " "}, "expect_body: error parsing regexp: missing closing ): `(`\nmethod: \" \" is not a method such as \"GET\""},
		{"https certificate", &HTTPS{TLSOptions: TLSOptions{CertFile: "/x"}}, "key_file: is missing: cert_file needs it"},
		{"https key", &HTTPS{TLSOptions: TLSOptions{KeyFile: "/x"}}, "cert_file: is missing: key_file needs it"},
		{"https ca", &HTTPS{TLSOptions: TLSOptions{Verify: new(bool), CAFile: "/x"}}, "ca_file: is of no use with verify = false"},
		{"tls days", &TLS{DaysLeft: -1}, "days_left: -1 is negative"},
		{"dns query", &DNS{}, "query: is missing"},
		{"dns name", &DNS{Query: "a..b"}, `query: "a..b" is not a domain name`},
		{"dns record", &DNS{Query: "a", Record: "B"}, `record: "B" is not a record type such as A, MX or TYPE65`},
		{"dns protocol", &DNS{Query: "a", Protocol: "tls"}, `protocol: "tls": expected udp or tcp`},
		{"smtp tls", &SMTP{TLS: "yes"}, `tls: "yes": expected starttls or tls`},
		{"smtp helo", &SMTP{Helo: "a b"}, `helo: "a b" is not a host name`},
		{"grpc options", &GRPC{TLSOptions: TLSOptions{ServerName: "x"}}, "tls: is not on, but its options are set"},
		{"grpc host", &GRPC{Host: "a b"}, `host: "a b" is not a host name`},
		{"redis user", &Redis{Username: "a"}, "password_file: is missing: username needs it"},
		{"mysql database", &MySQL{Database: "a", PasswordFile: "b"}, "password_file: needs username\ndatabase: needs username"},
		{"postgres tls", &Postgres{TLS: true}, "tls: needs username"},
		{"exec nothing", &Exec{}, "command: is missing"},
		{"exec relative", &Exec{Command: []string{"check.sh"}}, `command: "check.sh" is not an absolute path`},
		{"exec both", &Exec{Command: []string{"/x"}, WarningOK: true, DynamicWeight: true}, "warning_ok: excludes dynamic_weight: both give exit codes a meaning"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := New(tt.spec)
			if err == nil || err.Error() != tt.want {
				t.Errorf("got %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestKinds(t *testing.T) {
	want := "dns exec grpc http https icmp mysql off on postgres redis smtp tcp tls udp"
	if got := strings.Join(Kinds(), " "); got != want {
		t.Errorf("got %s", got)
	}
	for _, kind := range Kinds() {
		spec, ok := Blank(kind)
		if !ok || spec.Kind() != kind {
			t.Errorf("Blank(%q) is %v, %v", kind, spec, ok)
		}
	}
	if _, ok := Blank("negotiate"); ok {
		t.Error("negotiate is a kind")
	}
	if NeedsPort("icmp") || !NeedsPort("https") || NeedsPort("negotiate") {
		t.Error("NeedsPort is wrong")
	}
}

func TestOnOff(t *testing.T) {
	wantUp(t, &On{}, Target{})
	wantDown(t, &Off{}, Target{}, "off: taken out of service by the configuration")
}

// Specs can be decoded from a table of the configuration, embedded ones too.
func TestDecode(t *testing.T) {
	no := false
	for _, tt := range []struct {
		kind, text string
		want       Spec
	}{
		{"https", `
			path = "/health"
			expect_status = [200, "300-399,404"]
			verify = false
			[headers]
			X = "y"`,
			&HTTPS{
				HTTP{Path: "/health", ExpectStatus: Statuses{{200, 200}, {300, 399}, {404, 404}}, Headers: map[string]string{"X": "y"}},
				TLSOptions{Verify: &no},
			}},
		{"http", `expect_status = 204`, &HTTP{ExpectStatus: Statuses{{204, 204}}}},
		{"exec", `command = ["/bin/true", "{vip}"]`, &Exec{Command: []string{"/bin/true", "{vip}"}}},
		{"smtp", "tls = \"starttls\"\nca_file = \"/ca\"", &SMTP{TLS: "starttls", TLSOptions: TLSOptions{CAFile: "/ca"}}},
	} {
		t.Run(tt.kind, func(t *testing.T) {
			got, _ := Blank(tt.kind)
			if err := toml.Unmarshal([]byte(tt.text), got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			wantJSONRoundTrip(t, got)
		})
	}
}

func wantJSONRoundTrip(t *testing.T, spec Spec) {
	t.Helper()
	text, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	back, _ := Blank(spec.Kind())
	if err := json.Unmarshal(text, back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(spec, back); diff != "" {
		t.Errorf("through %s: %s", text, diff)
	}
}

func TestStatuses(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"200", "200"},
		{"200-299, 404", "200-299,404"},
		{"", ""}, {"2xx", ""}, {"299-200", ""}, {"99", ""}, {"200-600", ""}, {"200,", ""}, {"-", ""},
	} {
		s, err := ParseStatuses(tt.in)
		if got := s.String(); got != tt.want || (err != nil) != (tt.want == "") {
			t.Errorf("ParseStatuses(%q) = %s, %v, want %s", tt.in, got, err, tt.want)
		}
	}
	var s Statuses
	if err := toml.Unmarshal([]byte("s = true"), &struct{ S *Statuses }{&s}); err == nil {
		t.Errorf("true gave %v", s)
	}
}

func TestKey(t *testing.T) {
	target := Target{Address: netip.MustParseAddr("10.0.0.2"), Port: 80, Names: Names{Service: "a"}}
	other := target
	other.Names.Service = "b"
	if Key(&HTTP{}, target) != Key(&HTTP{}, other) {
		t.Error("names are part of a key of http")
	}
	if Key(&Exec{}, target) == Key(&Exec{}, other) {
		t.Error("names are no part of a key of exec")
	}
	keys := map[string]bool{}
	for _, change := range []func(t *Target){
		func(*Target) {},
		func(t *Target) { t.Port++ },
		func(t *Target) { t.Address = t.Address.Next() },
		func(t *Target) { t.Source = t.Address },
		func(t *Target) { t.Mark = 1 },
	} {
		changed := target
		change(&changed)
		keys[Key(&HTTP{}, changed)] = true
		keys[Key(&HTTP{Path: "/x"}, changed)] = true
	}
	if len(keys) != 10 {
		t.Errorf("got %d different keys, want 10", len(keys))
	}
	want := `http 10.0.0.2:80 {"path":"/x"}`
	if got := Key(&HTTP{Path: "/x"}, target); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestPreflight(t *testing.T) {
	spec := &HTTPS{HTTP{Username: "ali", PasswordFile: "/nowhere/secret"}, TLSOptions{CAFile: file(t, "not PEM", 0o644)}}
	err := mustNew(t, spec).Preflight()
	want := "read /nowhere/secret: no such file or directory\nread " + spec.CAFile + ": no PEM certificate in it"
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

// A file that changes is read again, and one that goes bad does not matter as
// long as a good one was there.
func TestLoaded(t *testing.T) {
	path := file(t, "one", 0o600)
	var b builder
	l := b.login("ali", path)
	wantPassword := func(want string) {
		t.Helper()
		if got, err := l.password(); got != want || err != nil {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
	rewrite := func(content string, mode os.FileMode, age time.Duration) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, time.Time{}, time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	wantPassword("one")
	rewrite("two\n", 0o600, time.Minute)
	wantPassword("two")
	rewrite("three", 0o644, 2*time.Minute)
	wantPassword("two")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	wantPassword("two")
}
