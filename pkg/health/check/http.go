package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// HTTP makes one request over HTTP/1.1 and looks at the status and the body.
type HTTP struct {
	Path            string            `toml:"path" json:"path,omitempty"`     // with its query; default "/"
	Method          string            `toml:"method" json:"method,omitempty"` // default "GET"
	Host            string            `toml:"host" json:"host,omitempty"`     // Host header; default: address and port
	Headers         map[string]string `toml:"headers" json:"headers,omitempty"`
	ExpectStatus    Statuses          `toml:"expect_status" json:"expect_status,omitempty"` // default 200-399
	ExpectBody      string            `toml:"expect_body" json:"expect_body,omitempty"`     // regular expression anywhere in the first MiB
	Username        string            `toml:"username" json:"username,omitempty"`           // basic authentication
	PasswordFile    string            `toml:"password_file" json:"password_file,omitempty"`
	FollowRedirects bool              `toml:"follow_redirects" json:"follow_redirects,omitempty"` // always to the same server, whatever host they name
}

// HTTPS is HTTP over TLS.
type HTTPS struct {
	HTTP
	TLSOptions
}

// Kind is "http".
func (*HTTP) Kind() string { return "http" }

// Kind is "https".
func (*HTTPS) Kind() string { return "https" }

func (s *HTTP) compile(b *builder) probe { return s.prepare(b, "http", TLSOptions{}) }

func (s *HTTPS) compile(b *builder) probe { return s.prepare(b, "https", s.TLSOptions) }

// maxBody is how many bytes of a body are read; what follows is not looked at.
const maxBody = 1 << 20

type httpProbe struct {
	spec   *HTTP
	method string
	url    url.URL // without host
	status Statuses
	body   *regexp.Regexp
	login  login
	tls    *tlsClient // for https, and for redirects to it
}

func (s *HTTP) prepare(b *builder, scheme string, o TLSOptions) probe {
	p := &httpProbe{spec: s, method: s.Method, status: s.ExpectStatus, url: url.URL{Scheme: scheme, Path: "/"}}
	p.body = b.regexp("expect_body", s.ExpectBody)
	p.login = b.login(s.Username, s.PasswordFile)
	p.tls = b.tls(o, hostname(s.Host))
	if p.method == "" {
		p.method = http.MethodGet
	}
	if p.status == nil {
		p.status = Statuses{{200, 399}}
	}
	if s.Path != "" {
		u, err := url.ParseRequestURI(s.Path)
		if err != nil || u.Host != "" || !strings.HasPrefix(s.Path, "/") {
			b.fail("path", "%q is not an absolute path such as \"/health?full=1\"", s.Path)
			return nil
		}
		p.url.Path, p.url.RawPath, p.url.RawQuery = u.Path, u.RawPath, u.RawQuery
	}
	s.validate(b)
	return simple(p.run)
}

func (s *HTTP) validate(b *builder) {
	if !httpguts.ValidHeaderFieldName(s.Method) && s.Method != "" { // methods and header names are both tokens, RFC 9110 section 5.6.2
		b.fail("method", "%q is not a method such as \"GET\"", s.Method)
	}
	if s.Host != "" && (!httpguts.ValidHostHeader(s.Host) || strings.ContainsAny(s.Host, "/@ ")) {
		b.fail("host", "%q is not a host name", s.Host)
	}
	if s.Username == "" && s.PasswordFile != "" {
		b.fail("username", "is missing: password_file needs it")
	}
	for _, name := range slices.Sorted(maps.Keys(s.Headers)) {
		value := s.Headers[name]
		if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
			b.fail("headers", "%q: %q is not a header", name, value)
		}
		if strings.EqualFold(name, "Host") {
			b.fail("headers", "%q: use host", name)
		}
	}
}

func (p *httpProbe) run(ctx context.Context, t Target) error {
	req, err := p.request(ctx, t)
	if err != nil {
		return err
	}
	client := http.Client{
		Transport:     &oneShot{target: t, scheme: p.url.Scheme, tls: p.tls},
		CheckRedirect: p.checkRedirect,
	}
	resp, err := client.Do(req)
	if err != nil {
		return requestError(ctx, req, err)
	}
	defer resp.Body.Close()
	if err := p.judge(ctx, resp); err != nil {
		return fmt.Errorf("%s %s: %w", req.Method, req.URL, err)
	}
	return nil
}

func (p *httpProbe) request(ctx context.Context, t Target) (*http.Request, error) {
	u := p.url
	u.Host = t.addrPort().String()
	req, err := http.NewRequestWithContext(ctx, p.method, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Close = true
	if p.spec.Host != "" {
		req.Host = p.spec.Host
	}
	req.Header.Set("User-Agent", "lvsd")
	for name, value := range p.spec.Headers {
		req.Header.Set(name, value)
	}
	if p.spec.Username != "" {
		password, err := p.login.password()
		if err != nil {
			return nil, err
		}
		req.SetBasicAuth(p.spec.Username, password)
	}
	return req, nil
}

func (p *httpProbe) checkRedirect(_ *http.Request, via []*http.Request) error {
	if !p.spec.FollowRedirects {
		return http.ErrUseLastResponse
	}
	if len(via) == 10 {
		return errors.New("more than 10 redirects")
	}
	return nil
}

// requestError leaves an error of connecting as it is: it names the address.
func requestError(ctx context.Context, req *http.Request, err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	var ce *connectError
	if errors.As(err, &ce) {
		return ce.error
	}
	return fmt.Errorf("%s %s: %w", req.Method, req.URL, reason(ctx, err))
}

// judge reads the body even if nobody looks into it: a server that cannot send
// its page to the end does not serve.
func (p *httpProbe) judge(ctx context.Context, resp *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if !p.status.Has(resp.StatusCode) {
		return fmt.Errorf("status %d, expected %s", resp.StatusCode, p.status)
	}
	if err != nil && !errors.Is(err, errTooLong) {
		return fmt.Errorf("status %d, body after %d bytes: %w", resp.StatusCode, len(body), reason(ctx, err))
	}
	if p.body != nil && !p.body.Match(body) {
		return fmt.Errorf("status %d, body %s, expected a match of %q", resp.StatusCode, quote(body), p.body)
	}
	return nil
}

// hostname is a host without its port.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return strings.Trim(host, "[]")
}
