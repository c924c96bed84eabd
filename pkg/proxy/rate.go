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

// rate measures events per second over a sliding window: the present second and
// the part of the previous one that the window still covers (configuration manual,
// "rate-limit sessions").
type rate struct {
	mu         sync.Mutex // guards all below
	second     int64
	curr, prev int64
}

// roll enters the second that now, in milliseconds, falls into. mu is held.
func (r *rate) roll(now int64) {
	switch second := now / 1000; second {
	case r.second:
		return
	case r.second + 1:
		r.second, r.prev, r.curr = second, r.curr, 0
	default:
		r.second, r.prev, r.curr = second, 0, 0
	}
}

// add counts one event at now.
func (r *rate) add(now int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.roll(now)
	r.curr++
}

// wait returns the milliseconds until one more event keeps within limit a second;
// 0 is at once.
func (r *rate) wait(now, limit int64) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.roll(now)
	left := 1000 - now%1000 // of this second
	if r.curr >= limit {
		return left
	}
	// The share of the previous second shrinks by prev/1000 each millisecond.
	if r.curr+r.prev*left/1000 < limit {
		return 0
	}
	return min(left, max(left-(limit-r.curr)*1000/r.prev+1, 1))
}
