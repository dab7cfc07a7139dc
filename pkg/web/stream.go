package web

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// backlog is how many frames wait for a viewer that is slow. One that is slower
// gets the whole page again when it can.
const backlog = 4

// alive is the time after which a viewer to whom there is nothing to say gets a
// comment, so that neither side takes the other for gone.
const alive = 15 * time.Second

// viewer is somebody who watches the page.
type viewer struct {
	frames chan []byte
	behind bool // needs the whole page
}

func (h *hub) watched() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.viewers) > 0
}

// enter lets a viewer in, nil if there are too many.
func (h *hub) enter() *viewer {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.viewers) >= streams {
		return nil
	}
	v := &viewer{frames: make(chan []byte, backlog), behind: true}
	h.viewers[v] = true
	h.kick()
	return v
}

func (h *hub) leave(v *viewer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.viewers, v)
}

// look reads the status and tells the viewers what has changed.
func (h *hub) look(ctx context.Context) {
	s, err := h.read(ctx)
	state, err := stateOf(s, err, h.director.Recent())
	if err != nil {
		return // cannot be: all of it is plain data
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	old := h.state
	h.state = state
	delta, full := message(state.since(old)), []byte(nil)
	for v := range h.viewers {
		if !v.behind {
			v.behind = !v.offer(delta)
			continue
		}
		if full == nil {
			full = message(state.all())
		}
		v.behind = !v.offer(full)
	}
}

func (v *viewer) offer(message []byte) bool {
	select {
	case v.frames <- message:
		return true
	default:
		return false
	}
}

// message is a frame as an event of a stream
// (https://html.spec.whatwg.org/multipage/server-sent-events.html).
func message(f frame) []byte {
	data, err := json.Marshal(f)
	if err != nil {
		return nil // cannot be: its parts are JSON
	}
	return append(append([]byte("data: "), data...), "\n\n"...)
}

// events streams what changes to a viewer. The times of the server's other answers
// do not hold for it; each frame has its own.
func (h *hub) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	if r.Method == http.MethodHead {
		return
	}
	v := h.enter()
	if v == nil {
		w.Header().Set("Retry-After", "30")
		http.Error(w, "too many are watching already", http.StatusServiceUnavailable)
		return
	}
	defer h.leave(v)
	rc := http.NewResponseController(w)
	if rc.SetReadDeadline(time.Time{}) != nil {
		return
	}
	quiet := time.NewTicker(alive)
	defer quiet.Stop()
	for next := []byte("retry: 1000\n\n"); ; {
		if rc.SetWriteDeadline(time.Now().Add(writeTime)) != nil {
			return
		}
		if _, err := w.Write(next); err != nil || rc.Flush() != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case next = <-v.frames:
		case <-quiet.C:
			next = []byte(":\n\n")
		}
	}
}
