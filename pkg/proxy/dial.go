package proxy

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"github.com/sluice-lb/sluice/pkg/config"
	"github.com/sluice-lb/sluice/pkg/evloop"
	"github.com/sluice-lb/sluice/pkg/rules"
	"golang.org/x/sys/unix"
)

// route is how connections to a server are made. It is built when the server is
// configured and immutable, but for the pool of ports.
type route struct {
	options      evloop.ConnectOptions // as far as they are the same for all sessions
	own          netip.AddrPort        // source that is the machine's own; invalid: any
	useClient    bool                  // the source is the client's address
	usePort      bool                  // and its port
	ofClient     bool                  // the network namespace is that of the client's connection
	ports        *portPool             // source ports; nil: any, or that of options
	fastOpen     bool                  // if the client has sent something
	smart        bool                  // "tcp-smart-connect", under the same condition
	proxyVersion int                   // PROXY header that the server gets; 0: none
	checksum     bool                  // with CRC32C
	authority    bool                  // with the host name from the client's PROXY header
	uniqueID     bool                  // with an id of the session
}

// newRoute works out how servers of px with the options of conf are reached. The
// ports that old's sessions hold stay held if the pool is the same.
func newRoute(px *config.Proxy, conf *config.Server, old *route) *route {
	r := &route{smart: px.Flags.SmartConnect}
	r.options.Keepalive = keepalive(px.ServerKeepalive, px.ServerProbes)
	src := conf.Source
	if src == nil {
		src = px.Source
	}
	if src != nil {
		r.from(src, old)
	}
	if o := conf.Options; o != nil {
		r.fastOpen = o.TFO
		r.options.UserTimeout = int(o.TCPUserTimeout.Milliseconds())
		if r.ofClient = o.Namespace == "*"; !r.ofClient {
			r.options.Namespace = o.Namespace
		}
	}
	if p := conf.SendProxy; p != nil {
		r.proxyVersion = p.Version
		r.checksum = slices.Contains(p.Options, "crc32c")
		r.authority = slices.Contains(p.Options, "authority")
		r.uniqueID = slices.Contains(p.Options, "unique-id")
	}
	return r
}

// from takes a "source" line over.
func (r *route) from(src *config.ConnSource, old *route) {
	r.options.Interface = src.Interface
	if a := src.Addr; a.IsValid() && (!a.Addr().IsUnspecified() || a.Port() != 0) {
		r.own, r.options.Source = a, a
	}
	switch src.UseSrc {
	case "client", "clientip":
		r.useClient, r.usePort = true, src.UseSrc == "client"
	case "addr":
		r.options.Source, r.options.Foreign = src.UseSrcAddr, true
	}
	if src.LastPort > 0 && src.UseSrc == "" {
		first, last := src.Addr.Port(), uint16(src.LastPort)
		if old != nil && old.ports != nil && old.ports.first == first && old.ports.last == last {
			r.ports = old.ports
		} else {
			r.ports = newPortPool(first, last)
		}
	}
}

// portPool holds the source ports that no connection uses, the one that was given
// back first in front: its last connection is the most likely to be forgotten.
type portPool struct {
	first, last uint16

	mu   sync.Mutex // guards free and head
	free []uint16   // ring
	head int
	n    int
}

func newPortPool(first, last uint16) *portPool {
	p := &portPool{first: first, last: last, free: make([]uint16, int(last)-int(first)+1)}
	for i := range p.free {
		p.free[i] = first + uint16(i)
	}
	p.n = len(p.free)
	return p
}

// take returns a free port, 0 if there is none.
func (p *portPool) take() uint16 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.n == 0 {
		return 0
	}
	port := p.free[p.head]
	p.head = (p.head + 1) % len(p.free)
	p.n--
	return port
}

func (p *portPool) put(port uint16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free[(p.head+p.n)%len(p.free)] = port
	p.n++
}

// returnPort gives a source port of the pool back with the end of its connection.
func (s *session) returnPort() {
	if s.borrowed != 0 {
		s.route.ports.put(s.borrowed)
		s.borrowed = 0
	}
}

// dial starts a connection to the assigned server.
func (s *session) dial() (int, error) {
	r := s.srv.route.Load()
	s.route = r
	t := s.srv.target.Load()
	if t.path != "" {
		s.noteServer(rules.End{Unix: true}, -1)
		return s.w.loop.ConnectUnix(t.path)
	}
	to, err := s.resolve(t)
	if err != nil {
		return -1, err
	}
	fd, err := s.dialTo(to)
	s.noteServer(rules.End{Addr: to}, fd)
	return fd, err
}

// dialTo starts a connection to an address by the session's route.
func (s *session) dialTo(to netip.AddrPort) (int, error) {
	r := s.route
	o := r.options
	if r.useClient && s.client.IsValid() {
		o.Source, o.Foreign = s.client, true
		if !r.usePort {
			o.Source = netip.AddrPortFrom(s.client.Addr(), 0)
		}
	}
	if b := s.listener.bind.Load(); r.ofClient && b.Options != nil {
		o.Namespace = b.Options.Namespace
	}
	if (r.smart || r.fastOpen) && (r.proxyVersion != 0 || s.clientSpoke()) {
		o.NoQuickAck = r.smart
		o.FastOpen = r.fastOpen && s.retries == 0
	}
	if r.ports == nil {
		return s.w.loop.Connect(to, &o)
	}
	return s.dialFromPool(to, &o)
}

// portAttempts is how many ports of the pool are tried if others use them.
const portAttempts = 10

func (s *session) dialFromPool(to netip.AddrPort, o *evloop.ConnectOptions) (fd int, err error) {
	for range portAttempts {
		if s.borrowed = s.route.ports.take(); s.borrowed == 0 {
			return -1, evloop.SourceError{Err: unix.EADDRNOTAVAIL}
		}
		o.Source = netip.AddrPortFrom(s.route.options.Source.Addr(), s.borrowed)
		if fd, err = s.w.loop.Connect(to, o); err == nil {
			return fd, nil
		}
		s.returnPort()
		if e, ok := err.(evloop.SourceError); !ok || e.Err != unix.EADDRINUSE {
			break
		}
	}
	return -1, err
}

// resolve works out the address of a target, parts of which may be the client's.
func (s *session) resolve(t *target) (netip.AddrPort, error) {
	if !t.addr.IsValid() {
		return netip.AddrPort{}, errUnresolved
	}
	addr, port := t.addr, t.port
	if t.portRelative {
		local := s.destination().Port()
		s.srv.lastPort.Store(int32(local))
		port += int(local)
	}
	if addr.IsUnspecified() {
		if addr = s.destination().Addr(); !addr.IsValid() {
			return netip.AddrPort{}, errNoDestination
		}
	}
	if port < 1 || port > 65535 {
		return netip.AddrPort{}, fmt.Errorf("port %d is out of range", port)
	}
	return netip.AddrPortFrom(addr, uint16(port)), nil
}

// clientSpoke reports whether bytes of the client wait.
func (s *session) clientSpoke() bool {
	n, err := evloop.Peek(int(s.ends[clientEnd].fd), s.w.loop.Scratch()[:1])
	return err == nil && n > 0
}
