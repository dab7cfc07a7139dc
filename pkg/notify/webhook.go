package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/notify/notice"
	"github.com/lvsd/lvsd/pkg/secret"
)

// maxAnswer is how many bytes of an answer an error quotes.
const maxAnswer = 200

// webhook posts messages to a URL.
type webhook struct{ config.Webhook }

func (w webhook) check() error {
	_, errFormat := notice.NewFormat(w.Format, w.Template)
	_, errURL := w.url()
	_, errSecret := w.secret()
	_, errTLS := tlsConfig(w.TLS, "")
	return errors.Join(errFormat, errURL, errSecret, errTLS)
}

func (w webhook) send(ctx context.Context, m notice.Message) error {
	req, err := w.request(ctx, m)
	if err != nil {
		return err
	}
	verify, err := tlsConfig(w.TLS, "")
	if err != nil {
		return err
	}
	client := &http.Client{
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: verify, DisableKeepAlives: true, ForceAttemptHTTP2: true},
		// What answers with a redirect has not taken the message.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("post to %s: %w", req.URL.Host, withoutURL(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode < 300 {
		return nil
	}
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if text := strings.TrimSpace(string(answer)); text != "" {
		return fmt.Errorf("post to %s: status %s: %q", req.URL.Host, resp.Status, text)
	}
	return fmt.Errorf("post to %s: status %s", req.URL.Host, resp.Status)
}

func (w webhook) request(ctx context.Context, m notice.Message) (*http.Request, error) {
	format, err := notice.NewFormat(w.Format, w.Template)
	if err != nil {
		return nil, err
	}
	body, err := format(m)
	if err != nil {
		return nil, err
	}
	target, err := w.url()
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return nil, withoutURL(err)
	}
	req.Header.Set("User-Agent", "lvsd")
	req.Header.Set("Content-Type", w.ContentType)
	for _, h := range w.Headers {
		req.Header.Set(h.Name, h.Value)
		if strings.EqualFold(h.Name, "Host") {
			req.Host = h.Value
		}
	}
	value, err := w.secret()
	if err != nil {
		return nil, err
	}
	if value != "" {
		req.Header.Set(w.SecretHeader, value)
	}
	return req, nil
}

// secret is the value of the secret header, "" without one.
func (w webhook) secret() (string, error) {
	if w.SecretFile == "" {
		return "", nil
	}
	return secret.Read(w.SecretFile)
}

func (w webhook) url() (string, error) {
	if w.URLFile == "" {
		return w.URL, nil
	}
	text, err := secret.Read(w.URLFile)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", fmt.Errorf("read %s: what is in it is not a URL of http or https", w.URLFile)
	}
	return text, nil
}

// withoutURL strips an error of the URL, which may be a secret.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
