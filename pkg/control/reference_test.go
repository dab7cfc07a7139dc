package control

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"github.com/lvsd/lvsd/pkg/lvs"
	"github.com/lvsd/lvsd/pkg/override"
	"github.com/lvsd/lvsd/pkg/status"
)

func document(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData([]byte(Reference()))
	must(t, err)
	must(t, doc.Validate(t.Context()))
	return doc
}

// Every call is described, and nothing else.
func TestReferenceHasTheCalls(t *testing.T) {
	var want, got []string
	for _, c := range calls(t.Context(), named("lb1")) {
		want = append(want, c.method+" "+c.path)
	}
	for path, item := range document(t).Paths.Map() {
		for method := range item.Operations() {
			got = append(got, method+" "+path)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(want, got) {
		t.Errorf("described are %q, answered %q", got, want)
	}
}

// Requests of the client and answers of the server are as described.
func TestReferenceHolds(t *testing.T) {
	doc := document(t)
	router, err := gorillamux.NewRouter(doc)
	must(t, err)
	path := socket(t)
	d := named("lb1")
	full := filled[status.Status]()
	d.status = func(context.Context) (status.Status, error) { return full, nil }
	serve(t, path, d)
	seen := map[string]bool{}
	c := Dial(path)
	c.http.Transport = checked{t, router, seen, &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, "unix", path)
	}, DisableKeepAlives: true}}
	ctx := t.Context()
	web1 := override.Of("web", "web1")
	for _, call := range []func() error{
		func() error { _, err := c.Status(ctx); return err },
		func() error { _, err := c.Health(ctx); return err },
		func() error { _, err := c.Probes(ctx, "web", "web1"); return err },
		func() error { _, err := c.Changes(ctx, 7, time.Second); return err },
		func() error { _, err := c.Reload(ctx); return err },
		func() error {
			_, err := c.Override(ctx, Order{Target: web1, Remove: true, Reason: "new disk"})
			return err
		},
		func() error { _, err := c.Override(ctx, Order{Target: web1, Weight: 5}); return err },
		func() error { _, err := c.Enable(ctx, web1); return err },
		func() error { _, err := c.Drain(ctx, web1); return err },
		func() error { _, err := c.PushConnections(ctx); return err },
		func() error { _, err := c.TestNotify(ctx, "ops"); return err },
		func() error { _, err := c.GuardTop(ctx); return err },
		func() error {
			from, to := netip.MustParseAddrPort("10.0.0.1:7"), netip.MustParseAddrPort("192.0.2.1:80")
			_, err := c.GuardTest(ctx, status.GuardProbe{Protocol: lvs.TCP, Source: from, Target: to})
			return err
		},
	} {
		must(t, call())
	}
	// These fail, which is described as well.
	_ = c.Failover(ctx, "front")
	_ = c.SetRole(ctx, "front", lvs.Active)
	_ = c.Block(ctx, netip.MustParsePrefix("192.0.2.0/24"), time.Minute)
	_ = c.Unblock(ctx, netip.MustParsePrefix("192.0.2.0/24"))
	for _, call := range calls(ctx, d) {
		if !seen[call.method+" "+call.path] {
			t.Errorf("%s %s was not tried", call.method, call.path)
		}
	}
}

// checked holds every exchange to the description.
type checked struct {
	t      *testing.T
	router routers.Router
	seen   map[string]bool
	next   http.RoundTripper
}

func (c checked) RoundTrip(r *http.Request) (*http.Response, error) {
	c.t.Helper()
	r.URL.Host = "lvsd"
	route, params, err := c.router.FindRoute(r)
	if err != nil {
		c.t.Fatalf("%s %s: %v", r.Method, r.URL, err)
	}
	c.seen[r.Method+" "+r.URL.Path] = true
	in := &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route}
	if err := openapi3filter.ValidateRequest(r.Context(), in); err != nil {
		c.t.Errorf("the request %s %s: %v", r.Method, r.URL, err)
	}
	resp, err := c.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: resp.StatusCode, Header: resp.Header, Body: resp.Body,
		Options: &openapi3filter.Options{IncludeResponseStatus: true}}
	if err := openapi3filter.ValidateResponse(r.Context(), out); err != nil {
		c.t.Errorf("the answer to %s %s: %v", r.Method, r.URL, err)
	}
	resp.Body = out.Body
	return resp, nil
}

// filled gives a value with something in every field, so that every part of its schema
// is tried.
func filled[T any]() T {
	var v T
	fill(reflect.ValueOf(&v).Elem(), 0)
	return v
}

func fill(v reflect.Value, depth int) {
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Unix(1, 0).UTC()))
		return
	case netip.AddrPort, netip.Addr, netip.Prefix, lvs.Role:
		return
	case lvs.ServiceKey:
		v.Set(reflect.ValueOf(lvs.MarkKey(1, lvs.IPv4)))
		return
	case lvs.SyncRole:
		v.Set(reflect.ValueOf(lvs.SyncMaster))
		return
	case override.Target:
		v.Set(reflect.ValueOf(override.Self))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), depth+1)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), depth+1)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), depth+1)
	case reflect.String:
		v.SetString("x")
	}
}

// A call with a body is refused, in JSON as every error.
func TestBodyIsRefused(t *testing.T) {
	path := socket(t)
	serve(t, path, named("lb1"))
	for _, body := range []io.Reader{strings.NewReader("x"), io.MultiReader(strings.NewReader("of unknown length"))} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://lvsd"+reloadPath, body)
		must(t, err)
		resp, err := Dial(path).http.Do(req)
		must(t, err)
		var f failure
		if err := json.NewDecoder(resp.Body).Decode(&f); err != nil || resp.StatusCode != http.StatusRequestEntityTooLarge || f.Error == "" {
			t.Errorf("%s, %+v, %v", resp.Status, f, err)
		}
		resp.Body.Close()
	}
}
