package proxy

import (
	"cmp"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/sluice-lb/sluice/pkg/balance"
	"github.com/sluice-lb/sluice/pkg/config"
)

// backend is a pool of servers. It survives reloads under its name: sessions of
// an earlier configuration go on counting here.
type backend struct {
	name  string
	stats proxyStats
	conns atomic.Int64 // sessions that use the backend, queued ones included

	mu       sync.Mutex // guards all below, and each server's fields marked so
	conf     *config.Proxy
	servers  []*server // in configuration order; a server's index is its place here
	pick     balance.Algorithm
	weighted int // servers that take connections now
	queue    queue
	full     func(i int) bool // bound once: a closure for each pick would allocate
}

func newBackend(name string) *backend {
	b := &backend{name: name}
	b.full = func(i int) bool { return b.servers[i].isFull() }
	return b
}

// configure puts a new configuration in force. Servers keep their counts and
// state under their names; servers that are gone end with their last session.
// added are new or have moved.
func (b *backend) configure(conf *config.Proxy, found map[string]netip.Addr) (added, removed []*server) {
	b.mu.Lock()
	defer b.mu.Unlock()
	old := make(map[string]*server, len(b.servers))
	for _, s := range b.servers {
		old[s.name] = s
	}
	b.conf = conf
	b.servers = make([]*server, len(conf.Servers))
	for i := range conf.Servers {
		sc := &conf.Servers[i]
		s := old[sc.Name]
		delete(old, sc.Name)
		if s == nil {
			s = &server{name: sc.Name, backend: b}
		}
		if s.configure(sc, i, found) {
			added = append(added, s)
		}
		b.servers[i] = s
	}
	for _, s := range old {
		s.index = -1
		removed = append(removed, s)
	}
	method := balance.Method{Name: cmp.Or(conf.Balance.Algorithm, "roundrobin"), Rand: rand.Uint32}
	b.pick = balance.New(method, balanced(conf.Servers))
	for i, s := range b.servers {
		b.pick.SetLoad(i, s.served)
	}
	b.reweigh()
	b.serveQueue()
	return added, removed
}

// balanced is what the algorithm needs to know of the servers.
func balanced(servers []config.Server) []balance.Server {
	out := make([]balance.Server, len(servers))
	for i := range servers {
		out[i].ID = uint32(servers[i].ID)
	}
	return out
}

// enter counts a session in and returns the configuration it keeps to its end.
func (b *backend) enter() *config.Proxy {
	b.conns.Add(1)
	b.stats.sessions.Add(1)
	b.stats.peak(b.conns.Load())
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.conf
}

// leave counts a session out, with its bytes.
func (b *backend) leave(in, out int64) {
	b.conns.Add(-1)
	b.stats.addBytes(in, out)
}

// reweigh tells the algorithm which servers take connections: those that are up;
// without any, the backup servers that are up (the first, or all with "option
// allbackups"); without those, servers that failed a moment ago, since trying one
// beats refusing. mu is held.
func (b *backend) reweigh() {
	choice := func(want func(*server) bool, all bool) bool {
		b.weighted = 0
		for i, s := range b.servers {
			w := 0
			if want(s) && (all || b.weighted == 0) {
				w = s.weight
			}
			if w > 0 {
				b.weighted++
			}
			b.pick.SetWeight(i, w)
		}
		return b.weighted > 0
	}
	_ = choice(func(s *server) bool { return !s.backup && s.usable() && !s.suspect }, true) ||
		choice(func(s *server) bool { return s.backup && s.usable() && !s.suspect }, b.conf.AllBackups) ||
		choice(func(s *server) bool { return s.usable() }, true)
}

// verdict is the outcome of assign.
type verdict int

const (
	assignNone   verdict = iota // no server takes connections
	assignQueued                // all are full: the session waits in the queue
	assignServer
)

// assign picks a server for the session and counts it there, or queues the
// session. avoid is passed over if there is any other choice.
func (b *backend) assign(s *session, avoid *server) (*server, verdict) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.weighted == 0 {
		return nil, assignNone
	}
	s.choice = b.weighted > 1
	not := -1
	if avoid != nil {
		not = avoid.index
	}
	i, ok := b.pick.Pick(balance.Key{}, not, b.full)
	if !ok {
		b.queue.push(s)
		return nil, assignQueued
	}
	return b.take(i), assignServer
}

// take counts one more session at server i. mu is held.
func (b *backend) take(i int) *server {
	srv := b.servers[i]
	srv.served++
	srv.current.Store(int64(srv.served))
	srv.stats.sessions.Add(1)
	srv.stats.peak(int64(srv.served))
	b.pick.SetLoad(i, srv.served)
	return srv
}

// release counts a session out of srv and gives free places to those who wait.
func (b *backend) release(srv *server) {
	b.mu.Lock()
	defer b.mu.Unlock()
	srv.served--
	srv.current.Store(int64(srv.served))
	if srv.index >= 0 {
		b.pick.SetLoad(srv.index, srv.served)
	}
	b.serveQueue()
}

// serveQueue assigns queued sessions while a server has a free place. mu is held.
func (b *backend) serveQueue() {
	for b.queue.len > 0 && b.weighted > 0 {
		i, ok := b.pick.Pick(balance.Key{}, -1, b.full)
		if !ok {
			return
		}
		s := b.queue.pop()
		b.handOver(s, b.take(i))
	}
}

// handOver tells a session's loop that srv was assigned. The session may have
// ended meanwhile; then the place goes back.
func (b *backend) handOver(s *session, srv *server) {
	gen := s.gen
	posted := s.w.loop.Post(func() {
		if s.gen != gen || s.state != stateQueued {
			b.release(srv)
			return
		}
		s.assignedBy(srv)
	})
	if !posted {
		srv.served-- // the loop has ended, and the session with it
		srv.current.Store(int64(srv.served))
		if srv.index >= 0 {
			b.pick.SetLoad(srv.index, srv.served)
		}
	}
}

// leaveQueue takes a session that ends out of the queue, if it is in.
func (b *backend) leaveQueue(s *session) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.queue.remove(s)
}

// changed puts a server's new state in force.
func (b *backend) changed(apply func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	apply()
	b.reweigh()
	b.serveQueue()
}
