package notify

import (
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lvsd/lvsd/pkg/config"
	"github.com/lvsd/lvsd/pkg/notify/notice"
)

// post sends the sample message and gives what the server got of it.
func post(t *testing.T, w config.Webhook, handler http.HandlerFunc) (*http.Request, string, error) {
	t.Helper()
	var req *http.Request
	var body []byte
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req = r
		body, _ = io.ReadAll(r.Body)
		handler(w, r)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	if strings.HasPrefix(w.URL, "https:") {
		s.TLS, _ = identity(t)
		s.StartTLS()
	} else {
		s.Start()
	}
	defer s.Close()
	w.URL = strings.Replace(w.URL, "SERVER", s.Listener.Addr().String(), 1)
	err := attemptHook(t, w)
	return req, string(body), err
}

func attemptHook(t *testing.T, w config.Webhook) error {
	t.Helper()
	s := settings{sender: webhook{w}, Receiver: config.Receiver{Timeout: 5 * time.Second}}
	return s.attempt(t.Context(), notice.Message{Director: "lb1", Events: sampleEvents})
}

func status(code int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(code)
		io.WriteString(w, text)
	}
}

func TestWebhook(t *testing.T) {
	_, ca := identity(t)
	base := config.Webhook{Format: notice.JSONFormat, ContentType: "application/json"}
	with := func(change func(*config.Webhook)) config.Webhook {
		w := base
		w.URL = "http://SERVER/secret-path"
		change(&w)
		return w
	}
	none := func(*config.Webhook) {}
	for _, tt := range []struct {
		name    string
		hook    config.Webhook
		handler http.HandlerFunc
		err     string
	}{
		{"taken", with(none), status(200, ""), ""},
		{"no content", with(none), status(204, ""), ""},
		{"redirect", with(none), status(302, ""), "status 302 Found"},
		{"refused", with(none), status(400, "invalid_payload\n"), `status 400 Bad Request: "invalid_payload"`},
		{"server error", with(none), status(503, ""), "status 503 Service Unavailable"},
		{"verified", with(func(w *config.Webhook) { w.URL, w.TLS.CAFile = "https://SERVER/", ca }), status(200, ""), ""},
		{"verify is off", with(func(w *config.Webhook) { w.URL, w.TLS.Insecure = "https://SERVER/", true }), status(200, ""), ""},
		{"unknown authority", with(func(w *config.Webhook) { w.URL = "https://SERVER/" }), status(200, ""), "unknown authority"},
		{"open secret", with(func(w *config.Webhook) {
			w.SecretHeader, w.SecretFile = "Authorization", writeFile(t, "Bearer x", 0o640)
		}), status(200, ""), "mode 0640 lets others"},
		{"no URL in the file", with(func(w *config.Webhook) { w.URLFile = writeFile(t, "x", 0o600) }), status(200, ""), "not a URL"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := post(t, tt.hook, tt.handler)
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got %v, want %q", err, tt.err)
			}
			if err != nil && strings.Contains(err.Error(), "secret-path") {
				t.Errorf("the error tells the URL: %v", err)
			}
		})
	}
}

func TestWebhookRequest(t *testing.T) {
	req, body, err := post(t, config.Webhook{
		URL: "http://SERVER/hook?a=b", Format: notice.JSONFormat, ContentType: "application/json",
		Headers: []config.Header{{Name: "X-Team", Value: "net"}}, SecretHeader: "X-Key", SecretFile: writeFile(t, "s3cret\n", 0o600),
	}, status(200, ""))
	if err != nil {
		t.Fatal(err)
	}
	got := []string{req.Method, req.RequestURI, req.Header.Get("Content-Type"), req.Header.Get("X-Team"), req.Header.Get("X-Key")}
	if diff := cmp.Diff([]string{"POST", "/hook?a=b", "application/json", "net", "s3cret"}, got); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
	var value struct {
		Director string
		Events   []notice.Event
	}
	if err := json.Unmarshal([]byte(body), &value); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sampleEvents, value.Events); diff != "" || value.Director != "lb1" {
		t.Errorf("director %s, events (-want +got):\n%s", value.Director, diff)
	}
}

// The body that Alertmanager gets holds a problem for four reminders.
func TestAlertsHold(t *testing.T) {
	var alerts []struct{ StartsAt, EndsAt time.Time }
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if err := json.NewDecoder(r.Body).Decode(&alerts); err != nil {
			t.Error(err)
		}
	}))
	defer s.Close()
	r := config.Receiver{Timeout: 5 * time.Second, Repeat: time.Minute, Webhook: &config.Webhook{URL: s.URL, Format: notice.AlertmanagerFormat}}
	if err := split([]config.Receiver{r})[0].attempt(t.Context(), notice.Message{Events: sampleEvents[:1]}); err != nil {
		t.Fatal(err)
	}
	if left := time.Until(alerts[0].EndsAt); left < 3*time.Minute || left > 4*time.Minute {
		t.Errorf("the alert ends in %s", left)
	}
}

func TestWebhookDeadline(t *testing.T) {
	s := settings{sender: webhook{config.Webhook{
		URL: "http://127.0.0.1:" + strconv.Itoa(int(silent(t))), Format: notice.SlackFormat,
	}}, Receiver: config.Receiver{Timeout: 200 * time.Millisecond}}
	if err := s.attempt(t.Context(), notice.Message{Events: sampleEvents}); err == nil || err.Error() != "timed out after 200ms" {
		t.Errorf("got %v", err)
	}
}
