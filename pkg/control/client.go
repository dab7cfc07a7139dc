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
	"os"
	"syscall"
	"time"

	"github.com/lvsd/lvsd/pkg/notify"
	"github.com/lvsd/lvsd/pkg/status"
)

// ErrNotRunning is the error of every call when no director listens.
var ErrNotRunning = errors.New("no director is running")

// ErrEnded is the error of a call under which a director ends.
var ErrEnded = errors.New("it ended without an answer")

// maxAnswer bounds an answer in bytes: a table of 100,000 servers has some 50 MB.
const maxAnswer = 512 << 20

// How long a director may take to answer. It reads the kernel for a status; for
// a reload it also resolves names and changes the kernel.
const (
	statusTime = 15 * time.Second
	reloadTime = 2 * time.Minute
	guardTime  = time.Minute     // for a round, where a large table is read
	notifyTime = 6 * time.Minute // more than the longest timeout of a receiver
)

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
	err := c.call(ctx, statusTime, http.MethodGet, statusPath, &s)
	return s, err
}

// Reload asks the director to read its configuration again. A Refused says that
// nothing has changed.
func (c *Client) Reload(ctx context.Context) (Reloaded, error) {
	var r Reloaded
	err := c.call(ctx, reloadTime, http.MethodPost, reloadPath, &r)
	return r, err
}

// Probes asks for the latest probes of the checks of one real server.
func (c *Client) Probes(ctx context.Context, virtual, server string) ([]status.Probes, error) {
	var list []status.Probes
	query := url.Values{"virtual": {virtual}, "server": {server}}
	err := c.call(ctx, statusTime, http.MethodGet, probesPath+"?"+query.Encode(), &list)
	return list, err
}

// Health asks for what the director's checks say.
func (c *Client) Health(ctx context.Context) (Health, error) {
	var h Health
	err := c.call(ctx, statusTime, http.MethodGet, healthPath, &h)
	return h, err
}

// TestNotify has the director send a test message to the receiver with a name,
// or to all if it is "".
func (c *Client) TestNotify(ctx context.Context, name string) ([]notify.Outcome, error) {
	var outcomes []notify.Outcome
	err := c.call(ctx, notifyTime, http.MethodPost, notifyPath+"?name="+url.QueryEscape(name), &outcomes)
	return outcomes, err
}

func (c *Client) call(ctx context.Context, limit time.Duration, method, path string, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := c.exchange(ctx, method, path, answer)
	switch {
	case err == nil:
		return nil
	case errors.As(err, new(Refused)):
		return err
	case errors.Is(err, context.DeadlineExceeded):
		err = fmt.Errorf("no answer within %s", limit)
	}
	return fmt.Errorf("ask the director on %s: %w", c.path, err)
}

func (c *Client) exchange(ctx context.Context, method, path string, answer any) error {
	// The host's name is not looked at: the socket is the address.
	req, err := http.NewRequestWithContext(ctx, method, "http://director"+path, nil)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return c.explain(err)
	}
	defer resp.Body.Close()
	body := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer))
	switch resp.StatusCode {
	case http.StatusOK:
		if err := body.Decode(answer); err != nil {
			return fmt.Errorf("read its answer: %w", err)
		}
		return nil
	}
	var f failure
	if err := body.Decode(&f); err != nil || f.Error == "" {
		return fmt.Errorf("unexpected answer %q: is it of another version, or another program?", resp.Status)
	}
	if resp.StatusCode == http.StatusForbidden {
		return fmt.Errorf("%w: %w", fs.ErrPermission, f.err())
	}
	return f.err()
}

// explain turns the transport's error into what it means here.
func (c *Client) explain(err error) error {
	var inURL *url.Error
	if errors.As(err, &inURL) {
		err = inURL.Err
	}
	var inNet *net.OpError
	if errors.As(err, &inNet) {
		err = inNet.Err
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: there is no such socket", ErrNotRunning)
	case errors.Is(err, syscall.ECONNREFUSED):
		if info, errStat := os.Stat(c.path); errStat == nil && info.Mode().Type() != fs.ModeSocket {
			return fmt.Errorf("%w: that is not a socket", ErrNotRunning)
		}
		return fmt.Errorf("%w: nothing listens there", ErrNotRunning)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: only root, the user that it runs as and director.group may", fs.ErrPermission)
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return ErrEnded
	case len(c.path) > maxPath:
		return fmt.Errorf("the path of a socket has at most %d bytes", maxPath)
	case errors.As(err, new(syscall.Errno)), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	}
	return fmt.Errorf("%w: is it another program's socket?", err)
}
