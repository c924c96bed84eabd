package evloop

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// The system calls on the way of a connection are raw ones: they cannot block, and
// each that the scheduler knows of keeps its watching thread (sysmon) polling every
// 20 microseconds, which was a tenth of all CPU time with short connections.

func rawSocket(family, kind int) (fd int, err error) {
	r, _, errno := unix.RawSyscall(unix.SYS_SOCKET, uintptr(family), uintptr(kind), 0)
	if errno != 0 {
		return -1, errno
	}
	return int(r), nil
}

func rawSetsockopt(fd, level, opt, value int) error {
	v := int32(value)
	_, _, errno := unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), uintptr(level), uintptr(opt), uintptr(unsafe.Pointer(&v)), 4, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

func rawClose(fd int) error {
	if _, _, errno := unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0); errno != 0 {
		return errno
	}
	return nil
}

func rawEpollCtl(epfd, op, fd int, ev *unix.EpollEvent) error {
	_, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(epfd), uintptr(op), uintptr(fd), uintptr(unsafe.Pointer(ev)), 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// rawEpollWait waits up to ms milliseconds.
func rawEpollWait(epfd int, events *[batch]unix.EpollEvent, ms int) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epfd), uintptr(unsafe.Pointer(events)), batch, uintptr(ms), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// Read reads from a nonblocking socket. n == 0 with a nil error is the end of
// the stream; EAGAIN means that nothing waits.
//
// It is recvfrom(2), which costs less than read(2) and its way through the file
// system's layer.
func Read(fd int, p []byte) (n int, err error) { return recv(fd, p, 0) }

// Peek reads what waits at fd and leaves it there; n and err are those of Read.
func Peek(fd int, p []byte) (n int, err error) { return recv(fd, p, unix.MSG_PEEK|unix.MSG_DONTWAIT) }

func recv(fd int, p []byte, flags uintptr) (n int, err error) {
	for {
		r, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))),
			uintptr(len(p)), flags, 0, 0)
		if errno == 0 {
			return int(r), nil
		}
		if errno != unix.EINTR {
			return 0, errno
		}
	}
}

// Send writes to a nonblocking socket without raising SIGPIPE; EAGAIN means that
// the socket's buffer is full.
func Send(fd int, p []byte) (n int, err error) {
	for {
		r, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))),
			uintptr(len(p)), unix.MSG_NOSIGNAL, 0, 0)
		if errno == 0 {
			return int(r), nil
		}
		if errno != unix.EINTR {
			return 0, errno
		}
	}
}

// NoDelay has each write to a connected TCP socket sent at once (tcp(7),
// TCP_NODELAY). Accepted ones have it from Listen. On a UNIX socket it does nothing.
func NoDelay(fd int) { _ = rawSetsockopt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) }

// ShutdownWrite sends FIN after what was written.
func ShutdownWrite(fd int) error {
	if _, _, errno := unix.RawSyscall(unix.SYS_SHUTDOWN, uintptr(fd), unix.SHUT_WR, 0); errno != 0 {
		return errno
	}
	return nil
}

// ResetOnClose makes the coming close of fd send RST instead of FIN.
func ResetOnClose(fd int) {
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1, Linger: 0})
}

// Unsent is the number of bytes written to fd that the peer has not acknowledged
// yet (tcp(7), SIOCOUTQ).
func Unsent(fd int) int {
	n, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
	if err != nil {
		return 0
	}
	return n
}

// Buffer holds bytes that were read and could not be written on yet.
type Buffer struct {
	data       [BufferSize]byte
	start, end int
}

// Bytes is what the buffer holds.
func (b *Buffer) Bytes() []byte { return b.data[b.start:b.end] }

// Append adds a copy of p, for which there must be room.
func (b *Buffer) Append(p []byte) { b.end += copy(b.data[b.end:], p) }

// Advance drops the first n bytes.
func (b *Buffer) Advance(n int) { b.start += n }

// cached is how many free buffers and pipes a loop keeps for reuse.
const cached = 64

// Hold returns a buffer with a copy of p, which may be as long as Scratch.
func (l *Loop) Hold(p []byte) *Buffer {
	var b *Buffer
	if n := len(l.buffers); n > 0 {
		b, l.buffers = l.buffers[n-1], l.buffers[:n-1]
	} else {
		b = new(Buffer)
	}
	b.start, b.end = 0, copy(b.data[:], p)
	return b
}

// Release gives a buffer back.
func (l *Loop) Release(b *Buffer) {
	if len(l.buffers) < cached {
		l.buffers = append(l.buffers, b)
	}
}
