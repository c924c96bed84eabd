package proxy

import (
	"sync/atomic"
	"time"
)

// proxyStats are the counters of a frontend, a backend or a server. They survive
// reloads, and grow until they are cleared.
type proxyStats struct {
	sessions, bytesIn, bytesOut atomic.Int64
	peakSessions                atomic.Int64
	connectErrors               atomic.Int64 // sessions that got no server, or no place there in time
	retries, redispatches       atomic.Int64
	requestErrors               atomic.Int64 // connections without the PROXY header that must come
	conns, deniedConns          atomic.Int64 // of frontends: accepted, and of these refused by a "tcp-request connection" rule
	rate                        rate         // of new sessions
}

// clock counts the milliseconds of an engine, as its loops' clocks do. It is for those
// who are on no loop; sessions take the time of their turn.
type clock struct{ begin time.Time }

func (c clock) now() int64 { return time.Since(c.begin).Milliseconds() }

// counters are all but the greatest values.
func (p *proxyStats) counters() []*atomic.Int64 {
	return []*atomic.Int64{&p.sessions, &p.bytesIn, &p.bytesOut, &p.connectErrors, &p.retries, &p.redispatches,
		&p.requestErrors, &p.conns, &p.deniedConns}
}

// addBytes counts bytes from and to clients.
func (p *proxyStats) addBytes(in, out int64) {
	p.bytesIn.Add(in)
	p.bytesOut.Add(out)
}

// peak notes the number of concurrent sessions n.
func (p *proxyStats) peak(n int64) { raise(&p.peakSessions, n) }

// raise makes the greatest value n if it was less.
func raise(greatest *atomic.Int64, n int64) {
	for old := greatest.Load(); n > old && !greatest.CompareAndSwap(old, n); old = greatest.Load() {
	}
}
