package evloop

import (
	"errors"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Pipe moves bytes between two sockets inside the kernel with splice(2).
type Pipe struct {
	r, w  int
	held  int // bytes inside
	count *Pipes
}

// Pipes counts the pipes of several loops against a limit. The zero value has
// none.
type Pipes struct{ limit, used atomic.Int64 }

// Limit changes the limit; 0 or less is none. Pipes beyond it go with their flows.
func (c *Pipes) Limit(n int64) { c.limit.Store(n) }

// Most is the limit; 0 is none.
func (c *Pipes) Most() int64 { return c.limit.Load() }

// Used is the number of pipes there are, those kept for reuse included.
func (c *Pipes) Used() int64 { return c.used.Load() }

// take counts one more, if the limit allows it.
func (c *Pipes) take() bool {
	n, limit := c.used.Add(1), c.limit.Load()
	if limit > 0 && n > limit {
		c.used.Add(-1)
		return false
	}
	return true
}

// scarce reports whether a loop should keep none for itself.
func (c *Pipes) scarce() bool {
	limit := c.limit.Load()
	return limit > 0 && 2*c.used.Load() > limit
}

// CountPipes makes the loop count its pipes in c, together with other loops. It is
// called before Run.
func (l *Loop) CountPipes(c *Pipes) { l.count = c }

var errNoPipe = errors.New("the limit of pipes is reached")

// pipeSize is the capacity asked for, bytes; the system may grant less.
const pipeSize = 256 << 10

// NewPipe returns an empty pipe, or an error if the limit is reached, or descriptors or
// pipe memory ran out: the caller then copies through user space.
func (l *Loop) NewPipe() (*Pipe, error) {
	if n := len(l.pipes); n > 0 {
		p := l.pipes[n-1]
		l.pipes = l.pipes[:n-1]
		return p, nil
	}
	if !l.count.take() {
		return nil, errNoPipe
	}
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		l.count.used.Add(-1)
		return nil, err
	}
	_, _ = unix.FcntlInt(uintptr(fds[1]), unix.F_SETPIPE_SZ, pipeSize)
	return &Pipe{r: fds[0], w: fds[1], count: l.count}, nil
}

// ReleasePipe gives a pipe back; one that still holds bytes is closed.
func (l *Loop) ReleasePipe(p *Pipe) {
	if p.held > 0 || len(l.pipes) >= cached || l.count.scarce() {
		p.close()
		return
	}
	l.pipes = append(l.pipes, p)
}

func (p *Pipe) close() {
	_ = unix.Close(p.r)
	_ = unix.Close(p.w)
	p.count.used.Add(-1)
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
