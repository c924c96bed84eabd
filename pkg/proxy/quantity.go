package proxy

import "github.com/sluice-lb/sluice/pkg/rules"

// serverRef is a server by name: the one that has it when it is asked.
type serverRef struct {
	backend *backend
	name    string
}

// Quantity is a number of the frontend.
func (f *frontend) Quantity(q rules.Quantity) int64 {
	if q == rules.FrontendRate {
		return f.stats.rate.perSecond(f.clock.now())
	}
	return f.conns.Load()
}

// Quantity is a number of the listening socket.
func (l *listener) Quantity(rules.Quantity) int64 { return l.conns.Load() }

// Quantity is a number of the backend, as HAProxy counts it.
func (b *backend) Quantity(q rules.Quantity) int64 {
	switch q {
	case rules.BackendConns:
		return b.conns.Load()
	case rules.BackendRate:
		return b.stats.rate.perSecond(b.clock.now())
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	usable := int64(b.usable)
	switch q {
	case rules.BackendUsable:
		return usable
	case rules.BackendQueue:
		return b.waiting()
	case rules.AverageQueue:
		if usable == 0 {
			return 2 * b.waiting()
		}
		return (b.waiting() + usable - 1) / usable
	case rules.BackendFree:
		return b.free()
	case rules.BackendSlots:
		return b.slots()
	}
	return 0
}

// waiting counts the sessions in the backend's queues. mu is held.
func (b *backend) waiting() int64 {
	n := b.queue.len
	for _, s := range b.servers {
		n += s.queue.len
	}
	return int64(n)
}

// free is how many more sessions the servers in use take, -1 if one has no limit. mu
// is held.
func (b *backend) free() int64 {
	sum := int64(0)
	for i, s := range b.servers {
		if b.shares[i] == 0 || s.backup && b.pick != b.chooser.backup {
			continue
		}
		n := s.free()
		if n < 0 {
			return -1
		}
		sum += n
	}
	return sum
}

// slots is what servers and their queues have room for, -1 if one has no limit. mu is
// held.
func (b *backend) slots() int64 {
	sum := int64(0)
	for _, s := range b.servers {
		if !s.reachable() {
			continue
		}
		if s.limits.maxconn == 0 || s.limits.maxqueue == 0 {
			return -1
		}
		sum += int64(s.limits.maxconn-s.served) + int64(s.limits.maxqueue) - s.waiting()
	}
	return sum
}

// Quantity is a number of the server; of one that is gone, 0.
func (r serverRef) Quantity(q rules.Quantity) int64 {
	r.backend.mu.Lock()
	defer r.backend.mu.Unlock()
	s := r.backend.server(r.name)
	if s == nil {
		return 0
	}
	switch q {
	case rules.ServerConns:
		return int64(s.served)
	case rules.ServerRate:
		return s.stats.rate.perSecond(r.backend.clock.now())
	case rules.ServerFree:
		return s.free()
	case rules.ServerUp:
		return int64(boolDigit(s.reachable()))
	case rules.ServerQueue:
		return s.waiting()
	case rules.ServerWeight:
		return int64(s.effectiveWeight())
	case rules.UserWeight:
		return int64(s.weight)
	case rules.InitialWeight:
		return int64(s.conf.Weight)
	}
	return 0
}

// free is how many more sessions the server takes, -1 for any number. backend.mu is
// held.
func (s *server) free() int64 {
	if s.limits.maxconn == 0 {
		return -1
	}
	return int64(max(s.limits.maxconn-s.served, 0))
}

// waiting counts the sessions that wait for this server and no other. backend.mu is
// held.
func (s *server) waiting() int64 {
	return int64(s.queue.len)
}
