package proxy

import (
	"context"
	"math/rand/v2"
	"net"
	"strconv"
	"time"

	"github.com/sluice-lb/sluice/pkg/check"
	"github.com/sluice-lb/sluice/pkg/config"
)

// checkSlots bounds the checks under way. If more are due, as with thousands of
// servers that do not answer, they wait for each other.
const checkSlots = 1024

// arrange brings checks, warm-ups and tracking in line with conf, whose backends are
// configured. The first checks of new servers are spread over their interval.
func (w *watcher) arrange(conf *config.Config, backends map[string]*backend) {
	w.order.Lock()
	defer w.order.Unlock()
	w.spread.Store(int64(conf.Global.SpreadChecks))
	clear(w.followers)
	var fresh, tracking []*server
	for _, p := range conf.Proxies {
		b := backends[p.Name]
		if b == nil || !p.Kind.HasBackend() || p.Disabled {
			continue
		}
		for _, s := range b.servers {
			if w.wantsStart(s) {
				fresh = append(fresh, s)
			}
			w.heat(s)
			s.tracked = nil
			if hasTrack(s.conf) {
				tracking = append(tracking, s)
				w.link(s, backends)
				continue
			}
			b.mu.Lock()
			late := s.followed // the tracked one has changed since b was configured
			b.mu.Unlock()
			if late {
				b.changed(func() { s.untrack(time.Now()) })
			}
		}
	}
	w.startChecks(fresh, conf.Global.MaxSpreadChecks)
	for _, s := range tracking {
		if s.tracked != nil && s.tracked.tracked == nil {
			w.follow(s) // the rest of a chain comes with it
		}
	}
}

// wantsStart reports whether the checks of s are to begin. Those of a server that
// has none any more end.
func (w *watcher) wantsStart(s *server) bool {
	s.backend.mu.Lock()
	wanted := hasCheck(s.conf)
	s.backend.mu.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.care[s]
	if c == nil {
		return false
	}
	if !wanted {
		c.stopTimer()
	}
	return wanted && c.timer == nil
}

// link finds the server that s tracks. order is held.
func (w *watcher) link(s *server, backends map[string]*backend) {
	b, name := s.backend, s.conf.Check.Track
	for i := len(name) - 1; i >= 0; i-- {
		if name[i] == '/' {
			b, name = backends[name[:i]], name[i+1:]
			break
		}
	}
	if b == nil {
		return // a disabled backend: its servers have no state
	}
	for _, t := range b.servers {
		if t.name == name {
			s.tracked = t
			w.followers[t] = append(w.followers[t], s)
			return
		}
	}
}

// startChecks begins to check servers, one after the other over the shortest of
// their intervals or their own, if that is longer, but at most over limit.
func (w *watcher) startChecks(servers []*server, limit time.Duration) {
	shortest := time.Duration(0)
	inter := make([]time.Duration, len(servers))
	for i, s := range servers {
		s.backend.mu.Lock()
		inter[i] = s.health.Interval()
		s.backend.mu.Unlock()
		if shortest == 0 || inter[i] < shortest {
			shortest = inter[i]
		}
	}
	for i, s := range servers {
		over := max(shortest, inter[i])
		if limit > 0 {
			over = min(over, limit)
		}
		w.mu.Lock()
		if c := w.care[s]; c != nil {
			w.schedule(c, s, over*time.Duration(i)/time.Duration(len(servers)))
		}
		w.mu.Unlock()
	}
}

// schedule sets the moment of the next check. mu is held.
func (w *watcher) schedule(c *care, s *server, after time.Duration) {
	if !w.closed && w.care[s] == c {
		c.timer = time.AfterFunc(after, func() { w.runCheck(c, s) })
	}
}

func (c *care) stopTimer() {
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
}

// runCheck makes one check and sets the moment of the next. Its goroutine is
// waited for by wait; it ends early with the server's care.
func (w *watcher) runCheck(c *care, s *server) {
	w.mu.Lock()
	if w.closed || w.care[s] != c || c.timer == nil {
		w.mu.Unlock()
		return
	}
	w.wg.Add(1)
	w.mu.Unlock()
	defer w.wg.Done()
	w.checkOnce(c.ctx, s)
	s.backend.mu.Lock()
	pause := s.health.Interval()
	s.backend.mu.Unlock()
	if percent := w.spread.Load(); percent > 0 {
		pause += time.Duration(float64(pause) * float64(percent) / 100 * (1 - 2*rand.Float64()))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.timer != nil {
		w.schedule(c, s, pause)
	}
}

// checkOnce checks s unless it is not to be checked now.
func (w *watcher) checkOnce(ctx context.Context, s *server) {
	s.backend.mu.Lock()
	address, ok := s.checkAddress()
	limit, dialer := s.checkLimit(), s.route.Load().dialer()
	s.backend.mu.Unlock()
	if !ok {
		return
	}
	select {
	case w.slots <- struct{}{}:
	case <-ctx.Done():
		return
	}
	attempt, cancel := context.WithTimeout(ctx, limit)
	r := w.prober(attempt, dialer, address[0], address[1])
	cancel()
	<-w.slots
	if ctx.Err() == nil {
		w.judge(s, r)
	}
}

// probeTCP is the prober of a running engine.
func probeTCP(ctx context.Context, d check.Dialer, network, address string) check.Result {
	return check.TCP(ctx, d, network, address)
}

// checkLimit is how long a check may take: the interval, and with "timeout check"
// at most "timeout connect" for the connection (manual, "timeout check").
// backend.mu is held.
func (s *server) checkLimit() time.Duration {
	if s.conf.Check == nil {
		return 0
	}
	limit := s.conf.Check.Inter
	if t := s.backend.conf.Timeouts; t.Check > 0 && t.Connect > 0 {
		limit = min(limit, t.Connect)
	}
	return limit
}

// checkAddress is where checks go, network and address; ok is false if there is
// nothing to check now. backend.mu is held.
func (s *server) checkAddress() (address [2]string, ok bool) {
	if !s.checking || s.index < 0 || s.admin&anyMaint != 0 {
		return address, false
	}
	c, t := s.conf.Check, s.target.Load()
	host, port := s.checkAddr, s.checkPort
	if host == "" {
		host = c.Addr.Host
	}
	switch {
	case s.checkAddr == "" && c.Addr.Path != "":
		return [2]string{"unix", c.Addr.Path}, true
	case host == "" && t.path != "":
		return [2]string{"unix", t.path}, true
	case host == "" && !t.addr.IsValid():
		return address, false
	case host == "":
		host = t.addr.String()
	case host == "*":
		host = ""
	}
	for _, p := range []int{c.Port, c.Addr.Port} {
		if port == 0 {
			port = p
		}
	}
	if port == 0 {
		port = t.port
		if t.portRelative {
			port += int(s.lastPort.Load())
		}
	}
	if port < 1 || port > 65535 {
		return address, false // known with the first client
	}
	return [2]string{"tcp", net.JoinHostPort(host, strconv.Itoa(port))}, true
}

// judge counts the result of a check and acts on what it changes.
func (w *watcher) judge(s *server, r check.Result) {
	w.order.Lock()
	defer w.order.Unlock()
	b := s.backend
	b.mu.Lock()
	if !s.checking || s.index < 0 || s.admin&anyMaint != 0 {
		b.mu.Unlock()
		return
	}
	s.last = r
	before := s.health.Score()
	s.health.Report(r.Good)
	if !r.Good && before > 0 {
		s.fails++
	}
	moved, up := s.health.Score() != before, s.health.Up()
	why, line := reason(&r), ""
	if b.conf.LogHealthChecks {
		why = ""
		if moved {
			line = s.checkLine(&r)
		}
	}
	b.mu.Unlock()
	if line != "" {
		w.tell(b, severityNotice, line)
	}
	switch {
	case !up:
		w.setOperation(s, opStopped, why)
	case r.Good:
		w.setOperation(s, opRunning, why)
	}
	if moved {
		w.lead(s)
	}
}
