package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"sync"
	"time"

	"github.com/thalweg/thalweg/examples/weather/board"
)

//go:embed page.html
var page string

// hub keeps the newest drawing and tells every open page about it. A page that is slow skips drawings.
type hub struct {
	view *template.Template

	mu      sync.Mutex
	drawing []byte
	pages   map[chan struct{}]struct{} // each of capacity one: there is something new
}

func newHub() *hub {
	return &hub{
		view:  template.Must(template.New("page").Parse(page)),
		pages: map[chan struct{}]struct{}{},
	}
}

// follow puts records on a board and draws it, at most four times a second, until ctx ends.
func (h *hub) follow(ctx context.Context, follower *board.Follower) error {
	const every = 250 * time.Millisecond
	b, drawn := board.New(), -1
	for ctx.Err() == nil {
		for until := time.Now().Add(every); ; {
			poll, cancel := context.WithDeadline(ctx, until)
			err := follower.Poll(poll, b)
			over := poll.Err() != nil
			cancel()
			if err != nil {
				return err
			}
			if over {
				break
			}
		}
		if b.Updates() == drawn {
			continue
		}
		drawn = b.Updates()
		if err := h.draw(b); err != nil {
			return err
		}
	}
	return nil
}

// draw renders the board and wakes the pages.
func (h *hub) draw(b *board.Board) error {
	var out bytes.Buffer
	if err := h.view.ExecuteTemplate(&out, "board", newDrawing(b)); err != nil {
		return fmt.Errorf("draw: %w", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drawing = out.Bytes()
	for p := range h.pages {
		select {
		case p <- struct{}{}:
		default:
		}
	}
	return nil
}

func (h *hub) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		h.mu.Lock()
		drawing := template.HTML(h.drawing) // made by the same template, which escaped it
		h.mu.Unlock()
		if err := h.view.Execute(w, drawing); err != nil { // the client has gone
			return
		}
	})
	mux.HandleFunc("GET /events", h.events)
	return mux
}

// events streams drawings to one page.
func (h *hub) events(w http.ResponseWriter, r *http.Request) {
	news := make(chan struct{}, 1)
	h.mu.Lock()
	h.pages[news] = struct{}{}
	if h.drawing != nil {
		news <- struct{}{}
	}
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		delete(h.pages, news)
		h.mu.Unlock()
	}()

	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	control := http.NewResponseController(w)
	if control.Flush() != nil {
		return
	}
	for {
		select {
		case <-r.Context().Done():
			return
		case <-news:
		}
		h.mu.Lock()
		drawing := h.drawing
		h.mu.Unlock()
		for line := range bytes.Lines(drawing) {
			if _, err := fmt.Fprintf(w, "data: %s\n", bytes.TrimRight(line, "\n")); err != nil {
				return
			}
		}
		if _, err := fmt.Fprint(w, "\n"); err != nil || control.Flush() != nil {
			return
		}
	}
}
