package proxy

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-lb/sluice/pkg/check"
)

// Resolver finds the addresses of a host name; net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

const (
	resolveTimeout = 5 * time.Second  // one look-up
	resolveRetry   = time.Second      // between look-ups of a name without an address
	resolveRefresh = 30 * time.Second // between look-ups of a known name
	probeInterval  = time.Second      // between probes of a server that failed
	probeTimeout   = time.Second
)

// watcher looks after servers beside the data path: it keeps host names resolved,
// and it takes a server whose connection attempts fail out of rotation until a
// TCP connect to it succeeds, so that clients do not have to find out.
type watcher struct {
	resolver Resolver
	log      *slog.Logger
	ctx      context.Context // ends with the engine

	prober      func(ctx context.Context, d check.Dialer, network, address string) check.Result
	slots       chan struct{}                       // one for each check under way
	spread      atomic.Int64                        // "spread-checks", per cent
	endSessions func(at map[*server]bool, who byte) // of all loops

	mu     sync.Mutex // guards care, its timers and closed; it is taken before a backend's lock
	care   map[*server]*care
	closed bool
	wg     sync.WaitGroup

	// order serialises changes of the servers' states, see change.go; it guards
	// followers, the servers that track one. It is taken before a backend's lock, and
	// on no loop.
	order     sync.Mutex
	followers map[*server][]*server
}

// care is what ends the goroutines that look after a server.
type care struct {
	ctx   context.Context
	stop  context.CancelFunc
	timer *time.Timer // of the next check, or the last if that is under way; nil: none
	// warmup is the timer of the next step, or of the last one; nil: the server does
	// not warm up.
	warmup *time.Timer
}

func newWatcher(ctx context.Context, r Resolver, log *slog.Logger) *watcher {
	return &watcher{resolver: r, log: log, ctx: ctx, care: map[*server]*care{}, followers: map[*server][]*server{},
		prober: probeTCP, slots: make(chan struct{}, checkSlots), endSessions: func(map[*server]bool, byte) {}}
}

// add begins to look after s, or anew if s has moved. The goroutine ends with
// remove or with the engine.
func (w *watcher) add(s *server) {
	ctx, cancel := context.WithCancel(w.ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.end(s)
	w.care[s] = &care{ctx: ctx, stop: cancel}
	s.watcher.Store(w)
	w.wg.Go(func() { w.keepResolved(ctx, s) })
	s.backend.mu.Lock()
	suspect := s.suspect
	s.backend.mu.Unlock()
	if suspect { // since it moved, by a session on its way to the old place
		w.wg.Go(func() { w.probeUntilUp(ctx, s) })
	}
}

func (w *watcher) remove(s *server) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.end(s)
}

// end stops what looks after s. mu is held.
func (w *watcher) end(s *server) {
	if c, ok := w.care[s]; ok {
		c.stop()
		c.stopTimer()
		c.stopWarmup()
		delete(w.care, s)
	}
}

// wait returns when every goroutine has ended; the engine's context must have.
func (w *watcher) wait() {
	w.mu.Lock()
	w.closed = true
	for _, c := range w.care {
		c.stopTimer()
		c.stopWarmup()
	}
	w.mu.Unlock()
	w.wg.Wait()
}

// resolveAll looks all hosts up at once and returns the addresses that were found
// before ctx ended.
func (w *watcher) resolveAll(ctx context.Context, hosts []string) map[string]netip.Addr {
	var mu sync.Mutex // guards found
	found := make(map[string]netip.Addr, len(hosts))
	var wg sync.WaitGroup
	for _, host := range hosts {
		wg.Go(func() {
			if addr, err := w.resolve(ctx, host); err == nil {
				mu.Lock()
				found[host] = addr
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return found
}

// keepResolved looks the server's host name up until ctx ends. A name that stops
// resolving keeps its last address.
func (w *watcher) keepResolved(ctx context.Context, s *server) {
	reported := false
	for {
		s.backend.mu.Lock()
		located := s.located
		s.backend.mu.Unlock()
		pause := resolveRefresh
		if !located {
			pause = resolveRetry
			if !reported {
				w.log.Warn("server host name not resolved", "server", s.backend.name+"/"+s.name)
				reported = true
			}
		}
		if !sleep(ctx, pause) {
			return
		}
		s.backend.mu.Lock()
		host, needed := s.conf.Host, s.needsResolution()
		s.backend.mu.Unlock()
		if !needed {
			continue
		}
		addr, err := w.resolve(ctx, host)
		if err == nil && w.settle(s, host, addr) {
			w.log.Info("server address resolved", "server", s.backend.name+"/"+s.name, "host", host, "address", addr)
			reported = false
		}
	}
}

// settle puts the address of a host name in force, and with the first one what
// follows from a server that can be used.
func (w *watcher) settle(s *server, host string, addr netip.Addr) (changed bool) {
	w.order.Lock()
	changed, after := s.locate(host, addr)
	if changed {
		w.conclude(s, false, after)
	}
	w.order.Unlock()
	if changed {
		s.backend.rebuild()
	}
	return changed
}

// resolve returns the first address of host, IPv4 before IPv6 and otherwise in
// the resolver's order.
func (w *watcher) resolve(ctx context.Context, host string) (netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	addrs, err := w.resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.Addr{}, err
	}
	if len(addrs) == 0 {
		return netip.Addr{}, fmt.Errorf("look up %s: no address", host)
	}
	return preferred(addrs), nil
}

// preferred is the first IPv4 address, or the first of all; there is one.
func preferred(addrs []netip.Addr) netip.Addr {
	if i := slices.IndexFunc(addrs, func(a netip.Addr) bool { return a.Unmap().Is4() }); i >= 0 {
		return addrs[i].Unmap()
	}
	return addrs[0]
}

// suspect takes s out of rotation and starts to probe it, unless its health checks
// are the judge. It is called on loops and must not block longer than short locks.
func (w *watcher) suspect(s *server, cause error) {
	b := s.backend
	b.mu.Lock()
	begins := s.mayBeSuspect()
	b.mu.Unlock()
	if !begins {
		return
	}
	w.mu.Lock() // nobody begins to look after s anew in between
	defer w.mu.Unlock()
	b.mu.Lock()
	if begins = s.mayBeSuspect(); begins {
		s.suspect = true
		b.reweigh()
		b.settleQueues()
	}
	b.mu.Unlock()
	if c, ok := w.care[s]; begins && ok && !w.closed {
		w.wg.Go(func() {
			w.log.Warn("server is DOWN", "server", s.path(), "reason", "Layer4 connection problem", "error", cause)
			w.probeUntilUp(c.ctx, s)
		})
	}
}

// mayBeSuspect reports whether failed attempts take s out of rotation. backend.mu is
// held.
func (s *server) mayBeSuspect() bool {
	return s.index >= 0 && s.located && !s.suspect && !s.judged()
}

// probeUntilUp ends with the first probe that succeeds, with the suspicion or with
// ctx. The server comes up then, unless an operator has said otherwise meanwhile.
func (w *watcher) probeUntilUp(ctx context.Context, s *server) {
	for sleep(ctx, probeInterval) {
		s.backend.mu.Lock()
		address, suspect := s.probeAddress(), s.suspect
		s.backend.mu.Unlock()
		if !suspect {
			return
		}
		if w.probe(ctx, s.route.Load().dialer(), address) {
			w.trust(s)
			return
		}
	}
}

// trust ends the suspicion of a server that answers again.
func (w *watcher) trust(s *server) {
	w.order.Lock()
	defer w.order.Unlock()
	state := ""
	s.backend.changed(func() {
		switch {
		case !s.suspect:
			return
		case s.up():
			s.comeUp(time.Now())
			state = "server is UP"
		default:
			state = "server answers again"
		}
		s.suspect = false
	})
	if state == "" {
		return
	}
	w.heat(s)
	w.log.Info(state, "server", s.path(), "reason", "Layer4 check passed")
}

// probeAddress is what a probe connects to: network and address. A server whose
// port follows the client's is probed at the port of the backend's last session.
// backend.mu is held.
func (s *server) probeAddress() [2]string {
	t := s.target.Load()
	if t.path != "" {
		return [2]string{"unix", t.path}
	}
	port := t.port
	if t.portRelative {
		port += int(s.lastPort.Load())
	}
	return [2]string{"tcp", net.JoinHostPort(t.addr.String(), strconv.Itoa(port))}
}

func (w *watcher) probe(ctx context.Context, d check.Dialer, address [2]string) bool {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	conn, err := d.DialContext(ctx, address[0], address[1])
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// sleep waits for d and reports false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
