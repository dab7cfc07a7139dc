package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"syscall"

	"github.com/lvsd/lvsd/pkg/notify"
	"github.com/lvsd/lvsd/pkg/status"
)

// ErrNotRunning is the error of every call when no director listens.
var ErrNotRunning = errors.New("no director is running")

// maxAnswer bounds an answer in bytes: a table of 100,000 servers has some 50 MB.
const maxAnswer = 512 << 20

// Client calls a running director.
type Client struct {
	path string
	http http.Client
}

// Dial gives a client of the socket at path. It does not connect yet.
func Dial(path string) *Client {
	c := &Client{path: path}
	c.http.Transport = &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", path)
		},
	}
	return c
}

// Status asks for the director's status.
func (c *Client) Status(ctx context.Context) (status.Status, error) {
	var s status.Status
	err := c.call(ctx, http.MethodGet, statusPath, &s)
	return s, err
}

// Reload asks the director to read its configuration again.
func (c *Client) Reload(ctx context.Context) (Reloaded, error) {
	var r Reloaded
	err := c.call(ctx, http.MethodPost, reloadPath, &r)
	return r, err
}

// TestNotify has the director send a test message to the receiver with a name,
// or to all if it is "".
func (c *Client) TestNotify(ctx context.Context, name string) ([]notify.Outcome, error) {
	var outcomes []notify.Outcome
	err := c.call(ctx, http.MethodPost, notifyPath+"?name="+url.QueryEscape(name), &outcomes)
	return outcomes, err
}

func (c *Client) call(ctx context.Context, method, path string, answer any) error {
	// The host's name is not looked at: the socket is the address.
	req, err := http.NewRequestWithContext(ctx, method, "http://director"+path, nil)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
			return fmt.Errorf("%w: nothing listens on %s", ErrNotRunning, c.path)
		}
		return fmt.Errorf("ask the director on %s: %w", c.path, errors.Unwrap(err))
	}
	defer resp.Body.Close()
	body := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer))
	switch resp.StatusCode {
	case http.StatusOK:
		if err := body.Decode(answer); err != nil {
			return fmt.Errorf("read the director's answer: %w", err)
		}
		return nil
	case http.StatusForbidden:
		return fmt.Errorf("ask the director on %s: only root and the daemon's own user may", c.path)
	}
	var f failure
	if err := body.Decode(&f); err != nil || f.Error == "" {
		return fmt.Errorf("ask the director on %s: unexpected answer %s", c.path, resp.Status)
	}
	return errors.New(f.Error)
}
