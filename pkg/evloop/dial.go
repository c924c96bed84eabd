package evloop

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ConnectOptions are the properties of an outgoing TCP connection. The zero value
// leaves all to the system.
type ConnectOptions struct {
	Source      netip.AddrPort // where it comes from; invalid: the system chooses. Port 0: any
	Foreign     bool           // Source need not be the machine's own
	Interface   string         // bind to this device; "": any
	Namespace   string         // network namespace; "": that of the process
	UserTimeout int            // ms that sent data may stay unacknowledged; 0: the system's
	FastOpen    bool           // the first data goes with SYN
	NoQuickAck  bool           // the first data goes with the acknowledgement of SYN
	Keepalive   Keepalive
}

// SourceError tells that a socket could not get the source address or interface
// that it was to have.
type SourceError struct{ Err unix.Errno }

func (e SourceError) Error() string { return "source address: " + e.Err.Error() }

// Unwrap returns the system's error.
func (e SourceError) Unwrap() error { return e.Err }

// Connect starts a nonblocking TCP connection to addr; Writable tells its end,
// together with Failed if it failed (see SocketError). It is as yet without
// TCP_NODELAY, see NoDelay.
func (l *Loop) Connect(addr netip.AddrPort, o *ConnectOptions) (fd int, err error) {
	fd, err = tcpSocket(addr.Addr(), o.Namespace)
	if err != nil {
		return -1, err
	}
	if err = l.prepare(fd, addr.Addr(), o); err == nil {
		err = l.connect(fd, addr)
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// prepare gives fd the options. Those that are rarely set cost a call only then.
func (l *Loop) prepare(fd int, to netip.Addr, o *ConnectOptions) error {
	if o.Keepalive.On {
		if err := rawSetsockopt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1); err != nil {
			return err
		}
	}
	for _, opt := range [...]struct {
		want  bool
		name  int
		value int
	}{
		{o.Keepalive.On && o.Keepalive.Count > 0, unix.TCP_KEEPCNT, o.Keepalive.Count},
		{o.Keepalive.On && o.Keepalive.Idle > 0, unix.TCP_KEEPIDLE, o.Keepalive.Idle},
		{o.Keepalive.On && o.Keepalive.Interval > 0, unix.TCP_KEEPINTVL, o.Keepalive.Interval},
		{o.UserTimeout > 0, unix.TCP_USER_TIMEOUT, o.UserTimeout},
		{o.FastOpen, unix.TCP_FASTOPEN_CONNECT, 1},
		{o.NoQuickAck, unix.TCP_QUICKACK, 0},
	} {
		if opt.want {
			if err := rawSetsockopt(fd, unix.IPPROTO_TCP, opt.name, opt.value); err != nil {
				return err
			}
		}
	}
	if o.Interface != "" {
		if err := unix.BindToDevice(fd, o.Interface); err != nil {
			return sourceError(err)
		}
	}
	if o.Source.IsValid() {
		return sourceError(l.bindSource(fd, to, o))
	}
	return nil
}

// bindSource gives fd its local address. Without a port the kernel picks one when
// the destination is known, so that a port can serve several destinations.
func (l *Loop) bindSource(fd int, to netip.Addr, o *ConnectOptions) error {
	from := o.Source
	if to.Is6() && from.Addr().Is4() {
		from = netip.AddrPortFrom(netip.AddrFrom16(from.Addr().As16()), from.Port())
	}
	if to.Is4() {
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
	}
	if from.Port() == 0 {
		_ = rawSetsockopt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	} else if err := rawSetsockopt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return err
	}
	if o.Foreign {
		opt := transparent(to)
		if err := rawSetsockopt(fd, opt[0], opt[1], opt[2]); err != nil {
			return err
		}
	}
	l.raw.set(from)
	_, _, errno := unix.RawSyscall(unix.SYS_BIND, uintptr(fd), uintptr(unsafe.Pointer(&l.raw.any)), uintptr(l.raw.len))
	if errno != 0 {
		return errno
	}
	return nil
}

func sourceError(err error) error {
	if errno, ok := err.(unix.Errno); ok {
		return SourceError{errno}
	}
	return err
}

func (l *Loop) connect(fd int, addr netip.AddrPort) error {
	l.raw.set(addr)
	_, _, errno := unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&l.raw.any)), uintptr(l.raw.len))
	if errno != 0 && errno != unix.EINPROGRESS {
		return errno
	}
	return nil
}

// tcpSocket makes a nonblocking TCP socket for addresses of a's family.
func tcpSocket(a netip.Addr, namespace string) (fd int, err error) {
	if namespace != "" {
		return socketIn(namespace, family(a))
	}
	return rawSocket(family(a), unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
}

// namespaces is where ip-netns(8) keeps its names.
const namespaces = "/run/netns"

// socketIn makes a TCP socket in a network namespace, to which it belongs for its
// life. Only the calling thread visits it.
func socketIn(namespace string, family int) (fd int, err error) {
	there, err := os.Open(filepath.Join(namespaces, namespace))
	if err != nil {
		return -1, fmt.Errorf("network namespace: %w", err)
	}
	defer there.Close()
	runtime.LockOSThread()
	here, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return -1, fmt.Errorf("network namespace: %w", err)
	}
	defer here.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return -1, fmt.Errorf("enter network namespace %s: %w", namespace, err)
	}
	fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if back := unix.Setns(int(here.Fd()), unix.CLONE_NEWNET); back != nil {
		// The thread is lost to others: it stays locked and ends with its goroutine.
		_ = unix.Close(fd)
		return -1, fmt.Errorf("leave network namespace %s: %w", namespace, back)
	}
	runtime.UnlockOSThread()
	return fd, err
}

// Destination returns where the client of the connection fd wanted to go: the
// local address, or that before the packet filter changed it.
func (l *Loop) Destination(fd int) netip.AddrPort {
	local := l.LocalAddr(fd)
	if !local.Addr().Is4() {
		return local
	}
	l.raw.len = unix.SizeofSockaddrInet4
	_, _, errno := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.IPPROTO_IP, soOriginalDst,
		uintptr(unsafe.Pointer(&l.raw.any)), uintptr(unsafe.Pointer(&l.raw.len)), 0)
	if errno != 0 {
		return local
	}
	return l.raw.addrPort()
}

// soOriginalDst is SO_ORIGINAL_DST of linux/netfilter_ipv4.h.
const soOriginalDst = 80

// ShrinkMSS lowers the greatest segment of the connection fd by some bytes.
func ShrinkMSS(fd, by int) {
	if mss, err := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_MAXSEG); err == nil {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_MAXSEG, mss-by)
	}
}
