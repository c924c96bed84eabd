package proxy

import (
	"sync"
	"sync/atomic"
)

// limitedRate is a rate with its limit per second; 0 is none, and then nothing is
// measured.
type limitedRate struct {
	rate
	limit atomic.Int64
}

// note counts one event at now.
func (r *limitedRate) note(now int64) {
	if r.limit.Load() > 0 {
		r.add(now)
	}
}

// due is how many milliseconds one more event has to wait.
func (r *limitedRate) due(now int64) int64 {
	if limit := r.limit.Load(); limit > 0 {
		return r.wait(now, limit)
	}
	return 0
}

// rate measures events per second over a sliding window: the present second and the
// part of the previous one that the window still covers (configuration manual,
// "rate-limit sessions"). As in HAProxy, seconds begin with the first event after a
// pause. An event costs two atomic operations, and one in a second the lock.
//
// Moments are milliseconds, on a clock that is not set back; those of one loop may lie
// some before those of another.
type rate struct {
	begin, curr atomic.Int64 // of the present second; begin is 0 before the first event
	peak        atomic.Int64 // most events of a second
	mu          sync.Mutex   // serialises changes of begin; guards prev
	prev        int64
}

// add counts one event at now.
func (r *rate) add(now int64) {
	if begin := r.begin.Load(); begin == 0 || now-begin >= 1000 {
		r.roll(now)
	}
	raise(&r.peak, r.curr.Add(1))
}

// roll enters the second that now falls into.
func (r *rate) roll(now int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	begin := r.begin.Load()
	switch age := now - begin; {
	case begin == 0: // with the clock, an event may come in its first millisecond
		r.begin.Store(max(now, 1))
	case age < 1000: // another loop was faster
	case age < 2000:
		r.prev = r.curr.Swap(0)
		r.begin.Store(begin + 1000)
	default:
		r.prev = 0
		r.curr.Store(0)
		r.begin.Store(now)
	}
}

// window returns what the second of now and the one before have, and how many
// milliseconds of the former are left.
func (r *rate) window(now int64) (curr, prev, left int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch age := now - r.begin.Load(); {
	case age < 1000: // negative on a loop that is late
		return r.curr.Load(), r.prev, min(1000-age, 1000)
	case age < 2000:
		return 0, r.curr.Load(), 2000 - age
	}
	return 0, 0, 1000
}

// perSecond returns the number of events in the second that ends at now. A single one
// is told for up to two seconds.
func (r *rate) perSecond(now int64) int64 {
	curr, prev, left := r.window(now)
	if curr == 0 && prev <= 1 {
		return prev
	}
	return curr + prev*left/1000
}

// wait returns the milliseconds until one more event keeps within limit a second;
// 0 is at once.
func (r *rate) wait(now, limit int64) int64 {
	curr, prev, left := r.window(now)
	if curr >= limit {
		return left
	}
	// The share of the previous second shrinks by prev/1000 each millisecond.
	if curr+prev*left/1000 < limit {
		return 0
	}
	return min(left, max(left-(limit-curr)*1000/prev+1, 1))
}
