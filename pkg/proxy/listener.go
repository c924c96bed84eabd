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
	path  string
	fd    int
	conns atomic.Int64
	// The frontend and its bind line change with a reload; a connection takes
	// those in force when it is accepted.
	frontend atomic.Pointer[frontend]
	bind     atomic.Pointer[config.Bind]
}

// bindKey names what a bind line binds, apart from limits that can be changed on
// an open socket.
func bindKey(b *config.Bind) string {
	if b.Path != "" {
		return "unix@" + b.Path
	}
	key := b.Addr.String()
	if b.Interface != "" {
		key += "%" + b.Interface
	}
	if b.Addr.Addr().Is6() && !b.V4V6 {
		key += ",v6only"
	}
	return key
}

// openListener binds b, or takes over the socket that adopted has for it.
func openListener(b *config.Bind, conf *config.Proxy, adopted map[string]int) (*listener, error) {
	l := &listener{key: bindKey(b), addr: b.Addr, path: b.Path}
	backlog := b.Backlog
	if backlog == 0 {
		backlog = conf.Backlog
	}
	adoptKey := b.Addr.String()
	if b.Path != "" {
		adoptKey = b.Path
	}
	if fd, ok := adopted[adoptKey]; ok {
		delete(adopted, adoptKey)
		l.fd = fd
		return l, nil
	}
	var err error
	if b.Path != "" {
		l.fd, err = evloop.ListenUnix(b.Path, backlog)
	} else {
		l.fd, err = evloop.Listen(b.Addr, evloop.ListenOptions{
			Backlog: backlog, V6Only: !b.V4V6, Interface: b.Interface, Keepalive: conf.ClientKeepalive,
		})
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %s %s: %w", b.Pos, conf.Kind, conf.Name, err)
	}
	return l, nil
}

// close closes the socket once no loop uses it any more.
func (l *listener) close() {
	_ = unix.Close(l.fd)
	if l.path != "" {
		_ = os.Remove(l.path)
	}
}

// acceptor is a listener as one worker serves it.
type acceptor struct {
	w      *worker
	l      *listener
	timer  evloop.Timer
	paused bool // at a limit, or out of descriptors
}

const (
	// acceptBatch bounds the connections taken in one turn, so that the loops
	// share a burst and running sessions are not starved.
	acceptBatch = 16
	// acceptPause is how long a worker waits after a lack of descriptors or
	// memory, ms.
	acceptPause = 100
)

// Event accepts what waits, within the limits.
func (a *acceptor) Event(evloop.Events) {
	for range acceptBatch {
		fe := a.w.e.admit(a.l)
		if fe == nil {
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
				return
			}
			continue // the connection was gone before it was accepted
		}
		a.w.session().start(fd, a.l, fe, peer)
	}
}

// Expired ends a pause for lack of descriptors.
func (a *acceptor) Expired() { a.resume() }

// pause leaves new connections in the kernel's backlog.
func (a *acceptor) pause() {
	if a.paused {
		return
	}
	a.paused = true
	a.w.e.paused.Add(1)
	a.w.loop.Unregister(a.l.fd)
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
	if err := a.w.loop.RegisterListener(a.l.fd, a); err != nil {
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
		a.w.loop.Unregister(a.l.fd)
	}
}
