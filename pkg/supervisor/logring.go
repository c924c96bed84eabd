package supervisor

import (
	"fmt"
	"sync"
	"time"
)

// Bounds of one unit's log.
const (
	ringBytes     = 256 << 10 // text bytes kept per unit
	ringLineMax   = 8 << 10   // longer lines are cut
	followerDepth = 1024      // lines a follower may lag behind
)

// Line is one log line of a unit.
type Line struct {
	Time     time.Time
	Unit     string
	Priority int // syslog severity, 0 (emerg) to 7 (debug)
	Text     string
}

// String returns the line as "show logs" prints it.
func (l Line) String() string {
	return l.Time.UTC().Format("2006-01-02T15:04:05.000Z ") + l.Text
}

// Ring keeps the last lines of one unit in memory. A follower that does not
// read loses lines; the writer never waits.
type Ring struct {
	unit  string
	sinks []func(Line)

	mu        sync.Mutex // guards the fields below
	lines     []Line     // lines[head:] and then lines[:head] in order when full
	head      int        // oldest line
	bytes     int
	followers map[*follower]struct{}
}

type follower struct {
	ch   chan Line
	lost int
}

// newRing returns an empty ring; every line is also given to sinks, which must
// not block.
func newRing(unit string, sinks []func(Line)) *Ring {
	return &Ring{unit: unit, sinks: sinks, followers: map[*follower]struct{}{}}
}

// Append adds one line at time t.
func (r *Ring) Append(t time.Time, priority int, text string) {
	if len(text) > ringLineMax {
		text = text[:ringLineMax]
	}
	l := Line{Time: t, Unit: r.unit, Priority: priority, Text: text}
	r.mu.Lock()
	r.lines = append(r.lines, l)
	r.bytes += len(text) + 1
	for r.bytes > ringBytes {
		r.bytes -= len(r.lines[r.head].Text) + 1
		r.lines[r.head] = Line{}
		r.head++
	}
	// The slice is compacted when half of it is dead: amortised constant work.
	if r.head > 64 && r.head > len(r.lines)/2 {
		r.lines = append([]Line(nil), r.lines[r.head:]...)
		r.head = 0
	}
	for f := range r.followers {
		f.offer(l)
	}
	r.mu.Unlock()
	for _, sink := range r.sinks {
		sink(l)
	}
}

// offer gives a line to the follower, or counts it as lost; after a loss one
// place of the channel is kept for the message that says so.
func (f *follower) offer(l Line) {
	if f.lost > 0 && len(f.ch) <= cap(f.ch)-2 {
		f.ch <- Line{Time: l.Time, Unit: l.Unit, Priority: 4, Text: fmt.Sprintf("[%d lines lost: reader too slow]", f.lost)}
		f.lost = 0
	}
	if f.lost == 0 && len(f.ch) < cap(f.ch) {
		f.ch <- l // the ring's lock makes this the only sender
		return
	}
	f.lost++
}

// Tail returns the last n lines, all when n is negative.
func (r *Ring) Tail(n int) []Line {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tail(n)
}

func (r *Ring) tail(n int) []Line {
	live := r.lines[r.head:]
	if n >= 0 && n < len(live) {
		live = live[len(live)-n:]
	}
	return append([]Line(nil), live...)
}

// Follow returns the last n lines and a channel with the lines after them. The
// caller must call stop.
func (r *Ring) Follow(n int) (past []Line, lines <-chan Line, stop func()) {
	f := &follower{ch: make(chan Line, followerDepth)}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.followers[f] = struct{}{}
	return r.tail(n), f.ch, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.followers, f)
	}
}
