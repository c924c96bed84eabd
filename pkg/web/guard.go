package web

import (
	"maps"
	"net/netip"
	"sync"
	"time"
)

// How failed logins slow down the next attempt.
const (
	freeFailures = 3                // slips of the fingers cost nothing
	firstDelay   = time.Second      // doubles with each failure after the free ones
	lockAfter    = 8                // failures in a row lock the source out
	lockTime     = 15 * time.Minute // for this long
	userFactor   = 8                // a user's name stands this many times more than a source
	forget       = time.Hour        // after the last failure
	maxGuarded   = 10_000           // sources remembered
)

// guard counts failed logins by source and by user name. A source is an IPv4
// address or an IPv6 /64. The name is counted too, so that many sources together
// get no more attempts; but it takes more, so that a stranger does not lock an
// administrator out at once. Attempts count as failures until they succeed:
// many at the same time get no more than one after the other.
type guard struct {
	now func() time.Time

	mu    sync.Mutex // guards count
	count map[string]*failures
}

type failures struct {
	n     int
	last  time.Time
	until time.Time // no attempt before
}

func newGuard(now func() time.Time) *guard {
	return &guard{now: now, count: map[string]*failures{}}
}

// source names what an address is counted as.
func source(a netip.Addr) string {
	a = a.Unmap()
	if a.Is6() {
		p, err := a.WithZone("").Prefix(64)
		if err == nil {
			return p.String()
		}
	}
	return a.String()
}

// attempt asks for a login attempt. It returns 0 when it may go on, and the time
// to wait when not. What may go on is counted as failed until success is called.
func (g *guard) attempt(addr netip.Addr, user string) (wait time.Duration) {
	now := g.now()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.clean(now)
	from, name := g.entry("from "+source(addr)), g.entry(userKey(user))
	for _, f := range []*failures{from, name} {
		wait = max(wait, f.until.Sub(now))
	}
	if wait > 0 {
		return wait
	}
	from.fail(now, 1)
	name.fail(now, userFactor)
	return 0
}

// userKey names what a user name is counted as; all that can be none are one.
func userKey(user string) string {
	if !userName.MatchString(user) {
		user = "-"
	}
	return "user " + user
}

// entry returns the counter for key, made when missing; g.mu is held.
func (g *guard) entry(key string) *failures {
	f := g.count[key]
	if f == nil {
		f = &failures{}
		g.count[key] = f
	}
	return f
}

// fail counts one failure of something that stands factor times more than a
// source.
func (f *failures) fail(now time.Time, factor int) {
	f.n++
	f.last = now
	switch over := f.n - freeFailures*factor; {
	case f.n >= lockAfter*factor:
		f.until = now.Add(lockTime)
	case over > 0:
		f.until = now.Add(min(firstDelay<<min(over-1, 20), lockTime))
	}
}

// success takes the attempts of this source and user off the count.
func (g *guard) success(addr netip.Addr, user string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.count, "from "+source(addr))
	delete(g.count, userKey(user))
}

// clean forgets old failures, and the oldest when there are too many; g.mu is held.
func (g *guard) clean(now time.Time) {
	old := func(age time.Duration) {
		maps.DeleteFunc(g.count, func(_ string, f *failures) bool {
			return now.Sub(f.last) > age && !f.until.After(now)
		})
	}
	old(forget)
	if len(g.count) > maxGuarded {
		old(time.Minute)
	}
	// Everything recent and still too much is an attack from many networks: the
	// names keep their counts, the sources start afresh.
	if len(g.count) > maxGuarded {
		maps.DeleteFunc(g.count, func(key string, _ *failures) bool { return key[0] == 'f' })
	}
}
