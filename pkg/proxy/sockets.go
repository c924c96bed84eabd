package proxy

import (
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"

	"github.com/sluice-lb/sluice/pkg/config"
	"github.com/sluice-lb/sluice/pkg/ctl"
	"github.com/sluice-lb/sluice/pkg/evloop"
	"golang.org/x/sys/unix"
)

// closeFD closes a descriptor of which nobody needs to know whether it went well.
func closeFD(fd int) { _ = unix.Close(fd) }

// adoptedSockets are handed-over sockets by key, in the order of their arrival; one
// that was taken is -1.
type adoptedSockets map[string][]int

// take returns the next socket of key, which is the caller's then.
func (a adoptedSockets) take(key string) (fd int, ok bool) {
	for i, fd := range a[key] {
		if fd >= 0 {
			a[key][i] = -1
			return fd, true
		}
	}
	return -1, false
}

// takeAdopted indexes the handed-over sockets by what they are bound to; the first
// prepare uses them up. Descriptors that are no listening sockets are closed. mu
// is held.
func (e *Engine) takeAdopted() adoptedSockets {
	adopted := adoptedSockets{}
	for _, s := range e.opt.Adopted {
		fd := s.FD
		addr, path, err := evloop.ListenAddr(fd)
		if err == nil {
			err = unix.SetNonblock(fd, true)
		}
		if err != nil {
			e.log.Warn("inherited descriptor not used", "fd", fd, "error", err)
			closeFD(fd)
			continue
		}
		iface, v6only := evloop.BoundTo(fd)
		key := socketKey(addr, path, iface, v6only) + placeKey(s.Namespace, isTransparent(fd, addr))
		adopted[key] = append(adopted[key], fd)
	}
	e.opt.Adopted = nil
	return adopted
}

// isTransparent reports whether fd may have an address of another machine.
func isTransparent(fd int, addr netip.AddrPort) bool {
	level, option := unix.IPPROTO_IP, unix.IP_TRANSPARENT
	if addr.Addr().Is6() {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_TRANSPARENT
	}
	on, err := unix.GetsockoptInt(fd, level, option)
	return addr.IsValid() && err == nil && on != 0
}

// HandOver gives send copies of the listening sockets, for a successor; they are
// closed when it returns. From then on each is shared with the successor until one
// of both ends: nothing that connects is lost.
func (e *Engine) HandOver(send func([]ctl.Socket) error) error {
	var sockets []ctl.Socket
	defer func() {
		for _, s := range sockets {
			closeFD(s.FD)
		}
	}()
	var given []*listener
	failed := func(err error) error { // nobody shares them after all
		for _, l := range given {
			l.shared.Store(false)
		}
		return err
	}
	e.mu.Lock()
	for _, l := range e.listeners {
		fd, err := unix.FcntlInt(uintptr(l.fd), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			e.mu.Unlock()
			return failed(fmt.Errorf("copy socket %s: %w", l.key, err))
		}
		b := l.bind.Load()
		s := ctl.Socket{FD: fd, Interface: b.Interface}
		if b.Options != nil {
			s.Namespace = b.Options.Namespace
		}
		sockets, given = append(sockets, s), append(given, l)
		l.shared.Store(true) // now: the successor may stop us before send returns
	}
	e.mu.Unlock()
	if err := send(sockets); err != nil {
		return failed(err)
	}
	return nil
}

// discard closes the adopted sockets that no frontend binds. Once the change is
// sure the store forgets them too: its copies would go on taking connections.
func (e *Engine) discard(adopted adoptedSockets, sure bool) {
	for key, fds := range adopted {
		for i, fd := range fds {
			if fd < 0 {
				continue
			}
			if sure {
				e.forget(&listener{key: nthKey(key, i+1)})
			}
			closeFD(fd)
		}
	}
}

// nthKey is the key of the nth socket of one address.
func nthKey(key string, n int) string {
	if n == 1 {
		return key
	}
	return fmt.Sprintf("%s#%d", key, n)
}

// keep hands a copy of the socket to the store, so that it outlives a crash.
func (e *Engine) keep(l *listener) {
	if e.opt.Store == nil {
		return
	}
	if err := e.opt.Store.Keep(storeName(l), l.fd); err != nil {
		e.log.Warn("listening socket not stored", "listener", l.key, "error", err)
	}
}

// storeName names a socket for the store: sd_notify(3) allows neither colons nor
// control characters in FDNAME.
func storeName(l *listener) string {
	return "listen-" + strings.Map(func(r rune) rune {
		if r == ':' || r <= ' ' || r > '~' {
			return '_'
		}
		return r
	}, l.key)
}

// drop ends accepting on l. Connections that wait in its backlog are still
// served: the last worker to let go accepts them before the socket is closed. A
// stored copy is forgotten first, as it would keep the port open, unless a successor
// has the socket: its store may be the same.
func (e *Engine) drop(l *listener) {
	if !l.shared.Load() {
		e.forget(l)
	}
	e.dropping.Add(1)
	var left atomic.Int32
	left.Store(int32(len(e.workers)))
	for _, w := range e.workers {
		w.loop.Post(func() {
			w.unlisten(l)
			if left.Add(-1) == 0 {
				w.acceptRest(l)
				l.close()
				e.settle(&e.dropping)
			}
		})
	}
}

// forget has the store close its copy of the socket.
func (e *Engine) forget(l *listener) {
	if e.opt.Store == nil {
		return
	}
	if err := e.opt.Store.Forget(storeName(l)); err != nil {
		e.log.Warn("listening socket not removed from store", "listener", l.key, "error", err)
	}
}

// acceptRest serves what waits in the backlog of a socket that is about to close.
func (w *worker) acceptRest(l *listener) {
	for {
		fe := w.e.admit(l)
		if fe == nil {
			return
		}
		fd, peer, err := w.loop.Accept(l.fd)
		if err != nil {
			w.e.dismiss(l, fe)
			return
		}
		w.session().start(fd, l, fe, peer)
	}
}

// hostNames lists the servers' host names that are no address literals.
func hostNames(conf *config.Config) []string {
	seen := map[string]bool{}
	var hosts []string
	for _, p := range conf.Proxies {
		if p.Disabled {
			continue
		}
		for i := range p.Servers {
			s := &p.Servers[i]
			if _, err := netip.ParseAddr(s.Host); err == nil || s.Path != "" || seen[s.Host] {
				continue
			}
			seen[s.Host] = true
			hosts = append(hosts, s.Host)
		}
	}
	return hosts
}
