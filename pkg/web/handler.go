package web

import (
	"embed"
	"encoding/json"
	"net/http"
	"strings"
)

//go:embed page
var page embed.FS

// policy lets the page load what is beside it and nothing else, and be part of no
// other page.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// files are those of the page, by path: their name in the package and their type.
var files = map[string][2]string{
	"/{$}":       {"page/index.html", "text/html; charset=utf-8"},
	"/style.css": {"page/style.css", "text/css; charset=utf-8"},
	"/icon.svg":  {"page/icon.svg", "image/svg+xml"},
	"/page.js":   script("page"),

	// What page.js imports.
	"/chart.js":    script("chart"),
	"/dom.js":      script("dom"),
	"/guard.js":    script("guard"),
	"/services.js": script("services"),
	"/state.js":    script("state"),
	"/words.js":    script("words"),
}

func script(name string) [2]string {
	return [2]string{"page/" + name + ".js", "text/javascript; charset=utf-8"}
}

func handler(d Director, h *hub, metrics http.Handler) http.Handler {
	mux := http.NewServeMux()
	for path, f := range files {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { file(w, r, f[0], f[1]) })
	}
	mux.Handle("/metrics", metrics)
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { well(w, d.Alive()) })
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) { well(w, d.Ready()) })
	mux.HandleFunc("/api/status", h.status)
	mux.HandleFunc("/events", h.events)
	return careful(mux)
}

// careful lets only requests in that ask for something and bring nothing.
func careful(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head := w.Header()
		head.Set("Content-Security-Policy", policy)
		head.Set("X-Content-Type-Options", "nosniff")
		head.Set("Referrer-Policy", "no-referrer")
		head.Set("Cross-Origin-Resource-Policy", "same-origin")
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			head.Set("Allow", "GET, HEAD")
			head.Set("Connection", "close")
			http.Error(w, "everything here can only be read", http.StatusMethodNotAllowed)
		case r.ContentLength != 0:
			head.Set("Connection", "close") // else the body would be read
			http.Error(w, "a request has no body here", http.StatusRequestEntityTooLarge)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func file(w http.ResponseWriter, r *http.Request, name, kind string) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-cache")
	http.ServeFileFS(w, r, page, name)
}

func well(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	text := "ok"
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		text = strings.TrimSpace(err.Error())
	}
	_, _ = w.Write([]byte(text + "\n")) // an error is the client's going away
}

// status answers with the whole status, as `lvsd status --json` has it.
func (h *hub) status(w http.ResponseWriter, r *http.Request) {
	s, err := h.read(r.Context())
	w.Header().Set("Cache-Control", "no-store")
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(s)
}
