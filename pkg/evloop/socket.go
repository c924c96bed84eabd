package evloop

import (
	"fmt"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ListenOptions are the properties of a listening TCP socket. Those below
// Transparent are inherited by what it accepts.
type ListenOptions struct {
	Backlog     int    // listen(2) backlog; 0: the system's maximum
	V6Only      bool   // an IPv6 wildcard does not accept IPv4
	Interface   string // bind to this device only; "": any
	Namespace   string // network namespace; "": that of the process
	DeferAccept bool   // accept when the first data has come
	FastOpen    bool   // TCP fast open
	Transparent bool   // the address need not be the machine's own
	MSS         int    // greatest segment, bytes; 0: the system's
	UserTimeout int    // ms that sent data may stay unacknowledged; 0: the system's
	NoQuickAck  bool   // acknowledge the first data together with the answer
	Keepalive   Keepalive
}

// Keepalive tells whether and how TCP keep-alive probes are sent; 0 is the
// system's value.
type Keepalive struct {
	On             bool
	Count          int // probes that may stay unanswered
	Idle, Interval int // seconds
}

// Listen binds a nonblocking listening TCP socket. Options that accepted sockets
// inherit on Linux (TCP_NODELAY, SO_KEEPALIVE) are set here, once, rather than on
// each connection. SO_REUSEPORT lets a successor bind beside its predecessor.
func Listen(addr netip.AddrPort, o ListenOptions) (fd int, err error) {
	fd, err = tcpSocket(addr.Addr(), o.Namespace)
	if err != nil {
		return -1, fmt.Errorf("create socket for %s: %w", addr, err)
	}
	if err := bind(fd, addr, o); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func bind(fd int, addr netip.AddrPort, o ListenOptions) error {
	opts := [][3]int{
		{unix.SOL_SOCKET, unix.SO_REUSEADDR, 1},
		{unix.SOL_SOCKET, unix.SO_REUSEPORT, 1},
	}
	if addr.Addr().Is6() {
		opts = append(opts, [3]int{unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, boolInt(o.V6Only)})
	}
	if o.Transparent {
		opts = append(opts, transparent(addr.Addr()))
	}
	if err := setOptions(fd, opts, addr); err != nil {
		return err
	}
	if o.Interface != "" {
		if err := unix.BindToDevice(fd, o.Interface); err != nil {
			return fmt.Errorf("bind %s to interface %s: %w", addr, o.Interface, err)
		}
	}
	if err := unix.Bind(fd, sockaddr(addr)); err != nil {
		return fmt.Errorf("bind %s: %w", addr, err)
	}
	return Tune(fd, addr, o)
}

// Tune gives fd, bound to addr, those of the options that can change while it
// listens: all but address family, interface, namespace and transparency.
func Tune(fd int, addr netip.AddrPort, o ListenOptions) error {
	opts := [][3]int{
		{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
		{unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, o.UserTimeout},
		{unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, boolInt(o.DeferAccept)},
		{unix.IPPROTO_TCP, unix.TCP_QUICKACK, boolInt(!o.NoQuickAck)},
	}
	opts = append(opts, o.Keepalive.options()...)
	if o.MSS > 0 {
		opts = append(opts, [3]int{unix.IPPROTO_TCP, unix.TCP_MAXSEG, o.MSS})
	}
	if err := setOptions(fd, opts, addr); err != nil {
		return err
	}
	if err := listen(fd, addr.String(), o.Backlog); err != nil || !o.FastOpen {
		return err
	}
	queue := o.Backlog
	if queue <= 0 {
		queue = maxBacklog
	}
	return setOptions(fd, [][3]int{{unix.IPPROTO_TCP, unix.TCP_FASTOPEN, queue}}, addr)
}

// options are the socket options for k: level, name and value of each.
func (k Keepalive) options() [][3]int {
	opts := [][3]int{{unix.SOL_SOCKET, unix.SO_KEEPALIVE, boolInt(k.On)}}
	for _, v := range [...][2]int{{unix.TCP_KEEPCNT, k.Count}, {unix.TCP_KEEPIDLE, k.Idle}, {unix.TCP_KEEPINTVL, k.Interval}} {
		if k.On && v[1] > 0 {
			opts = append(opts, [3]int{unix.IPPROTO_TCP, v[0], v[1]})
		}
	}
	return opts
}

func setOptions(fd int, opts [][3]int, addr netip.AddrPort) error {
	for _, opt := range opts {
		if err := unix.SetsockoptInt(fd, opt[0], opt[1], opt[2]); err != nil {
			return fmt.Errorf("set option %d/%d for %s: %w", opt[0], opt[1], addr, err)
		}
	}
	return nil
}

// transparent is the option that lets a socket have an address of another machine.
func transparent(a netip.Addr) [3]int {
	if a.Is4() {
		return [3]int{unix.IPPROTO_IP, unix.IP_TRANSPARENT, 1}
	}
	return [3]int{unix.IPPROTO_IPV6, unix.IPV6_TRANSPARENT, 1}
}

func listen(fd int, name string, backlog int) error {
	if backlog <= 0 {
		backlog = maxBacklog
	}
	if err := unix.Listen(fd, backlog); err != nil {
		return fmt.Errorf("listen on %s: %w", name, err)
	}
	return nil
}

// maxBacklog asks for more than net.core.somaxconn usually allows: the kernel
// takes the lesser of the two.
const maxBacklog = 65535

// BoundTo returns what else tells the listening TCP socket fd from others of its
// address: the interface, "" for any, and whether an IPv6 one refuses IPv4.
func BoundTo(fd int) (iface string, v6only bool) {
	iface, _ = unix.GetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE)
	n, _ := unix.GetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
	return iface, n != 0
}

// V6OnlyByDefault reports whether the system's IPv6 sockets refuse IPv4 unless
// told otherwise (net.ipv6.bindv6only).
func V6OnlyByDefault() bool {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false // without IPv6 it does not matter
	}
	defer unix.Close(fd)
	_, v6only := BoundTo(fd)
	return v6only
}

// ListenAddr returns the address that fd is bound to: a TCP address, or the path
// of a UNIX socket. It fails unless fd is a listening stream socket.
func ListenAddr(fd int) (addr netip.AddrPort, path string, err error) {
	accepting, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil {
		return addr, "", fmt.Errorf("inspect descriptor %d: %w", fd, err)
	}
	if accepting == 0 {
		return addr, "", fmt.Errorf("inspect descriptor %d: not a listening socket", fd)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return addr, "", fmt.Errorf("inspect descriptor %d: %w", fd, err)
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port)), "", nil
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port)), "", nil
	case *unix.SockaddrUnix:
		return addr, finalPath(sa.Name), nil // "@name" of an abstract one
	}
	return addr, "", fmt.Errorf("inspect descriptor %d: neither TCP nor UNIX", fd)
}

func sockaddr(addr netip.AddrPort) unix.Sockaddr {
	if addr.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(addr.Port()), Addr: addr.Addr().As16()}
}

func family(a netip.Addr) int {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// rawAddr is where the kernel writes and reads socket addresses. It belongs to
// the loop, so accepting and connecting allocate nothing.
type rawAddr struct {
	any unix.RawSockaddrAny
	len uint32
}

// Accept takes one connection from the listening socket fd. The new descriptor is
// nonblocking; peer is invalid for a UNIX socket. EAGAIN means that none waits.
func (l *Loop) Accept(fd int) (conn int, peer netip.AddrPort, err error) {
	l.raw.len = unix.SizeofSockaddrAny
	n, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(&l.raw.any)),
		uintptr(unsafe.Pointer(&l.raw.len)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	if errno != 0 {
		return -1, peer, errno
	}
	return int(n), l.raw.addrPort(), nil
}

// LocalAddr returns the address that the connection fd has on this side.
func (l *Loop) LocalAddr(fd int) netip.AddrPort {
	l.raw.len = unix.SizeofSockaddrAny
	_, _, errno := unix.RawSyscall(unix.SYS_GETSOCKNAME, uintptr(fd), uintptr(unsafe.Pointer(&l.raw.any)),
		uintptr(unsafe.Pointer(&l.raw.len)))
	if errno != 0 {
		return netip.AddrPort{}
	}
	return l.raw.addrPort()
}

// SocketError takes the pending error of fd; nil if there is none.
func SocketError(fd int) error {
	n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return err
	}
	if n != 0 {
		return unix.Errno(n)
	}
	return nil
}

func (r *rawAddr) addrPort() netip.AddrPort {
	switch r.any.Addr.Family {
	case unix.AF_INET:
		sa := (*unix.RawSockaddrInet4)(unsafe.Pointer(&r.any))
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), swap16(sa.Port))
	case unix.AF_INET6:
		sa := (*unix.RawSockaddrInet6)(unsafe.Pointer(&r.any))
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), swap16(sa.Port))
	}
	return netip.AddrPort{}
}

func (r *rawAddr) set(addr netip.AddrPort) {
	if addr.Addr().Is4() {
		*(*unix.RawSockaddrInet4)(unsafe.Pointer(&r.any)) = unix.RawSockaddrInet4{
			Family: unix.AF_INET, Port: swap16(addr.Port()), Addr: addr.Addr().As4()}
		r.len = unix.SizeofSockaddrInet4
		return
	}
	*(*unix.RawSockaddrInet6)(unsafe.Pointer(&r.any)) = unix.RawSockaddrInet6{
		Family: unix.AF_INET6, Port: swap16(addr.Port()), Addr: addr.Addr().As16()}
	r.len = unix.SizeofSockaddrInet6
}

// swap16 converts between the port's value and its network byte order in memory
// on the little-endian machines that Sluice runs on.
func swap16(p uint16) uint16 { return p<<8 | p>>8 }
