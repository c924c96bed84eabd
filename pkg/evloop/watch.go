package evloop

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Watch is a descriptor's registration with a loop; 0 is none.
type Watch int32

// slot says whose a registration is. The generation travels in the epoll data, so
// an event that was queued for an earlier owner of the slot is dropped. Slots are
// the loop's own and dense, so their memory does not grow with the number of loops.
type slot struct {
	handler Handler
	gen     uint32
	next    Watch // in the list of free slots
}

// slotPage is how many slots are made at a time.
const slotPage = 256

// registration is a descriptor that epoll is to know at the end of the turn, unless
// it was closed by then and the slot is of another generation.
type registration struct {
	fd  int32
	w   Watch
	gen uint32
}

// edges is what Register asks for.
const edges = uint32(Readable|Writable|PeerClosed|Urgent) | unix.EPOLLET

// Register delivers edge-triggered events of fd to h until Close: readable,
// writable, urgent data and the peer's FIN, with one epoll_ctl for the descriptor's
// life. It is made at the end of the turn together with others; what has happened to
// fd until then is an event of the next turn, and so is Unwatched, the only one that
// comes if the kernel refuses.
func (l *Loop) Register(fd int, h Handler) Watch {
	w := l.take()
	s := l.slot(w)
	s.handler = h
	l.joining = append(l.joining, registration{fd: int32(fd), w: w, gen: s.gen})
	return w
}

// RegisterListener delivers readiness of a listening socket that several loops
// share: level-triggered and exclusive, so that one connection wakes one loop.
func (l *Loop) RegisterListener(fd int, h Handler) (Watch, error) {
	return l.register(fd, uint32(Readable)|unix.EPOLLEXCLUSIVE, h)
}

func (l *Loop) register(fd int, events uint32, h Handler) (Watch, error) {
	w := l.take()
	s := l.slot(w)
	ev := watchEvent(w, s.gen, events)
	if err := rawEpollCtl(l.epfd, unix.EPOLL_CTL_ADD, fd, &ev); err != nil {
		l.forget(w)
		return 0, fmt.Errorf("register descriptor %d: %w", fd, err)
	}
	s.handler = h
	return w, nil
}

// rewatch changes the events of a registered descriptor. Those that hold already are
// told again.
func (l *Loop) rewatch(fd int, w Watch, events uint32) {
	ev := watchEvent(w, l.slot(w).gen, events)
	_ = rawEpollCtl(l.epfd, unix.EPOLL_CTL_MOD, fd, &ev) // fails for none that is registered
}

// watchEvent asks epoll for events on behalf of a slot in a generation.
func watchEvent(w Watch, gen, events uint32) unix.EpollEvent {
	return unix.EpollEvent{Events: events, Fd: int32(w), Pad: int32(gen)}
}

// Unregister stops the events of fd, registered as w, and leaves it open.
func (l *Loop) Unregister(fd int, w Watch) {
	l.forget(w)
	_ = unix.EpollCtl(l.epfd, unix.EPOLL_CTL_DEL, fd, nil)
}

// Close closes fd, registered as w or not at all, at the end of the turn together
// with others, and drops events that are still queued for it. The descriptor must
// not be shared with another process or loop: close(2) is what removes it from
// epoll.
func (l *Loop) Close(fd int, w Watch) {
	l.forget(w)
	l.closing = append(l.closing, int32(fd))
}

// CloseNow is Close without waiting for the end of the turn.
func (l *Loop) CloseNow(fd int, w Watch) {
	l.forget(w)
	_ = rawClose(fd)
}

// settle makes the registrations and the closes of the turn, in any order: no
// descriptor is in both.
func (l *Loop) settle() {
	for len(l.joining)+len(l.closing) > 0 {
		b := l.Batch()
		joins := min(len(l.joining), BatchSize)
		for i, r := range l.joining[:joins] {
			l.events[i] = watchEvent(r.w, r.gen, edges)
			if l.slot(r.w).gen == r.gen {
				b.watch(l.epfd, int(r.fd), &l.events[i])
			}
		}
		closes := min(len(l.closing), BatchSize-joins)
		for _, fd := range l.closing[:closes] {
			b.Close(int(fd))
		}
		b.Do()
		l.closing = append(l.closing[:0], l.closing[closes:]...)
		l.settled(joins)
	}
}

// settled takes the first n registrations off the list and tells the handlers of
// those that failed.
func (l *Loop) settled(n int) {
	var failed []registration
	place := 0
	for _, r := range l.joining[:n] {
		if l.slot(r.w).gen != r.gen {
			continue
		}
		if _, err := l.batch.Result(place); err != nil {
			failed = append(failed, r)
		}
		place++
	}
	l.joining = append(l.joining[:0], l.joining[n:]...)
	for _, r := range failed {
		l.deliver(r.w, r.gen, Unwatched)
	}
}

// deliver gives events to whoever has the slot in its generation.
func (l *Loop) deliver(w Watch, gen uint32, ev Events) {
	if s := l.slot(w); s.handler != nil && s.gen == gen {
		s.handler.Event(ev)
	}
}

func (l *Loop) slot(w Watch) *slot { return &l.slots[w/slotPage][w%slotPage] }

// take returns a free slot.
func (l *Loop) take() Watch {
	if l.free == 0 {
		first := Watch(len(l.slots) * slotPage)
		l.slots = append(l.slots, new([slotPage]slot))
		for w := first + slotPage - 1; w >= max(first, 1); w-- {
			l.slot(w).next, l.free = l.free, w
		}
	}
	w := l.free
	l.free = l.slot(w).next
	return w
}

// forget frees a slot.
func (l *Loop) forget(w Watch) {
	if w == 0 {
		return
	}
	s := l.slot(w)
	s.handler = nil
	s.gen++
	s.next, l.free = l.free, w
}
