package control

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/lvsd/lvsd/pkg/changelog"
)

// changes answers what has changed.
func changes(d Director, r *http.Request) (any, error) {
	q := r.URL.Query()
	after, wait := uint64(0), time.Duration(0)
	var err error
	if text := q.Get("after"); text != "" {
		if after, err = strconv.ParseUint(text, 10, 64); err != nil {
			return nil, fmt.Errorf("after %q: expected the number of a change", text)
		}
	}
	if text := q.Get("wait"); text != "" {
		if wait, err = time.ParseDuration(text); err != nil || wait < 0 {
			return nil, fmt.Errorf("wait %q: expected a duration such as 30s", text)
		}
	}
	list, err := d.Changes(r.Context(), after, wait)
	if list == nil {
		list = []changelog.Change{}
	}
	return list, err
}

// Changes asks for the changes of state after a number, the oldest first. Where there
// is none yet it waits for one, at most the time given, which the director bounds.
func (c *Client) Changes(ctx context.Context, after uint64, wait time.Duration) ([]changelog.Change, error) {
	var list []changelog.Change
	q := url.Values{"after": {strconv.FormatUint(after, 10)}, "wait": {wait.String()}}
	err := c.call(ctx, statusTime+wait, http.MethodGet, changesPath+"?"+q.Encode(), &list)
	return list, err
}
