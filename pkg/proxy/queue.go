package proxy

// queue holds the sessions that wait for a free place at any server of a backend,
// in the order of their arrival. The backend's lock guards it and each session's
// place in it.
type queue struct {
	first, last *session
	len         int
	peak        int
}

// queuePlace is a session's link in a queue.
type queuePlace struct {
	prev, next *session
	in         bool
}

func (q *queue) push(s *session) {
	s.queuePos = int32(q.len)
	s.place = queuePlace{prev: q.last, in: true}
	if q.last != nil {
		q.last.place.next = s
	} else {
		q.first = s
	}
	q.last = s
	q.len++
	q.peak = max(q.peak, q.len)
}

func (q *queue) remove(s *session) {
	if !s.place.in {
		return
	}
	if s.place.prev != nil {
		s.place.prev.place.next = s.place.next
	} else {
		q.first = s.place.next
	}
	if s.place.next != nil {
		s.place.next.place.prev = s.place.prev
	} else {
		q.last = s.place.prev
	}
	s.place = queuePlace{}
	q.len--
}
