package control

import (
	"net/url"
	users "os/user"
	"strings"
	"testing"
	"time"

	"github.com/lvsd/lvsd/pkg/override"
)

func TestOrders(t *testing.T) {
	path := socket(t)
	serve(t, path, named("lb1"))
	me, err := users.Current()
	must(t, err)
	target := override.Everywhere("web1")
	for _, test := range []struct {
		order Order
		want  string
	}{
		{Order{Target: target}, "*/web1 0 false 0s "},
		{Order{Target: target, Remove: true, Deadline: 90 * time.Second, Reason: "new disk & more"}, "*/web1 0 true 1m30s new disk & more"},
		{Order{Target: target, Weight: 5, Reason: "ü"}, "*/web1 5 false 0s ü"},
		{Order{Target: override.Self}, "director 0 false 0s "},
	} {
		got, err := Dial(path).Override(t.Context(), test.order)
		if err != nil || len(got.Servers) != 1 || got.Servers[0] != test.want || !strings.HasPrefix(got.Override.By, me.Username) {
			t.Errorf("got %+v, %v, want %s by %s", got, err, test.want, me.Username)
		}
	}
	_, err = Dial(path).Override(t.Context(), Order{Target: override.Of("no", "body")})
	if err == nil || !strings.HasSuffix(err.Error(), ": no virtual service no") {
		t.Errorf("got %v", err)
	}
	enabled, err := Dial(path).Enable(t.Context(), target)
	if err != nil || enabled.Override.Target != target {
		t.Errorf("enable: got %+v, %v", enabled, err)
	}
	drain, err := Dial(path).Drain(t.Context(), target)
	if err != nil || drain.Override.Target != target || !drain.Empty {
		t.Errorf("drain: got %+v, %v", drain, err)
	}
}

func TestBadOrders(t *testing.T) {
	for _, test := range []struct {
		read  func(url.Values) (Order, error)
		query string
	}{
		{drainOrder, ""},
		{drainOrder, "target=web"},
		{drainOrder, "target=web/web1&remove=perhaps"},
		{drainOrder, "target=web/web1&deadline=10"},
		{drainOrder, "target=web/web1&deadline=-1s"},
		{drainOrder, "target=director&remove=true"},
		{drainOrder, "target=web/web1&reason=" + strings.Repeat("x", maxReason+1)},
		{drainOrder, "target=web/web1&reason=%1b[31m"},
		{drainOrder, "target=web/web1&reason=a%0ab"},
		{weightOrder, "target=web/web1"},
		{weightOrder, "target=web/web1&weight=-1"},
		{weightOrder, "target=web/web1&weight=65536"},
		{weightOrder, "target=web/web1&weight=4294967297"},
		{weightOrder, "target=director&weight=5"},
	} {
		q, err := url.ParseQuery(test.query)
		must(t, err)
		if o, err := test.read(q); err == nil {
			t.Errorf("%q: got %+v, want an error", test.query, o)
		}
	}
}
