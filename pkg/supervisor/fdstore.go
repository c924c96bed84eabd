package supervisor

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// storedFD is a descriptor that a service gave to the supervisor.
type storedFD struct {
	name     string
	fd       int
	dev, ino uint64
	polled   bool
}

// fdStore holds the descriptors of one unit (systemd.service(5),
// FileDescriptorStoreMax=). It belongs to the loop.
type fdStore struct {
	max  int
	fds  []storedFD
	poll *hangupPoller
}

// add keeps fd under name and owns it from then on. A descriptor of a file that
// is already kept is dropped silently, as systemd does; one above the limit is
// dropped with an error. Files are compared by device and inode.
func (s *fdStore) add(name string, fd int, poll bool) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		_ = unix.Close(fd)
		return fmt.Errorf("store descriptor %q: %w", name, err)
	}
	for _, f := range s.fds {
		if f.dev == st.Dev && f.ino == st.Ino {
			_ = unix.Close(fd)
			return nil
		}
	}
	if len(s.fds) >= s.max {
		_ = unix.Close(fd)
		return fmt.Errorf("store descriptor %q: FileDescriptorStoreMax=%d is reached", name, s.max)
	}
	f := storedFD{name: name, fd: fd, dev: st.Dev, ino: st.Ino}
	if poll && s.poll != nil {
		f.polled = s.poll.watch(fd)
	}
	s.fds = append(s.fds, f)
	return nil
}

// remove closes all descriptors called name and returns how many there were.
func (s *fdStore) remove(name string) int {
	return s.drop(func(f storedFD) bool { return f.name == name })
}

// hungUp drops the descriptor fd after its peer went away.
func (s *fdStore) hungUp(fd int) bool {
	return s.drop(func(f storedFD) bool { return f.polled && f.fd == fd }) > 0
}

// clear closes everything.
func (s *fdStore) clear() { s.drop(func(storedFD) bool { return true }) }

func (s *fdStore) drop(match func(storedFD) bool) int {
	var kept []storedFD
	n := 0
	for _, f := range s.fds {
		if !match(f) {
			kept = append(kept, f)
			continue
		}
		if f.polled {
			s.poll.forget(f.fd)
		}
		_ = unix.Close(f.fd)
		n++
	}
	s.fds = kept
	return n
}

// names returns LISTEN_FDNAMES' value.
func (s *fdStore) names() string {
	names := make([]string, len(s.fds))
	for i, f := range s.fds {
		names[i] = f.name
	}
	return strings.Join(names, ":")
}

// fdName returns a valid FDNAME= or systemd's "stored": at most 255 printable
// ASCII characters without ":".
func fdName(s string) string {
	if s == "" || len(s) > 255 {
		return "stored"
	}
	for _, c := range []byte(s) {
		if c < ' ' || c >= 0x7f || c == ':' {
			return "stored"
		}
	}
	return s
}

// hangupPoller tells when a stored descriptor reports EPOLLHUP or EPOLLERR, upon
// which systemd closes it unless FDPOLL=0 was sent along.
type hangupPoller struct {
	epfd, wake int
	gone       chan struct{}
}

// newHangupPoller starts the poller; found gets the descriptors and runs in the
// poller's goroutine, which close ends.
func newHangupPoller(found func(fd int)) (*hangupPoller, error) {
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create epoll for fd store: %w", err)
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		_ = unix.Close(epfd)
		return nil, fmt.Errorf("create eventfd for fd store: %w", err)
	}
	p := &hangupPoller{epfd: epfd, wake: wake, gone: make(chan struct{})}
	if err := unix.EpollCtl(epfd, unix.EPOLL_CTL_ADD, wake, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(wake)}); err != nil {
		_ = unix.Close(wake)
		_ = unix.Close(epfd)
		return nil, fmt.Errorf("watch eventfd of fd store: %w", err)
	}
	go p.run(found)
	return p, nil
}

func (p *hangupPoller) run(found func(fd int)) {
	defer close(p.gone)
	events := make([]unix.EpollEvent, 16)
	for {
		n, err := unix.EpollWait(p.epfd, events, -1)
		if err != nil && err != unix.EINTR {
			return
		}
		for _, e := range events[:max(n, 0)] {
			if int(e.Fd) == p.wake {
				return
			}
			found(int(e.Fd))
		}
	}
}

// watch reports whether fd can be polled; regular files cannot. One report
// per hang-up: the descriptor is dropped then.
func (p *hangupPoller) watch(fd int) bool {
	ev := unix.EpollEvent{Events: unix.EPOLLONESHOT, Fd: int32(fd)}
	return unix.EpollCtl(p.epfd, unix.EPOLL_CTL_ADD, fd, &ev) == nil
}

func (p *hangupPoller) forget(fd int) {
	_ = unix.EpollCtl(p.epfd, unix.EPOLL_CTL_DEL, fd, nil)
}

// close ends the goroutine and frees the descriptors.
func (p *hangupPoller) close() {
	_, _ = unix.Write(p.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	<-p.gone
	_ = unix.Close(p.wake)
	_ = unix.Close(p.epfd)
}
