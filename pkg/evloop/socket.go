package evloop

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ListenOptions are the properties of a listening TCP socket.
type ListenOptions struct {
	Backlog   int    // listen(2) backlog; 0: the system's maximum
	V6Only    bool   // an IPv6 wildcard does not accept IPv4
	Interface string // bind to this device only; "": any
	Keepalive bool   // accepted sockets send keep-alive probes
}

// Listen binds a nonblocking listening TCP socket. Options that accepted sockets
// inherit on Linux (TCP_NODELAY, SO_KEEPALIVE) are set here, once, rather than on
// each connection. SO_REUSEPORT lets a successor bind beside its predecessor.
func Listen(addr netip.AddrPort, o ListenOptions) (fd int, err error) {
	fd, err = unix.Socket(family(addr.Addr()), unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
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
	for _, opt := range opts {
		if err := unix.SetsockoptInt(fd, opt[0], opt[1], opt[2]); err != nil {
			return fmt.Errorf("set option %d/%d for %s: %w", opt[0], opt[1], addr, err)
		}
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
// listens: backlog and keep-alive.
func Tune(fd int, addr netip.AddrPort, o ListenOptions) error {
	opts := [][3]int{
		{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
		{unix.SOL_SOCKET, unix.SO_KEEPALIVE, boolInt(o.Keepalive)},
	}
	for _, opt := range opts {
		if err := unix.SetsockoptInt(fd, opt[0], opt[1], opt[2]); err != nil {
			return fmt.Errorf("set option %d/%d for %s: %w", opt[0], opt[1], addr, err)
		}
	}
	return listen(fd, addr.String(), o.Backlog)
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

// ListenUnix binds a nonblocking listening UNIX stream socket; a socket file left
// by an earlier process is replaced.
func ListenUnix(path string, backlog int) (fd int, err error) {
	fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("create socket for %s: %w", path, err)
	}
	// The name is taken by a rename, so that there is no moment without a socket.
	tmp := fmt.Sprintf("%s.%d%s", path, os.Getpid(), tmpSuffix)
	_ = os.Remove(tmp)
	if err = unix.Bind(fd, &unix.SockaddrUnix{Name: tmp}); err != nil {
		err = fmt.Errorf("bind %s: %w", path, err)
	} else if err = listen(fd, path, backlog); err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		_ = unix.Close(fd)
		_ = os.Remove(tmp)
		return -1, err
	}
	return fd, nil
}

// tmpSuffix ends the name under which a UNIX socket is bound before it takes its
// own; getsockname(2) goes on telling that one.
const tmpSuffix = ".tmp"

// finalPath turns the bound name of a socket made by ListenUnix into its path.
func finalPath(name string) string {
	if path, ok := strings.CutSuffix(name, tmpSuffix); ok {
		if i := strings.LastIndexByte(path, '.'); i >= 0 && path[i+1:] != "" && strings.Trim(path[i+1:], "0123456789") == "" {
			return path[:i]
		}
	}
	return name
}

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
		return addr, finalPath(sa.Name), nil
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

// Connect starts a nonblocking TCP connection to addr; Writable tells its end,
// together with Failed if it failed (see SocketError).
func (l *Loop) Connect(addr netip.AddrPort, keepalive bool) (fd int, err error) {
	fd, err = unix.Socket(family(addr.Addr()), unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	if err == nil && keepalive {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
	}
	if err == nil {
		l.raw.set(addr)
		_, _, errno := unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&l.raw.any)), uintptr(l.raw.len))
		if errno != 0 && errno != unix.EINPROGRESS {
			err = errno
		}
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// ConnectUnix starts a connection to the UNIX stream socket at path.
func (l *Loop) ConnectUnix(path string) (fd int, err error) {
	fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if err = unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
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
