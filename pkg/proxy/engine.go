package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-multierror"
	"github.com/sluice-lb/sluice/pkg/config"
	"github.com/sluice-lb/sluice/pkg/ctl"
	"github.com/sluice-lb/sluice/pkg/evloop"
)

// SocketStore keeps listening sockets while no process of ours has them, so that
// connections wait in their backlog instead of being refused. The service manager
// is one.
type SocketStore interface {
	Keep(name string, fd int) error
	Forget(name string) error
}

// Options are what an Engine needs beside its configuration.
type Options struct {
	Log      *slog.Logger
	Resolver Resolver
	// Adopted are listening sockets from a predecessor or the service manager; the
	// engine owns them from Start on and closes those that no frontend binds.
	Adopted        []ctl.Socket
	Store          SocketStore // nil: none
	Maxconn        int         // command line's limit of connections; 0: the configuration's
	Stdout, Stderr io.Writer   // for "log stdout" and "log stderr"
}

// Engine is a running proxy.
type Engine struct {
	opt          Options
	systemV6Only bool
	log          *slog.Logger
	started      time.Time
	workers      []*worker
	running      sync.WaitGroup
	watch        *watcher
	cancel       context.CancelFunc

	conns   atomic.Int64 // over all frontends
	maxconn atomic.Int64
	numbers atomic.Int64 // of sessions, given to those that a format numbers
	// noSplice has all flows copied.
	noSplice atomic.Bool
	paused   atomic.Int64 // acceptors that wait for a place
	pipes    evloop.Pipes // of all loops
	// Of all frontends: accepted connections and sessions begun.
	connRate, sessRate limitedRate
	// What a soft stop waits for beside conns: listeners that the loops let go, and
	// connections whose last bytes are on their way.
	dropping, lingering atomic.Int64
	closing             atomic.Bool
	idle                chan struct{} // closed when the last session of a soft stop ended
	once                sync.Once

	mu   sync.Mutex // serialises reload and stop; guards all below
	conf *config.Config
	// hardMaxconn is the greatest value of maxconn: what there are files for.
	hardMaxconn int64
	listeners   map[string]*listener
	frontends   map[string]*frontend
	backends    map[string]*backend
	sinks       map[string]*sink
	reloads     int
}

// resolveLimit is how long a start or reload waits for host names; what is not
// known by then is looked up in the background.
const resolveLimit = time.Second

// Start binds everything that conf names and begins to accept. On an error
// nothing runs and what was bound is closed again.
func Start(conf *config.Config, opt Options) (*Engine, error) {
	ctx, cancel := context.WithCancel(context.Background())
	e := &Engine{
		opt: opt, log: opt.Log, systemV6Only: evloop.V6OnlyByDefault(), started: time.Now(), cancel: cancel, idle: make(chan struct{}),
		listeners: map[string]*listener{}, frontends: map[string]*frontend{},
		backends: map[string]*backend{}, sinks: map[string]*sink{},
	}
	e.watch = newWatcher(ctx, opt.Resolver, opt.Log)
	e.watch.endSessions = e.endSessions
	threads := loops(conf)
	evloop.ShareProcessors(threads)
	for range threads {
		if err := e.addWorker(); err != nil {
			return nil, e.abandon(err)
		}
	}
	if err := e.Reload(conf); err != nil {
		return nil, e.abandon(err)
	}
	return e, nil
}

// abandon ends a start that failed with err. Nobody else has the engine yet.
func (e *Engine) abandon(err error) error {
	e.discard(e.takeAdopted(), false) // there are some if it failed early
	e.Stop()
	return err
}

// loops is how many loops conf asks for: "nbthread", or one for each usable CPU.
func loops(conf *config.Config) int {
	if n := conf.Global.NbThread; n > 0 {
		return n
	}
	return min(runtime.NumCPU(), runtime.GOMAXPROCS(0)) // the latter knows of CPU quotas
}

// addWorker starts a loop; it ends with Stop.
func (e *Engine) addWorker() error {
	loop, err := evloop.New()
	if err != nil {
		return err
	}
	loop.CountPipes(&e.pipes)
	loop.StartClock(e.started)
	w := &worker{e: e, loop: loop, acceptors: map[*listener]*acceptor{}, lingering: map[*lingerer]struct{}{}}
	w.mover = mover{w: w, area: make([]byte, moverSlots*moverSlot)}
	e.workers = append(e.workers, w)
	e.running.Go(func() {
		if err := loop.Run(); err != nil {
			e.log.Error("event loop ended", "error", err)
		}
	})
	return nil
}

// Reload puts conf in force for new connections. Everything that can fail is done
// first: on an error the old configuration stays in force as a whole.
//
// What survives: listening sockets that are still bound by some frontend; under
// their names, the counters of frontends, backends and servers, the servers'
// numbers of sessions, resolved addresses, suspicions, and what checks and
// operators have made of them (see condition), until their lines say something
// else; log sinks. Sessions in progress keep the configuration that they started
// with.
func (e *Engine) Reload(conf *config.Config) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closing.Load() {
		return errors.New("reload: the proxy is stopping")
	}
	limits, err := fitProcess(conf, e.opt.Maxconn)
	if err != nil {
		return err
	}
	plan, err := e.prepare(conf)
	if err != nil {
		return err
	}
	if limits.warning != "" {
		e.log.Warn("limits do not fit", "reason", limits.warning)
	}
	e.limit(conf, limits)
	e.noSplice.Store(conf.Global.NoSplice)
	e.commit(conf, plan)
	return nil
}

// limit puts the limits of the process in force. One that was set by hand holds until
// the configuration says something else. mu is held.
func (e *Engine) limit(conf *config.Config, limits processLimits) {
	if limits.maxconn != e.hardMaxconn {
		e.maxconn.Store(limits.maxconn)
	}
	e.hardMaxconn = limits.maxconn
	e.pipes.Limit(limits.pipes)
	var old config.Global
	if e.conf != nil {
		old = e.conf.Global
	}
	if old.MaxconnRate != conf.Global.MaxconnRate {
		e.connRate.limit.Store(int64(conf.Global.MaxconnRate))
	}
	if old.MaxsessRate != conf.Global.MaxsessRate {
		e.sessRate.limit.Store(int64(conf.Global.MaxsessRate))
	}
}

// change is a reload that can no longer fail.
type change struct {
	listeners map[string]*listener
	fresh     []*listener // of these, bound for this change
	bound     map[*config.Bind]*listener
	adopted   adoptedSockets
	loggers   map[string]*logger
	pools     map[string]*logger // of backends with "log" lines
	sinks     map[string]*sink   // opened for this change
	found     map[string]netip.Addr
	names
	switching map[string]*switching // by frontend
	policies  map[string]*policy    // by backend
}

// prepare binds and opens what conf needs beyond what is open already.
func (e *Engine) prepare(conf *config.Config) (*change, error) {
	c := &change{listeners: map[string]*listener{}, bound: map[*config.Bind]*listener{}, loggers: map[string]*logger{}, pools: map[string]*logger{}, sinks: map[string]*sink{}}
	var errs *multierror.Error
	c.adopted = e.takeAdopted()
	for _, p := range conf.Proxies {
		if p.Kind.HasBackend() && !p.Disabled && len(p.Logs) > 0 {
			l, err := e.newLogger(c, p, &conf.Global)
			errs = appendError(errs, err)
			c.pools[p.Name] = l
		}
		if !p.Kind.HasFrontend() || p.Disabled {
			continue
		}
		l, err := e.newLogger(c, p, &conf.Global)
		if err != nil {
			errs = multierror.Append(errs, err)
		}
		c.loggers[p.Name] = l
		if f := e.frontends[p.Name]; f != nil && f.opening == frontendPaused {
			continue
		}
		for i := range p.Binds {
			errs = appendError(errs, e.prepareBind(c, p, &p.Binds[i]))
		}
	}
	errs = appendError(errs, e.compile(conf, c))
	if errs.ErrorOrNil() != nil {
		for _, l := range c.fresh {
			l.giveUp()
		}
		for _, s := range c.sinks {
			s.close()
		}
		e.discard(c.adopted, false)
		return nil, errs
	}
	ctx, cancel := context.WithTimeout(e.watch.ctx, resolveLimit)
	defer cancel()
	c.found = e.watch.resolveAll(ctx, hostNames(conf))
	return c, nil
}

func appendError(errs *multierror.Error, err error) *multierror.Error {
	if err == nil {
		return errs
	}
	return multierror.Append(errs, err)
}

// prepareBind finds or opens the socket of b. Two lines with one address have a
// socket each, between which the kernel shares the connections.
func (e *Engine) prepareBind(c *change, p *config.Proxy, b *config.Bind) error {
	key := e.bindKey(b)
	if bindPath(b) != "" && c.listeners[key] != nil {
		return fmt.Errorf("%s: %s %s: %s is bound twice", b.Pos, p.Kind, p.Name, key)
	}
	for n := 2; c.listeners[key] != nil; n++ {
		key = nthKey(e.bindKey(b), n)
	}
	if l := e.listeners[key]; l != nil {
		c.listeners[key], c.bound[b] = l, l
		return nil
	}
	l, err := e.openListener(b, p, c.adopted)
	if err != nil {
		return err
	}
	l.key = key
	c.listeners[key], c.bound[b] = l, l
	c.fresh = append(c.fresh, l)
	return nil
}

// commit puts a prepared change in force: first what sessions need, then the
// listeners.
func (e *Engine) commit(conf *config.Config, c *change) {
	e.commitBackends(conf, c)
	e.frontends = c.frontends
	for _, p := range conf.Proxies {
		if !p.Kind.HasFrontend() || p.Disabled {
			continue
		}
		f := e.frontends[p.Name]
		f.configure(p)
		f.logger.Store(c.loggers[p.Name])
		f.switching.Store(c.switching[p.Name])
		e.attach(c, f, p)
	}
	for key, l := range e.listeners {
		if c.listeners[key] == nil {
			e.drop(l)
		}
	}
	e.listeners = c.listeners
	e.discard(c.adopted, true)
	e.serveFresh(c)
	for _, w := range e.workers {
		w.loop.Post(w.resume) // limits may have been raised
	}
	maps.Copy(e.sinks, c.sinks)
	e.conf = conf
	e.reloads++
}

// attach gives the sockets of c to the bind lines of f, unless it is paused.
func (e *Engine) attach(c *change, f *frontend, p *config.Proxy) {
	for i := range p.Binds {
		l := c.bound[&p.Binds[i]]
		if l == nil {
			continue
		}
		if err := l.tune(e.listenOptions(&p.Binds[i], p)); err != nil {
			e.log.Warn("listening socket keeps its options", "listener", l.key, "error", err)
		}
		l.bind.Store(&p.Binds[i])
		l.frontend.Store(f)
	}
}

// serveFresh begins to accept on the sockets that were bound for c.
func (e *Engine) serveFresh(c *change) {
	for _, l := range c.fresh {
		e.keep(l)
		for _, w := range e.workers {
			w.loop.Post(func() { w.listen(l) })
		}
	}
}

func (e *Engine) commitBackends(conf *config.Config, c *change) {
	gone := maps.Clone(e.backends)
	e.backends = c.backends
	for _, p := range conf.Proxies {
		if !p.Kind.HasBackend() || p.Disabled {
			continue
		}
		b := e.backends[p.Name]
		delete(gone, p.Name)
		b.logger.Store(c.pools[p.Name])
		added, removed := b.configure(p, c.policies[p.Name], fullconnOf(conf, p, e.maxconn.Load()), c.found)
		for _, s := range added {
			e.watch.add(s)
		}
		for _, s := range removed {
			e.watch.remove(s)
		}
	}
	for _, b := range gone { // its sessions go on with what is known of the servers
		for _, s := range b.servers {
			e.watch.remove(s)
		}
	}
	e.watch.arrange(conf, e.backends)
}

// compile finds or makes the frontends and backends of conf and compiles their
// rules, which may name any of them. mu is held.
func (e *Engine) compile(conf *config.Config, c *change) error {
	c.names = names{map[string]*frontend{}, map[string]*backend{}, e.host()}
	c.switching, c.policies = map[string]*switching{}, map[string]*policy{}
	for _, p := range conf.Proxies {
		if p.Disabled {
			continue
		}
		if p.Kind.HasFrontend() {
			if c.frontends[p.Name] = e.frontends[p.Name]; c.frontends[p.Name] == nil {
				c.frontends[p.Name] = &frontend{name: p.Name, clock: clock{e.started}}
			}
		}
		if p.Kind.HasBackend() {
			if c.backends[p.Name] = e.backends[p.Name]; c.backends[p.Name] == nil {
				c.backends[p.Name] = newBackend(p.Name, clock{e.started})
			}
		}
	}
	var errs *multierror.Error
	for _, p := range conf.Proxies {
		var err error
		if p.Kind.HasFrontend() && !p.Disabled {
			c.switching[p.Name], err = c.compileSwitching(p, c.backendOf(p))
			errs = appendError(errs, err)
		}
		if p.Kind.HasBackend() && !p.Disabled {
			c.policies[p.Name], err = c.compilePolicy(p)
			errs = appendError(errs, err)
		}
	}
	return errs.ErrorOrNil()
}

// backendOf is where a frontend's sessions go without rules: default_backend, or for
// a listen section its own servers.
func (n names) backendOf(p *config.Proxy) *backend {
	if p.DefaultBackend != "" {
		return n.backends[p.DefaultBackend]
	}
	if p.Kind.HasBackend() {
		return n.backends[p.Name]
	}
	return nil
}
