package proxy

import (
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/sluice-lb/sluice/pkg/config"
)

// server is one member of a backend. It survives reloads under its name.
type server struct {
	name    string
	backend *backend
	stats   proxyStats
	target  atomic.Pointer[target]
	route   atomic.Pointer[route]
	current atomic.Int64 // copy of served for statistics
	// lastPort is the port the last client connected to, which relative ports
	// refer to when the server is probed.
	lastPort atomic.Int32
	limited  atomic.Bool             // limits.maxconn is set
	id       atomic.Int64            // "id" of the server line
	watcher  atomic.Pointer[watcher] // told about failed attempts

	// Guarded by backend.mu.
	condition
	conf   *config.Server
	index  int // place in the backend; -1: no longer configured
	weight int
	limits serverLimits
	served int   // sessions assigned
	queue  queue // of those that wait for this server
	// eligible: the algorithm gives it new connections. A backup server is not
	// while it is not needed.
	eligible bool
	backup   bool
	located  bool // has an address
	suspect  bool // attempts fail: out of rotation until a probe succeeds
}

// target is where a server is.
type target struct {
	addr         netip.Addr // invalid: not resolved
	port         int        // or the offset, if portRelative
	portRelative bool
	path         string // UNIX socket; then the others are unset
}

// configure takes a new "server" line over; found holds addresses of host names.
// It reports whether the server is somewhere else now. backend.mu is held.
func (s *server) configure(conf *config.Server, index int, found map[string]netip.Addr) (moved bool) {
	old := s.conf
	moved = old == nil || old.Host != conf.Host || old.Path != conf.Path
	s.conf, s.index, s.backup = conf, index, conf.Backup
	s.id.Store(int64(conf.ID))
	if old == nil || limitsOf(old) != limitsOf(conf) {
		s.limits = limitsOf(conf)
		s.limited.Store(s.limits.maxconn > 0)
	}
	s.adopt(old, conf, moved)
	var known *target
	if !moved {
		known = s.target.Load()
	}
	t := targetOf(conf, found, known)
	if moved {
		s.suspect = false
	}
	if s.moved = s.moved && !moved && old.Port == conf.Port && old.PortRelative == conf.PortRelative; s.moved {
		t = known
	}
	s.target.Store(t)
	s.route.Store(newRoute(s.backend.conf, conf, s.route.Load()))
	s.located = t.path != "" || t.addr.IsValid()
	return moved
}

// targetOf is where a server line leads to; found holds addresses of host names. A
// name that is not there keeps the address of known, which may be nil.
func targetOf(conf *config.Server, found map[string]netip.Addr, known *target) *target {
	t := &target{port: conf.Port, portRelative: conf.PortRelative, path: conf.Path}
	if addr, err := netip.ParseAddr(conf.Host); err == nil {
		t.addr = addr.Unmap()
	} else if t.addr = found[conf.Host]; !t.addr.IsValid() && known != nil {
		t.addr = known.addr // keep what was resolved before
	}
	return t
}

// newDirect makes what "dispatch" and "option transparent" connect to: a server
// that no list has. Both pass over the servers of the backend. mu is held.
func (b *backend) newDirect(conf *config.Proxy) *server {
	t := &target{path: conf.DispatchPath, addr: conf.Dispatch.Addr(), port: int(conf.Dispatch.Port())}
	if t.path == "" && !t.addr.IsValid() {
		if !conf.Flags.Transparent {
			return nil
		}
		t.addr, t.portRelative = netip.IPv4Unspecified(), true
	}
	s := &server{name: "<NOSRV>", backend: b, conf: &config.Server{}, index: -1, located: true}
	s.target.Store(t)
	s.route.Store(newRoute(conf, s.conf, nil))
	return s
}

// count adds a session. backend.mu is held.
func (s *server) count() {
	s.served++
	s.current.Store(int64(s.served))
}

// needsResolution reports whether the server is known by a host name. backend.mu
// is held.
func (s *server) needsResolution() bool {
	if s.conf.Path != "" {
		return false
	}
	_, err := netip.ParseAddr(s.conf.Host)
	return err != nil
}

// usable reports whether the server may take connections at all. backend.mu is
// held.
func (s *server) usable() bool {
	return s.admin&(anyMaint|anyDrain) == 0 && s.up() && s.located && s.weight > 0
}

// reachable reports whether the server is up, whatever its weight. backend.mu is
// held.
func (s *server) reachable() bool {
	return s.admin&anyMaint == 0 && s.op != opStopped && s.located && !s.suspect
}

// inService reports whether the server may take connections and is not known to
// fail. backend.mu is held.
func (s *server) inService() bool { return s.usable() && !s.suspect }

// failed reports a connection attempt that failed through the server's fault.
func (s *server) failed(err error) {
	w := s.watcher.Load()
	if w != nil && !s.target.Load().addr.IsUnspecified() { // else it is the client's choice that failed
		w.suspect(s, err)
	}
}

// locate puts the resolved address of host in force, unless the server got
// another one while it was looked up. With its first address it leaves the
// maintenance that it was in for want of one, and warms up; conclude must follow.
// watcher.order is held.
func (s *server) locate(host string, addr netip.Addr) (changed bool, after consequence) {
	s.backend.changed(func() {
		old := s.target.Load()
		if old.addr == addr || s.conf.Host != host || !s.needsResolution() {
			return
		}
		t := *old
		t.addr = addr
		s.target.Store(&t)
		first := !s.located && s.admin&anyMaint == 0
		s.located, changed = true, true
		if first {
			if s.checking {
				s.health.Revive()
			}
			s.leaveMaintenance(time.Now())
			after = s.consequence()
		}
	})
	return changed, after
}
