package qemu

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/sluice-lb/sluice/pkg/ctl"
)

// adminAddr is where the servers are asked from directly.
var adminAddr = netip.MustParsePrefix("198.18.0.101/24")

// callLimit is how long one client's run may take; those that a killed server
// has left hanging end with it.
const callLimit = 40 * time.Second

// workers is how many clients of each protocol are at work under load.
const workers = 1

// pool is a section of docs/protocols.md with its servers and its client.
type pool struct {
	section string
	servers []*service
	spread  bool // both servers get sessions while both are up

	// call is one run of a client through the appliance that checks what comes
	// back; n is another number each time.
	call func(ctx context.Context, n int) error
	// contents checks what the section is for with both servers up.
	contents func(ctx context.Context, t *testing.T)
	// background runs beside the calls from before the kill until ctx ends, and
	// checks what came of it; may be nil.
	background func(ctx context.Context) error
	// alone checks what needs all sessions on one server, while the other one is
	// down; may be nil.
	alone func(ctx context.Context, t *testing.T, survivor int)
	// after checks what the calls have left behind; may be nil.
	after func(ctx context.Context, t *testing.T)
}

// run is one call under load.
type run struct {
	began, ended time.Time
	err          error
}

// load is clients of one pool at work, one call after the other.
type load struct {
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu         sync.Mutex
	runs       []run // guarded by mu
	background error // written by its goroutine, read after stop
}

// startLoad puts the clients of a pool to work. No call is cut off by stop.
func startLoad(ctx context.Context, p *pool) *load {
	until, stop := context.WithCancel(ctx)
	l := &load{stop: stop}
	for w := range workers {
		l.wg.Go(func() {
			for n := w; until.Err() == nil; n += workers {
				callCtx, cancel := context.WithTimeout(ctx, callLimit)
				r := run{began: time.Now()}
				r.err = p.call(callCtx, n)
				r.ended = time.Now()
				cancel()
				l.mu.Lock()
				l.runs = append(l.runs, r)
				l.mu.Unlock()
			}
		})
	}
	if p.background != nil {
		l.wg.Go(func() { l.background = p.background(until) })
	}
	return l
}

// finish ends the load and returns what went wrong in it: a call may fail only if
// it was under way when its server died, in the time from killing to dead.
func (l *load) finish(killing, dead time.Time) (good, cut int, errs []error) {
	l.stop()
	l.wg.Wait()
	for _, r := range l.runs {
		switch {
		case r.err == nil:
			good++
		case r.began.Before(dead) && r.ended.After(killing):
			cut++
		default:
			errs = append(errs, r.err)
		}
	}
	if l.background != nil {
		errs = append(errs, l.background)
	}
	return good, cut, errs
}

// succeeded returns how many calls that began after a time have succeeded.
func (l *load) succeeded(after time.Time) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, r := range l.runs {
		if r.err == nil && r.began.After(after) {
			n++
		}
	}
	return n
}

// lastError returns the error of the last call that failed.
func (l *load) lastError() (err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.runs {
		if r.err != nil {
			err = r.err
		}
	}
	return err
}

// await asks again and again until done is true.
func await(ctx context.Context, t *testing.T, what string, done func() bool, why func() error) {
	t.Helper()
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: %v (last error: %v)", what, context.Cause(ctx), why())
		}
	}
}

// awaitStatus waits until the health checks have found a server up or down.
func (p *protocols) awaitStatus(ctx context.Context, t *testing.T, pool *pool, s *service, want string) {
	t.Helper()
	var last ctl.Stat
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	await(ctx, t, "wait until "+s.name+" is "+want, func() bool {
		last = p.api.server(ctx, t, pool.section, s.name)
		return last.Status == want
	}, func() error {
		return errors.New("it is " + last.Status + " " + last.CheckStatus + " " + last.LastCheck)
	})
}

// sessions returns how many sessions a server has had.
func (p *protocols) sessions(ctx context.Context, t *testing.T, pool *pool, s *service) int64 {
	t.Helper()
	return p.api.server(ctx, t, pool.section, s.name).SessionsTotal
}

// failover is the course of one pool in killServers.
type failover struct {
	pool          *pool
	load          *load
	before        []int64 // sessions of the servers when the load began
	victim        int     // of pool.servers
	killing, dead time.Time
}

// killServers kills one server of each pool while clients of all are at work, and
// starts it again.
func (p *protocols) killServers(t *testing.T) {
	ctx := testContext(t, 4*time.Minute)
	began := time.Now()
	phase := func(what string) { t.Logf("%s: %s", time.Since(began).Round(100*time.Millisecond), what) }
	var all []*failover
	for _, pool := range p.pools {
		f := &failover{pool: pool}
		for _, s := range pool.servers {
			f.before = append(f.before, p.sessions(ctx, t, pool, s))
		}
		f.load = startLoad(ctx, pool)
		t.Cleanup(func() {
			f.load.stop()
			f.load.wg.Wait()
		})
		all = append(all, f)
	}
	for _, f := range all {
		f.victim = p.awaitWork(ctx, t, f)
	}
	phase("all pools are at work")
	for _, f := range all {
		if err := f.kill(ctx); err != nil {
			t.Fatalf("kill %s: %v", f.pool.servers[f.victim].name, err)
		}
	}
	for _, f := range all {
		p.awaitStatus(ctx, t, f.pool, f.pool.servers[f.victim], "DOWN")
		f.awaitCalls(ctx, t, f.dead, "after "+f.pool.servers[f.victim].name+" was killed")
	}
	phase("one server of each is dead, and clients are served")
	for _, f := range all {
		if f.pool.alone != nil {
			f.pool.alone(ctx, t, 1-f.victim)
		}
	}
	phase("what needs a single server is done")
	p.bringBack(ctx, t, all)
	phase("all servers are back and serve")
	for _, f := range all {
		t.Run(f.pool.section, func(t *testing.T) { f.judge(ctx, t) })
	}
}

// kill kills the victim; its death is a matter of milliseconds.
func (f *failover) kill(ctx context.Context) error {
	pid, err := f.pool.servers[f.victim].pid(ctx)
	if err != nil {
		return err
	}
	f.killing = time.Now()
	err = killAndWait(pid)
	f.dead = time.Now()
	return err
}

// awaitWork waits until calls have succeeded and the pool's servers have their
// part of them, and returns one that has.
func (p *protocols) awaitWork(ctx context.Context, t *testing.T, f *failover) int {
	t.Helper()
	f.awaitCalls(ctx, t, time.Time{}, "before the kill")
	var busy []int
	await(ctx, t, f.pool.section+": wait for sessions on the servers", func() bool {
		busy = nil
		for i, s := range f.pool.servers {
			if p.sessions(ctx, t, f.pool, s) > f.before[i] {
				busy = append(busy, i)
			}
		}
		return len(busy) == len(f.pool.servers) || len(busy) > 0 && !f.pool.spread
	}, f.load.lastError)
	if !f.pool.spread && len(busy) > 1 {
		t.Errorf("%s: both servers have sessions, want them on one", f.pool.section)
	}
	return busy[0]
}

// awaitCalls waits for two successful calls for each worker that began after a
// time.
func (f *failover) awaitCalls(ctx context.Context, t *testing.T, after time.Time, when string) {
	t.Helper()
	await(ctx, t, f.pool.section+": wait for calls "+when, func() bool { return f.load.succeeded(after) >= 2*workers }, f.load.lastError)
}

// bringBack starts the killed servers again and waits until they are up and get
// sessions.
func (p *protocols) bringBack(ctx context.Context, t *testing.T, all []*failover) {
	t.Helper()
	var had []int64
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, f := range all {
		s := f.pool.servers[f.victim]
		had = append(had, p.sessions(ctx, t, f.pool, s))
		wg.Go(func() { errs[i] = s.start(ctx) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for i, f := range all {
		s := f.pool.servers[f.victim]
		p.awaitStatus(ctx, t, f.pool, s, "UP")
		up := time.Now()
		await(ctx, t, "wait for sessions on "+s.name+", which is back", func() bool { return p.sessions(ctx, t, f.pool, s) > had[i] }, f.load.lastError)
		f.awaitCalls(ctx, t, up, "after "+s.name+" came back")
	}
}

// judge ends the load and looks at all that happened.
func (f *failover) judge(ctx context.Context, t *testing.T) {
	good, cut, errs := f.load.finish(f.killing, f.dead)
	t.Logf("%d calls succeeded, %d were cut off when %s was killed", good, cut, f.pool.servers[f.victim].name)
	if len(errs) > 0 {
		t.Errorf("%d calls failed that were not under way when the server died; the first: %v", len(errs), errs[0])
	}
	if f.pool.after != nil {
		f.pool.after(ctx, t)
	}
}
