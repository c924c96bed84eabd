package evloop

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Read reads from a nonblocking descriptor. n == 0 with a nil error is the end of
// the stream; EAGAIN means that nothing waits.
//
// The raw system call skips the scheduler's bookkeeping, which is right for calls
// that cannot block.
func Read(fd int, p []byte) (n int, err error) {
	for {
		r, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
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

// ShutdownWrite sends FIN after what was written.
func ShutdownWrite(fd int) error { return unix.Shutdown(fd, unix.SHUT_WR) }

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
	data       [scratchSize]byte
	start, end int
}

// Bytes is what the buffer holds.
func (b *Buffer) Bytes() []byte { return b.data[b.start:b.end] }

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

// Pipe moves bytes between two sockets inside the kernel with splice(2).
type Pipe struct {
	r, w int
	held int // bytes inside
}

// pipeSize is the capacity asked for, bytes; the system may grant less.
const pipeSize = 256 << 10

// NewPipe returns an empty pipe, or an error if descriptors or pipe memory ran
// out: the caller then copies through user space.
func (l *Loop) NewPipe() (*Pipe, error) {
	if n := len(l.pipes); n > 0 {
		p := l.pipes[n-1]
		l.pipes = l.pipes[:n-1]
		return p, nil
	}
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, err
	}
	_, _ = unix.FcntlInt(uintptr(fds[1]), unix.F_SETPIPE_SZ, pipeSize)
	return &Pipe{r: fds[0], w: fds[1]}, nil
}

// ReleasePipe gives a pipe back; one that still holds bytes is closed.
func (l *Loop) ReleasePipe(p *Pipe) {
	if p.held > 0 || len(l.pipes) >= cached {
		p.close()
		return
	}
	l.pipes = append(l.pipes, p)
}

func (p *Pipe) close() {
	_ = unix.Close(p.r)
	_ = unix.Close(p.w)
}

func (l *Loop) freeCaches() {
	for _, p := range l.pipes {
		p.close()
	}
	l.pipes, l.buffers = nil, nil
}

// Held is the number of bytes inside the pipe.
func (p *Pipe) Held() int { return p.held }

// Fill moves bytes from the socket fd into the pipe: 0 with a nil error is the
// end of the stream. EAGAIN means that nothing waits or, if the pipe holds bytes,
// that it may be full.
func (p *Pipe) Fill(fd int) (n int, err error) {
	n, err = splice(fd, p.w, pipeSize)
	p.held += n
	return n, err
}

// Drain moves bytes from the pipe to the socket fd.
func (p *Pipe) Drain(fd int) (n int, err error) {
	n, err = splice(p.r, fd, p.held)
	p.held -= n
	return n, err
}

func splice(from, to, n int) (int, error) {
	for {
		r, _, errno := unix.RawSyscall6(unix.SYS_SPLICE, uintptr(from), 0, uintptr(to), 0, uintptr(n),
			unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
		if errno == 0 {
			return int(r), nil
		}
		if errno != unix.EINTR {
			return 0, errno
		}
	}
}
