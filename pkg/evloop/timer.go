package evloop

import "math/bits"

// Expirer is told when its timer has run out, on the loop's goroutine.
type Expirer interface {
	Expired()
}

// Timer is one entry of a loop's timer wheel. The zero value is stopped; it is
// embedded in what it times and must not be copied while it runs.
type Timer struct {
	next  *Timer
	prev  **Timer // what points at this timer; nil: stopped
	when  int64   // the loop's clock, ms
	owner Expirer
	place uint16 // level<<wheelBits | slot
}

// Active reports whether the timer runs.
func (t *Timer) Active() bool { return t.prev != nil }

// When is the moment the timer runs out, on the loop's clock.
func (t *Timer) When() int64 { return t.when }

// SetTimer makes t run out at when (milliseconds of Now), replacing an earlier
// setting. A moment that has passed means the next turn.
func (l *Loop) SetTimer(t *Timer, when int64, owner Expirer) {
	l.wheel.remove(t)
	t.when, t.owner = when, owner
	l.wheel.place(t)
}

// StopTimer stops t; stopping a stopped timer does nothing.
func (l *Loop) StopTimer(t *Timer) { l.wheel.remove(t) }

// The wheel has five levels of 64 slots; a slot of level k spans 64^k ms, so the
// wheel reaches 12 days. A later moment is parked at the rim and placed again when
// it comes round.
const (
	wheelBits   = 6
	wheelSlots  = 1 << wheelBits
	wheelLevels = 5
	wheelReach  = 1<<(wheelBits*wheelLevels) - 1
)

// wheel is a hierarchical timing wheel (Varghese and Lauck, 1987). A slot's timers
// are taken out when the clock enters the slot and either run or move to a finer
// level, so setting and stopping cost a list operation each.
type wheel struct {
	now     int64
	used    [wheelLevels]uint64 // bit s: slot s of the level is not empty
	slots   [wheelLevels][wheelSlots]*Timer
	expired *Timer // due in this turn and not yet run
}

func (w *wheel) place(t *Timer) {
	delta := max(t.when-w.now, 1)
	delta = min(delta, wheelReach)
	level := (bits.Len64(uint64(delta)) - 1) / wheelBits
	s := ((w.now + delta) >> (wheelBits * level)) & (wheelSlots - 1)
	head := &w.slots[level][s]
	t.next, t.prev = *head, head
	if t.next != nil {
		t.next.prev = &t.next
	}
	*head = t
	t.place = uint16(level<<wheelBits) | uint16(s)
	w.used[level] |= 1 << s
}

func (w *wheel) remove(t *Timer) {
	if t.prev == nil {
		return
	}
	*t.prev = t.next
	if t.next != nil {
		t.next.prev = t.prev
	}
	t.next, t.prev = nil, nil
	level, s := t.place>>wheelBits, t.place&(wheelSlots-1)
	if w.slots[level][s] == nil {
		w.used[level] &^= 1 << s
	}
}

// next returns a moment not later than the first timer's, or -1 without timers.
func (w *wheel) next() int64 {
	first := int64(-1)
	for level, used := range w.used {
		if used == 0 {
			continue
		}
		shift := wheelBits * level
		// Bit 0 after the rotation is the slot that the clock enters next.
		index := w.now>>shift + 1
		ahead := bits.TrailingZeros64(bits.RotateLeft64(used, -int(index&(wheelSlots-1))))
		if at := (index + int64(ahead)) << shift; first < 0 || at < first {
			first = at
		}
	}
	return first
}

// advance moves the clock to now and runs what is due.
func (w *wheel) advance(now int64) {
	if now <= w.now {
		return
	}
	var due *Timer
	for level := range w.used {
		shift := wheelBits * level
		from, to := w.now>>shift, now>>shift
		if from == to {
			break // a coarser level's slot cannot have been entered either
		}
		for s := from + 1; w.used[level] != 0 && s <= min(to, from+wheelSlots); s++ {
			due = w.take(level, int(s&(wheelSlots-1)), due)
		}
	}
	w.now = now
	w.settle(due)
}

// take moves a slot's timers onto the list due, keeping them removable.
func (w *wheel) take(level, s int, due *Timer) *Timer {
	for t := w.slots[level][s]; t != nil; t = w.slots[level][s] {
		w.remove(t)
		t.next = due
		due = t
	}
	return due
}

// settle runs timers that are due and places the others again. An owner may stop
// or set any timer, also one that waits for its run here, so all that are due are
// first linked into w.expired, from where remove can take them.
func (w *wheel) settle(due *Timer) {
	for due != nil {
		t := due
		due = t.next
		if t.when > w.now {
			w.place(t)
			continue
		}
		t.next, t.prev, t.place = w.expired, &w.expired, 0
		if t.next != nil {
			t.next.prev = &t.next
		}
		w.expired = t
	}
	for w.expired != nil {
		t := w.expired
		w.remove(t)
		t.owner.Expired()
	}
}
