package proxy

import (
	"fmt"
	"net/netip"
	"os"
	"sync/atomic"

	"github.com/sluice-lb/sluice/pkg/config"
	"github.com/sluice-lb/sluice/pkg/evloop"
	"golang.org/x/sys/unix"
)

// listener is one listening socket, shared by all loops. It survives reloads as
// long as some frontend binds its address, whichever that is.
type listener struct {
	key   string
	addr  netip.AddrPort // invalid for a UNIX socket
	path  string         // of a UNIX socket; "@name" of an abstract one
	file  os.FileInfo    // of path when it was bound: a successor may take the name
	fd    int
	conns atomic.Int64
	// adopted: somebody else has the socket too, as long as it is not kept.
	adopted bool
	// shared: a successor has the socket too, and so its file.
	shared atomic.Bool
	// The frontend and its bind line change with a reload; a connection takes
	// those in force when it is accepted.
	frontend atomic.Pointer[frontend]
	bind     atomic.Pointer[config.Bind]
}

// bindKey names what a bind line binds, apart from limits that can be changed on
// an open socket.
func (e *Engine) bindKey(b *config.Bind) string {
	key := socketKey(b.Addr, bindPath(b), b.Interface, e.v6only(b))
	if o := b.Options; o != nil {
		key += placeKey(o.Namespace, o.Transparent)
	}
	return key
}

// placeKey is the part of a socket's key that most have not.
func placeKey(namespace string, transparent bool) (key string) {
	if namespace != "" {
		key += ",namespace=" + namespace
	}
	if transparent {
		key += ",transparent"
	}
	return key
}

// bindPath is the name of b's UNIX socket: a path, "@name" of an abstract one, "".
func bindPath(b *config.Bind) string {
	if b.Abstract != "" {
		return "@" + b.Abstract
	}
	return b.Path
}

// socketKey names what a TCP or UNIX socket is bound to, but for what placeKey adds.
func socketKey(addr netip.AddrPort, path, iface string, v6only bool) string {
	if path != "" {
		return "unix@" + path
	}
	key := addr.String()
	if iface != "" {
		key += "%" + iface
	}
	if addr.Addr().Is6() && addr.Addr().IsUnspecified() && v6only {
		key += ",v6only"
	}
	return key
}

// v6only reports whether b's socket refuses IPv4 (configuration manual, "v4v6" and
// "v6only"; without either the system decides).
func (e *Engine) v6only(b *config.Bind) bool {
	return b.V6Only || !b.V4V6 && e.systemV6Only
}

// openListener binds b, or takes over the socket that adopted has for it.
func (e *Engine) openListener(b *config.Bind, conf *config.Proxy, adopted adoptedSockets) (*listener, error) {
	l := &listener{key: e.bindKey(b), addr: b.Addr, path: bindPath(b)}
	o := e.listenOptions(b, conf)
	owner, err := socketOwner(b.Options)
	if err != nil {
		return nil, fmt.Errorf("%s: %s %s: %w", b.Pos, conf.Kind, conf.Name, err)
	}
	if fd, ok := adopted.take(l.key); ok {
		l.fd, l.adopted = fd, true
		if err = l.tune(o); err != nil {
			closeFD(fd)
		}
	} else if l.path != "" {
		l.fd, err = evloop.ListenUnix(l.path, o.Backlog, owner)
	} else {
		l.fd, err = evloop.Listen(b.Addr, o)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %s %s: %w", b.Pos, conf.Kind, conf.Name, err)
	}
	if l.path != "" {
		l.file, _ = os.Lstat(l.path)
	}
	return l, nil
}

// listenOptions are the properties of the socket of b, a bind line of conf.
func (e *Engine) listenOptions(b *config.Bind, conf *config.Proxy) evloop.ListenOptions {
	backlog := b.Backlog
	if backlog == 0 {
		backlog = conf.Backlog
	}
	o := evloop.ListenOptions{Backlog: backlog, V6Only: e.v6only(b), Interface: b.Interface,
		NoQuickAck: conf.Flags.SmartAccept, Keepalive: keepalive(conf.ClientKeepalive, conf.ClientProbes)}
	if x := b.Options; x != nil {
		o.Namespace, o.DeferAccept, o.FastOpen, o.Transparent = x.Namespace, x.DeferAccept, x.TFO, x.Transparent
		o.MSS, o.UserTimeout = max(x.MSS, 0), int(x.TCPUserTimeout.Milliseconds())
	}
	return o
}

// keepalive is what the options "clitcpka" and "srvtcpka" and those of their probes
// say.
func keepalive(on bool, probes config.Keepalive) evloop.Keepalive {
	return evloop.Keepalive{On: on, Count: probes.Count, Idle: int(probes.Idle.Seconds()), Interval: int(probes.Interval.Seconds())}
}

// socketOwner finds out who may connect to a UNIX socket.
func socketOwner(o *config.BindOptions) (evloop.Owner, error) {
	owner := evloop.Owner{UID: -1, GID: -1}
	if o == nil {
		return owner, nil
	}
	owner.Mode = o.Mode
	var err error
	owner.UID, owner.GID, err = OwnerIDs(o.User, o.Group)
	return owner, err
}

// tune brings a socket that listens already in line with its bind line.
func (l *listener) tune(o evloop.ListenOptions) error {
	if l.path != "" {
		return nil
	}
	return evloop.Tune(l.fd, l.addr, o)
}

// close closes the socket once no loop uses it any more. The socket file goes too,
// unless it is a successor's by now.
func (l *listener) close() {
	if l.path != "" && l.file != nil && !l.shared.Load() {
		if now, err := os.Lstat(l.path); err == nil && os.SameFile(l.file, now) {
			_ = os.Remove(l.path)
		}
	}
	_ = unix.Close(l.fd)
}

// giveUp closes a socket that was prepared for nothing. An adopted one stays with
// whoever else has it.
func (l *listener) giveUp() {
	if l.adopted {
		_ = unix.Close(l.fd)
		return
	}
	l.close()
}

// acceptor is a listener as one worker serves it.
type acceptor struct {
	w      *worker
	l      *listener
	watch  evloop.Watch
	timer  evloop.Timer
	turn   uint64 // of the last event
	take   int    // connections to accept in a turn
	paused bool   // at a limit, or out of descriptors
}

const (
	// acceptBatch bounds the connections taken in one turn, so that the loops
	// share a burst and running sessions are not starved. It is reached by doubling
	// while turn after turn brings connections: to see that no other waits costs a
	// system call too.
	acceptBatch = 16
	// acceptPause is how long a worker waits after a lack of descriptors or
	// memory, ms.
	acceptPause = 100
)

// Event accepts what waits, within the limits.
func (a *acceptor) Event(evloop.Events) {
	turn := a.w.loop.Turn()
	if turn == a.turn+1 {
		a.take = min(2*max(a.take, 1), acceptBatch)
	} else {
		a.take = 1
	}
	a.turn = turn
	for range a.take {
		fe := a.w.e.admit(a.l)
		if fe == nil {
			a.pause()
			return
		}
		if wait := a.w.e.rateWait(fe, a.w.loop.Now()); wait > 0 {
			a.w.e.dismiss(a.l, fe)
			a.w.loop.SetTimer(&a.timer, a.w.loop.Now()+wait, a)
			a.pause()
			return
		}
		fd, peer, err := a.w.loop.Accept(a.l.fd)
		if err != nil {
			a.w.e.dismiss(a.l, fe)
			switch err {
			case unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM:
				a.w.e.log.Warn("cannot accept", "listener", a.l.key, "error", err)
				a.w.loop.SetTimer(&a.timer, a.w.loop.Now()+acceptPause, a)
				a.pause()
				return
			case unix.EAGAIN:
				a.take = 1
				return
			}
			continue // the connection was gone before it was accepted
		}
		a.w.e.countConnection(a.w.loop.Now())
		a.w.session().start(fd, a.l, fe, peer)
	}
}

// Expired ends a pause for lack of descriptors or for a rate.
func (a *acceptor) Expired() { a.resume() }

// pause leaves new connections in the kernel's backlog.
func (a *acceptor) pause() {
	if a.paused {
		return
	}
	a.paused = true
	a.w.e.paused.Add(1)
	a.w.loop.Unregister(a.l.fd, a.watch)
	// A place may have become free before the pause was visible to those who end
	// sessions.
	if a.w.e.hasRoom(a.l) && !a.timer.Active() {
		a.w.loop.Later(a)
	}
}

// Continue ends a pause that was over when it began.
func (a *acceptor) Continue() { a.resume() }

func (a *acceptor) resume() {
	if !a.paused {
		return
	}
	a.paused = false
	a.w.e.paused.Add(-1)
	a.w.loop.StopTimer(&a.timer)
	a.register()
}

func (a *acceptor) register() {
	var err error
	if a.watch, err = a.w.loop.RegisterListener(a.l.fd, a); err != nil {
		a.w.e.log.Error("cannot watch listener", "listener", a.l.key, "error", err)
	}
}

// stop ends the worker's use of the socket.
func (a *acceptor) stop() {
	a.w.loop.StopTimer(&a.timer)
	if a.paused {
		a.paused = false
		a.w.e.paused.Add(-1)
	} else {
		a.w.loop.Unregister(a.l.fd, a.watch)
	}
}
