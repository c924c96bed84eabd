package proxy

import (
	"cmp"
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
	clock clock
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
	shares   []int             // of each server; scratch of reweigh
	fullconn int               // sessions at which servers reach their maxconn
	life
	queue    queue
	arrivals uint64 // sessions that ever came to a queue of the backend
	// direct takes all sessions, with "dispatch" or "option transparent"; else nil.
	direct *server
	// What the algorithm has to do with the queues.
	leastconn, takesTurns bool
	full                  func(i int) bool // bound once: a closure for each pick would allocate
}

func newBackend(name string, c clock) *backend {
	b := &backend{name: name, clock: c}
	b.full = func(i int) bool { return b.servers[i].isFull() }
	return b
}

// configure puts a new configuration in force. Servers keep their counts and
// state under their names; servers that are gone end with their last session.
// added are new or have moved. While method and servers are what they were, the
// turns go on where they are.
func (b *backend) configure(conf *config.Proxy, p *policy, fullconn int, found map[string]netip.Addr) (added, removed []*server) {
	fresh := b.prepareChooser(conf, found)
	added, removed, stale := b.takeOver(conf, p, fullconn, found, fresh)
	if stale {
		b.rebuild()
	}
	return added, removed
}

// takeOver is the part of configure that sessions wait for. stale reports that an
// address has changed since fresh was built.
func (b *backend) takeOver(conf *config.Proxy, p *policy, fullconn int, found map[string]netip.Addr, fresh *chooser) (added, removed []*server, stale bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	old := make(map[string]*server, len(b.servers))
	for _, s := range b.servers {
		old[s.name] = s
	}
	b.conf, b.policy, b.fullconn = conf, p, fullconn
	b.leastconn = p.method.Name == "leastconn"
	b.takesTurns = slices.Contains([]string{"roundrobin", "static-rr", "first"}, p.method.Name)
	b.direct = b.newDirect(conf)
	b.servers = make([]*server, len(conf.Servers))
	for i := range conf.Servers {
		sc := &conf.Servers[i]
		s := old[sc.Name]
		delete(old, sc.Name)
		if s == nil {
			s = &server{name: sc.Name, backend: b, queue: queue{ofServer: true}}
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
		s.index, s.eligible = -1, false
		b.redistribute(&s.queue)
		removed = append(removed, s)
	}
	if fresh != nil {
		b.adopt(fresh)
	}
	b.reweigh()
	b.settleQueues()
	return added, removed, !b.chooser.same(methodOf(conf), b.members())
}

// prepareChooser builds a chooser for conf, or returns nil if the present one will
// do. Until it is adopted servers may come and go; then their shares change.
func (b *backend) prepareChooser(conf *config.Proxy, found map[string]netip.Addr) *chooser {
	b.mu.Lock()
	now := b.chooser
	targets := make(map[string]*target, len(b.servers))
	down := make(map[string]bool, len(b.servers))
	unit := make(map[string]int, len(b.servers))
	for _, s := range b.servers {
		targets[s.name], down[s.name], unit[s.name] = s.target.Load(), !s.usable() || s.suspect, s.unit
	}
	b.mu.Unlock()
	members, shares := make([]member, len(conf.Servers)), make([]int, len(conf.Servers))
	backups := false
	for i := range conf.Servers {
		sc := &conf.Servers[i]
		members[i] = memberOf(sc, targetOf(sc, found, targets[sc.Name]))
		if shares[i] = sc.Weight * cmp.Or(unit[sc.Name], balance.Scale); sc.Disabled || down[sc.Name] || sc.Backup && backups && !conf.AllBackups {
			shares[i] = 0
		}
		backups = backups || sc.Backup && shares[i] > 0
	}
	method := methodOf(conf)
	if now != nil && now.same(method, members) {
		return nil
	}
	return newChooser(method, members, shares)
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
		method, members, shares := methodOf(b.conf), b.members(), slices.Clone(b.shares)
		same := b.chooser.same(method, members)
		b.mu.Unlock()
		if same {
			return
		}
		fresh := newChooser(method, members, shares)
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
		fresh.of(i).SetLoad(i, s.served+s.queue.len)
	}
}

// enter counts a session in that begins at now, on its loop's clock, and returns the
// configuration it keeps to its end.
func (b *backend) enter(now int64) (*config.Proxy, *policy) {
	b.conns.Add(1)
	b.stats.sessions.Add(1)
	b.stats.rate.add(now)
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
	b.shares = b.shares[:0]
	backups, active := false, false
	for _, s := range b.servers {
		w := 0
		if good(s) && (!s.backup || !backups || b.conf.AllBackups) {
			w = s.shares()
			backups, active = backups || s.backup, active || !s.backup
		}
		b.shares = append(b.shares, w)
	}
	b.pick, b.weighted = b.chooser.weigh(b.shares)
	for i, s := range b.servers {
		s.eligible = b.shares[i] > 0 && s.backup != active
	}
	b.note(b.weighted > 0, time.Now())
	if b.usable = b.weighted; fallback {
		b.usable = 0
	}
}

// verdict is the outcome of assign.
type verdict int

const (
	assignNone   verdict = iota // no server takes connections
	assignQueued                // the session waits, for any server or for the one it belongs to
	assignFull                  // that one has its maxqueue of those already
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
	if b.takesTurns && b.queue.len > 0 {
		b.enqueue(&b.queue, s) // with these, somebody waits only while all are full
		return nil, assignQueued
	}
	not := -1
	if avoid != nil {
		not = avoid.index
	}
	i, _ := b.pick.Pick(s.key, not, b.full)
	if i < 0 {
		b.enqueue(&b.queue, s)
		return nil, assignQueued
	}
	return b.claim(s, b.servers[i])
}

// claim takes a place at srv for the session, which goes nowhere else: it waits if
// there is none. b.mu is held.
func (b *backend) claim(s *session, srv *server) (*server, verdict) {
	switch {
	case srv.hasPlace():
		b.take(srv)
		return srv, assignServer
	case srv.limits.maxqueue > 0 && srv.queue.len >= srv.limits.maxqueue:
		return srv, assignFull
	}
	b.enqueue(&srv.queue, s)
	b.tellLoad(srv)
	return srv, assignQueued
}

// take counts one more session at srv. b.mu is held.
func (b *backend) take(srv *server) {
	srv.count()
	b.tellLoad(srv)
}

// giveBack counts one session less at srv. b.mu is held.
func (b *backend) giveBack(srv *server) {
	srv.served--
	srv.current.Store(int64(srv.served))
	b.tellLoad(srv)
}

// tellLoad tells the algorithm how many sessions srv has, waiting ones included.
// b.mu is held.
func (b *backend) tellLoad(srv *server) {
	if srv.index >= 0 {
		b.chooser.of(srv.index).SetLoad(srv.index, srv.served+srv.queue.len)
	}
}

// release counts a session out of srv and gives the place to those who wait.
func (b *backend) release(srv *server) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.giveBack(srv)
	b.serve(srv)
}

// changed puts a server's new state in force.
func (b *backend) changed(apply func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	apply()
	b.reweigh()
	b.settleQueues()
}
