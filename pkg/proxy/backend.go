package proxy

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-lb/sluice/pkg/balance"
	"github.com/sluice-lb/sluice/pkg/config"
)

// backend is a pool of servers. It survives reloads under its name: sessions of
// an earlier configuration go on counting here.
type backend struct {
	name  string
	stats proxyStats
	conns atomic.Int64 // sessions that use the backend, queued ones included
	// logger gets the lines about the state of servers; nil: only the process log.
	logger atomic.Pointer[logger]

	mu       sync.Mutex // guards all below, and each server's fields marked so
	conf     *config.Proxy
	policy   *policy
	servers  []*server // in configuration order; a server's index is its place here
	byName   map[string]*server
	chooser  *chooser
	pick     balance.Algorithm // of the chooser's, the one with servers in it
	weighted int               // servers that take connections now
	usable   int               // of these, servers that did not fail a moment ago
	weights  []int             // scratch of reweigh
	life
	queue queue
	// direct takes all sessions, with "dispatch" or "option transparent"; else nil.
	direct *server
	full   func(i int) bool // bound once: a closure for each pick would allocate
}

func newBackend(name string) *backend {
	b := &backend{name: name}
	b.full = func(i int) bool { return b.servers[i].isFull() }
	return b
}

// configure puts a new configuration in force. Servers keep their counts and
// state under their names; servers that are gone end with their last session.
// added are new or have moved. While method and servers are what they were, the
// turns go on where they are.
func (b *backend) configure(conf *config.Proxy, p *policy, found map[string]netip.Addr) (added, removed []*server) {
	fresh := b.prepareChooser(conf, found)
	added, removed, stale := b.takeOver(conf, p, found, fresh)
	if stale {
		b.rebuild()
	}
	return added, removed
}

// takeOver is the part of configure that sessions wait for. stale reports that an
// address has changed since fresh was built.
func (b *backend) takeOver(conf *config.Proxy, p *policy, found map[string]netip.Addr, fresh *chooser) (added, removed []*server, stale bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	old := make(map[string]*server, len(b.servers))
	for _, s := range b.servers {
		old[s.name] = s
	}
	b.conf, b.policy = conf, p
	b.direct = b.newDirect(conf)
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
	b.byName = make(map[string]*server, len(b.servers))
	for _, s := range b.servers {
		b.byName[s.name] = s
	}
	for _, s := range old {
		s.index = -1
		removed = append(removed, s)
	}
	if fresh != nil {
		b.adopt(fresh)
	}
	b.reweigh()
	b.serveQueue()
	return added, removed, !b.chooser.same(methodOf(conf), b.members())
}

// prepareChooser builds a chooser for conf, or returns nil if the present one will
// do. Until it is adopted servers may come and go; then their weights change.
func (b *backend) prepareChooser(conf *config.Proxy, found map[string]netip.Addr) *chooser {
	b.mu.Lock()
	now := b.chooser
	targets := make(map[string]*target, len(b.servers))
	down := make(map[string]bool, len(b.servers))
	for _, s := range b.servers {
		targets[s.name], down[s.name] = s.target.Load(), !s.usable() || s.suspect
	}
	b.mu.Unlock()
	members, weights := make([]member, len(conf.Servers)), make([]int, len(conf.Servers))
	backups := false
	for i := range conf.Servers {
		sc := &conf.Servers[i]
		members[i] = memberOf(sc, targetOf(sc, found, targets[sc.Name]))
		if weights[i] = sc.Weight; sc.Disabled || down[sc.Name] || sc.Backup && backups && !conf.AllBackups {
			weights[i] = 0
		}
		backups = backups || sc.Backup && weights[i] > 0
	}
	method := methodOf(conf)
	if now != nil && now.same(method, members) {
		return nil
	}
	return newChooser(method, members, weights)
}

// members returns what the chooser has to know of the servers as they are. mu is
// held.
func (b *backend) members() []member {
	members := make([]member, len(b.servers))
	for i, s := range b.servers {
		members[i] = memberOf(s.conf, s.target.Load())
	}
	return members
}

// rebuild makes a new chooser after a server has moved whose places derive from its
// address. mu is not held: sessions go on with the old one while it is built.
func (b *backend) rebuild() {
	for {
		b.mu.Lock()
		method, members, weights := methodOf(b.conf), b.members(), slices.Clone(b.weights)
		same := b.chooser.same(method, members)
		b.mu.Unlock()
		if same {
			return
		}
		fresh := newChooser(method, members, weights)
		b.mu.Lock()
		if fresh.same(methodOf(b.conf), b.members()) { // else more has changed meanwhile
			b.adopt(fresh)
			b.reweigh()
		}
		b.mu.Unlock()
	}
}

// adopt puts a new chooser in place; reweigh must follow. mu is held.
func (b *backend) adopt(fresh *chooser) {
	b.chooser = fresh
	for i, s := range b.servers {
		fresh.of(i).SetLoad(i, s.served)
	}
}

// enter counts a session in and returns the configuration it keeps to its end.
func (b *backend) enter() (*config.Proxy, *policy) {
	b.conns.Add(1)
	b.stats.sessions.Add(1)
	b.stats.peak(b.conns.Load())
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.conf, b.policy
}

// leave counts a session out.
func (b *backend) leave() { b.conns.Add(-1) }

// reweigh tells the chooser which servers take connections: those that are up, of
// the backups the first, or all with "option allbackups"; without any, those that
// failed a moment ago, since trying one beats refusing. mu is held.
func (b *backend) reweigh() {
	good := func(s *server) bool { return s.usable() && !s.suspect }
	fallback := !slices.ContainsFunc(b.servers, good)
	if fallback {
		good = (*server).usable
	}
	b.weights = b.weights[:0]
	backups := false
	for _, s := range b.servers {
		w := 0
		if good(s) && (!s.backup || !backups || b.conf.AllBackups) {
			w = s.weight
			backups = backups || s.backup
		}
		b.weights = append(b.weights, w)
	}
	b.pick, b.weighted = b.chooser.weigh(b.weights)
	b.note(b.weighted > 0, time.Now())
	if b.usable = b.weighted; fallback {
		b.usable = 0
	}
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
	if avoid == nil {
		if srv, v, ok := b.useServer(s); ok {
			return srv, v
		}
	}
	s.key, s.want = s.balanceKey(), nil
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.direct != nil {
		b.direct.count()
		return b.direct, assignServer
	}
	if b.weighted == 0 {
		return nil, assignNone
	}
	s.choice = b.weighted > 1
	not := -1
	if avoid != nil {
		not = avoid.index
	}
	i, ok := b.pick.Pick(s.key, not, b.full)
	if !ok {
		b.queue.push(s)
		return nil, assignQueued
	}
	return b.take(i), assignServer
}

// take counts one more session at server i. mu is held.
func (b *backend) take(i int) *server {
	srv := b.servers[i]
	srv.count()
	b.chooser.of(i).SetLoad(i, srv.served)
	return srv
}

// release counts a session out of srv and gives free places to those who wait.
func (b *backend) release(srv *server) {
	b.mu.Lock()
	defer b.mu.Unlock()
	srv.served--
	srv.current.Store(int64(srv.served))
	if srv.index >= 0 {
		b.chooser.of(srv.index).SetLoad(srv.index, srv.served)
	}
	b.serveQueue()
}

// serveQueue assigns queued sessions while a server has a free place. Those that
// wait for another server than the one with the place are passed over. mu is held.
func (b *backend) serveQueue() {
	var next *session
	for s := b.queue.first; s != nil && b.weighted > 0; s = next {
		next = s.place.next
		if s.want != nil {
			b.serveWanted(s)
			continue
		}
		i, ok := b.pick.Pick(s.key, -1, b.full)
		if !ok && i < 0 {
			return
		}
		if ok {
			b.queue.remove(s)
			b.handOver(s, b.take(i))
		}
	}
}

// serveWanted gives a session the place at the one server that it waits for, if it
// is free. mu is held.
func (b *backend) serveWanted(s *session) {
	switch {
	case s.want.index < 0:
		s.want = nil // any will do
	case !s.want.isFull():
		b.queue.remove(s)
		b.handOver(s, b.take(s.want.index))
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
			b.chooser.of(srv.index).SetLoad(srv.index, srv.served)
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
