package proxy

// queue holds sessions that wait for a free place: at any server of a backend, or
// at the one server that they belong to. They leave it in the order of their
// arrival. The backend's lock guards it and each session's place in it.
type queue struct {
	first, last *session
	len         int
	peak        int
	served      uint32 // sessions that left it for a server
	ofServer    bool
}

// queuePlace is a session's link in a queue.
type queuePlace struct {
	q          *queue // nil: in none
	prev, next *session
	arrival    uint64 // orders sessions over all queues of a backend
	served     uint32 // the queue's number of served sessions at the arrival
}

// push adds s; arrival is greater than that of any session before.
func (q *queue) push(s *session, arrival uint64) {
	s.place = queuePlace{q: q, prev: q.last, arrival: arrival, served: q.served}
	if q.last != nil {
		q.last.place.next = s
	} else {
		q.first = s
	}
	q.last = s
	q.len++
	q.peak = max(q.peak, q.len)
}

// pop takes out the session that came first, for a server.
func (q *queue) pop() *session {
	s := q.first
	s.unqueue()
	q.served++
	return s
}

// unqueue takes a session out of its queue, if it is in one, and adds what the log
// tells of it: how many the queue served meanwhile, itself included.
func (s *session) unqueue() {
	p, q := s.place, s.place.q
	if q == nil {
		return
	}
	if p.prev != nil {
		p.prev.place.next = p.next
	} else {
		q.first = p.next
	}
	if p.next != nil {
		p.next.place.prev = p.prev
	} else {
		q.last = p.prev
	}
	s.place = queuePlace{}
	q.len--
	waited := q.served - p.served + 1
	if q.ofServer {
		s.serverQueue += waited
	} else {
		s.backendQueue += waited
	}
}

// enqueue lets s wait in q, a queue of b. b.mu is held.
func (b *backend) enqueue(q *queue, s *session) {
	b.arrivals++
	q.push(s, b.arrivals)
}

// serve gives the free places of srv to those who wait, at srv itself or at any
// server, in the order of their arrival. b.mu is held.
func (b *backend) serve(srv *server) {
	for srv.belowLimit() {
		q := b.nextQueue(srv)
		if q == nil {
			return
		}
		s := q.pop()
		b.take(srv)
		b.handOver(s, srv)
	}
}

// nextQueue is the queue whose first session srv is to serve next; nil: nobody
// waits for it. A server that gets no new connections still serves those who wait
// for nobody else. b.mu is held.
func (b *backend) nextQueue(srv *server) *queue {
	own, shared := srv.queue.first, b.queue.first
	if !srv.eligible {
		shared = nil
	}
	switch {
	case own == nil && shared == nil:
		return nil
	case shared == nil || own != nil && own.place.arrival < shared.place.arrival:
		return &srv.queue
	}
	return &b.queue
}

// serveAll is serve for each server, after limits or states have changed. b.mu is
// held.
func (b *backend) serveAll() {
	for _, srv := range b.servers {
		b.serve(srv)
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
		b.giveBack(srv) // the loop has ended, and the session with it
	}
}

// redistribute sends those who wait in q to look for a server anew, each on its
// loop. b.mu is held.
func (b *backend) redistribute(q *queue) {
	for q.first != nil {
		s := q.first
		s.unqueue()
		gen := s.gen
		s.w.loop.Post(func() {
			if s.gen == gen && s.state == stateQueued {
				s.chooseAnew()
			}
		})
	}
}

// settleQueues follows up a change of states, limits or servers. Sessions of a
// server that is out of service go elsewhere if "option redispatch" lets them; if
// no server is left, nobody waits for one. b.mu is held.
func (b *backend) settleQueues() {
	mayMove := b.conf.Redispatch != 0 && !b.conf.Flags.Persist
	for _, srv := range b.servers {
		if mayMove && srv.queue.len > 0 && !srv.inService() {
			b.redistribute(&srv.queue)
			b.tellLoad(srv)
		}
	}
	if b.weighted == 0 {
		b.redistribute(&b.queue)
	}
	b.serveAll()
}

// queueTimedOut counts a session that waited too long.
func (b *backend) queueTimedOut(s *session) {
	if s.bound != nil {
		s.bound.stats.connectErrors.Add(1)
	}
	b.stats.connectErrors.Add(1)
}

// leaveQueue takes a session that ends out of the queue, if it is in.
func (b *backend) leaveQueue(s *session) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if q := s.place.q; q != nil {
		s.unqueue()
		if q.ofServer {
			b.tellLoad(s.bound)
		}
	}
}
