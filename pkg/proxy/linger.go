package proxy

import "github.com/sluice-lb/sluice/pkg/evloop"

const (
	lingerStep  = 5     // ms before the first look, doubled each time
	lingerLimit = 10000 // ms that a peer may take for the last bytes
)

// lingerer is a connection that will be reset when the peer has what was sent to
// it before: a reset at once would discard bytes that wait in the kernel.
type lingerer struct {
	w     *worker
	fd    int
	timer evloop.Timer
	pause int64
	limit int64 // the loop's clock
}

// resetAfterDelivery closes e with RST, after a while if bytes are on their way.
func (w *worker) resetAfterDelivery(e *endpoint) {
	fd := int(e.fd)
	if fd < 0 {
		return
	}
	w.loop.Unregister(fd, e.watch)
	e.fd = -1
	if evloop.Unsent(fd) == 0 {
		w.reset(fd)
		return
	}
	r := &lingerer{w: w, fd: fd, pause: lingerStep, limit: w.loop.Now() + lingerLimit}
	w.lingering[r] = struct{}{}
	w.e.lingering.Add(1)
	w.loop.SetTimer(&r.timer, w.loop.Now()+r.pause, r)
}

// Expired looks again: no event tells that everything was acknowledged.
func (r *lingerer) Expired() {
	now := r.w.loop.Now()
	if evloop.Unsent(r.fd) > 0 && now < r.limit {
		r.pause *= 2
		r.w.loop.SetTimer(&r.timer, min(now+r.pause, r.limit), r)
		return
	}
	delete(r.w.lingering, r)
	r.w.reset(r.fd)
	r.w.e.settle(&r.w.e.lingering)
}

func (w *worker) reset(fd int) {
	evloop.ResetOnClose(fd)
	w.loop.Close(fd, 0)
}

// endLingering resets at once, when the worker stops.
func (w *worker) endLingering() {
	for r := range w.lingering {
		w.loop.StopTimer(&r.timer)
		w.reset(r.fd)
		w.e.settle(&w.e.lingering)
	}
	clear(w.lingering)
}
