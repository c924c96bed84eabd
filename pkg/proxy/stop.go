package proxy

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// SoftStop closes the listening sockets; sessions go on until they end, or until
// "hard-stop-after". Done tells when the last one has ended.
func (e *Engine) SoftStop() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.dropping.Add(1) // the stop itself, until all listeners are being dropped
	defer e.settle(&e.dropping)
	if e.closing.Swap(true) {
		return
	}
	for _, l := range e.listeners {
		e.drop(l)
	}
	e.listeners = map[string]*listener{}
	if limit := e.conf.Global.HardStopAfter; limit > 0 {
		time.AfterFunc(limit, func() {
			e.log.Warn("hard-stop-after reached, killing sessions", "sessions", e.conns.Load())
			for _, w := range e.workers {
				w.loop.Post(w.kill)
			}
		})
	}
}

// settle takes one from dropping or lingering.
func (e *Engine) settle(count *atomic.Int64) {
	count.Add(-1)
	e.checkIdle()
}

// checkIdle ends a soft stop with its last session. A listener that is dropped
// may become sessions, and a session last bytes, each counted before the former is
// uncounted: looking in the same order misses nothing.
func (e *Engine) checkIdle() {
	if e.closing.Load() && e.dropping.Load() == 0 && e.conns.Load() == 0 && e.lingering.Load() == 0 {
		e.once.Do(func() { close(e.idle) })
	}
}

// Done is closed when a soft stop is complete.
func (e *Engine) Done() <-chan struct{} { return e.idle }

// Stop ends the proxy at once: sessions are closed, loops end, waiting log lines
// are written. The stored copies of the listening sockets stay stored: whoever
// starts next goes on with their backlog.
func (e *Engine) Stop() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closing.Store(true)
	e.cancel()
	for _, w := range e.workers {
		w.loop.Post(func() {
			for l := range w.acceptors {
				w.unlisten(l) // what waits in the backlog is for whoever starts next
			}
			w.kill()
			w.loop.Stop()
		})
	}
	e.running.Wait()
	e.watch.wait()
	for _, l := range e.listeners {
		closeFD(l.fd)
	}
	e.listeners = nil
	for _, s := range e.sinks {
		s.close()
	}
	e.sinks = nil
}

// Alive reports, by ctx's end at the latest, whether every loop still takes work:
// what a watchdog wants to know.
func (e *Engine) Alive(ctx context.Context) error {
	for i, w := range e.workers {
		done := make(chan struct{})
		if !w.loop.Post(func() { close(done) }) {
			return fmt.Errorf("event loop %d has ended", i)
		}
		select {
		case <-done:
		case <-ctx.Done():
			return fmt.Errorf("event loop %d does not answer: %w", i, ctx.Err())
		}
	}
	return nil
}
