package proxy

import "github.com/sluice-lb/sluice/pkg/evloop"

const (
	// moverSlots is how many reads are made together, as many as make the share of
	// each in the system call small.
	moverSlots = 32
	// moverSlot is the most that one read takes, bytes.
	moverSlot = evloop.BufferSize
)

// mover moves the bytes of a worker's relays. The sessions that have something to
// move in a turn of the loop read together and then write together, so that many
// of them share two system calls (evloop.Batch).
type mover struct {
	w          *worker
	due, spare []*session
	running    bool
	area       []byte // moverSlots buffers
	// The group under way.
	group [moverSlots / 2]movedSession
	moves [moverSlots]move
	// How much of both is used.
	sessions, reads int
	sole            sole
}

// movedSession is a session of the group, with how far its halves came.
type movedSession struct {
	s     *session
	moved [2]progress
}

// move is one read and the write of what it brought.
type move struct {
	of    *movedSession
	half  int
	p     []byte // read into, then what was read
	write bool   // p is to be written on
	place int    // in the batch of writes
}

// add has the session move what it can, at the end of this turn.
func (m *mover) add(s *session) {
	if s.deferred {
		return
	}
	s.deferred = true
	if len(m.due) == 0 && !m.running {
		m.w.loop.Later(m)
	}
	m.due = append(m.due, s)
}

// Continue moves on the sessions that are due. Those that have more get some
// rounds of one read each; what is left then is for the next turn.
func (m *mover) Continue() {
	m.running = true
	if m.sole.armed != nil {
		m.disarm() // others move, too
	}
	for round := 0; round < turnReads && len(m.due) > 0; round++ {
		list := m.due
		m.due = m.spare[:0]
		if len(list) == 1 {
			s := list[0]
			list[0], m.spare = nil, list
			m.alone(s)
			m.soleMoved(s)
			continue
		}
		m.sole.s = nil
		for i, s := range list {
			list[i] = nil
			if s.deferred = false; s.state != stateRelay {
				continue // it ended since
			}
			m.plan(s)
			if m.sessions == len(m.group) {
				m.run()
			}
		}
		m.run()
		m.spare = list
	}
	m.running = false
	if len(m.due) > 0 {
		m.w.loop.Later(m)
	}
}

// alone moves on a single session, for which the ways of a group cost more than
// they save.
func (m *mover) alone(s *session) {
	if s.deferred = false; s.state != stateRelay {
		return
	}
	var moved [2]progress
	l, p := m.w.loop, m.area[:moverSlot]
	for i := range s.half {
		if moved[i] = s.advance(l, i); !moved[i].read {
			continue
		}
		n, err := evloop.Read(int(s.ends[i].fd), p)
		res, ok := s.received(l, i, n, err)
		if ok {
			p := p[:n]
			s.ends[1-i].hurry()
			n, err = evloop.Send(int(s.ends[1-i].fd), p)
			res = s.forwarded(l, i, p, moverSlot, n, err)
		}
		moved[i] = res
	}
	s.settle(&moved)
}

// plan takes a session into the group.
func (m *mover) plan(s *session) {
	g := &m.group[m.sessions]
	m.sessions++
	g.s = s
	for i := range s.half {
		if g.moved[i] = s.advance(m.w.loop, i); g.moved[i].read {
			m.moves[m.reads] = move{of: g, half: i, p: m.area[m.reads*moverSlot:][:moverSlot]}
			m.reads++
		}
	}
}

// run makes the group's reads and writes and lets its sessions go on.
func (m *mover) run() {
	if m.reads > 0 {
		m.read(m.moves[:m.reads])
		m.write(m.moves[:m.reads])
	}
	group := m.group[:m.sessions]
	m.sessions, m.reads = 0, 0
	for i := range group {
		group[i].s.settle(&group[i].moved)
	}
}

func (m *mover) read(moves []move) {
	b := m.w.loop.Batch()
	for i := range moves {
		v := &moves[i]
		b.Recv(int(v.of.s.ends[v.half].fd), v.p)
	}
	b.Do()
	for i := range moves {
		v := &moves[i]
		n, err := b.Result(i)
		res, ok := v.of.s.received(m.w.loop, v.half, n, err)
		if v.of.moved[v.half] = res; ok {
			v.write, v.p = true, v.p[:n]
		}
	}
}

func (m *mover) write(moves []move) {
	b := m.w.loop.Batch()
	for i := range moves {
		if v := &moves[i]; v.write {
			dst := &v.of.s.ends[1-v.half]
			dst.hurry()
			v.place = b.Send(int(dst.fd), v.p)
		}
	}
	b.Do()
	for i := range moves {
		v := &moves[i]
		if !v.write {
			continue
		}
		n, err := b.Result(v.place)
		v.of.moved[v.half] = v.of.s.forwarded(m.w.loop, v.half, v.p, moverSlot, n, err)
	}
}
