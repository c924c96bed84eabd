package evloop

import (
	"fmt"
	"runtime"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Events are the conditions epoll reported for a descriptor.
type Events uint32

// The conditions, as in epoll_ctl(2).
const (
	Readable   Events = unix.EPOLLIN
	Writable   Events = unix.EPOLLOUT
	PeerClosed Events = unix.EPOLLRDHUP // the peer sent FIN; data may still wait
	HangUp     Events = unix.EPOLLHUP
	Failed     Events = unix.EPOLLERR
	Urgent     Events = unix.EPOLLPRI // a read stops short at TCP's urgent mark

	// Unwatched: the kernel refused to watch the descriptor for lack of memory, or
	// beyond fs.epoll.max_user_watches; no other event will come.
	Unwatched Events = 1 << 27
)

// Handler gets the events of one descriptor, on the loop's goroutine.
type Handler interface {
	Event(ev Events)
}

// Task is work that a handler puts off to the end of the loop's turn with Later,
// so that one busy descriptor cannot starve the others.
type Task interface {
	Continue()
}

// BufferSize is the length of Scratch and of a Buffer, bytes.
const BufferSize = 32 << 10

const (
	batch    = 256 // events taken by one epoll_wait
	patience = 8   // ms; see wait
	// spareProcessors run what is not a loop: control connections and checks.
	spareProcessors = 2
)

// Loop is one epoll instance and its goroutine's state.
type Loop struct {
	epfd, wakefd int

	// Owned by the goroutine in Run.
	slots   []*[slotPage]slot // slot 0 is not used
	free    Watch
	turn    uint64
	wheel   wheel
	start   time.Time
	now     int64
	ready   []Task
	spare   []Task
	scratch []byte
	batch   *Batch
	pair    pair
	joining []registration             // see Register
	closing []int32                    // descriptors; see Close
	events  [BatchSize]unix.EpollEvent // for the kernel to read
	stopped bool
	busy    bool // events come at intervals shorter than patience
	buffers []*Buffer
	pipes   []*Pipe
	count   *Pipes
	raw     rawAddr

	mu   sync.Mutex // guards mail and dead
	mail []func()
	dead bool
}

// New makes a loop. Run must be called for anything to happen.
func New() (*Loop, error) {
	epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create epoll instance: %w", err)
	}
	wakefd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		_ = unix.Close(epfd)
		return nil, fmt.Errorf("create eventfd: %w", err)
	}
	l := &Loop{epfd: epfd, wakefd: wakefd, start: time.Now(), scratch: make([]byte, BufferSize), batch: newBatch(), count: new(Pipes)}
	if _, err := l.register(wakefd, uint32(Readable), (*mailHandler)(l)); err != nil {
		l.batch.close()
		_ = unix.Close(epfd)
		_ = unix.Close(wakefd)
		return nil, err
	}
	return l, nil
}

// StartClock has the loop's clock count from at, so that the clocks of several loops
// can be compared: they differ by how long a turn takes. It must come before Run.
func (l *Loop) StartClock(at time.Time) { l.start = at }

// Now is the loop's clock: milliseconds since New or what StartClock said, read once a
// turn.
func (l *Loop) Now() int64 { return l.now }

// Turn counts the waits for events.
func (l *Loop) Turn() uint64 { return l.turn }

// Scratch is a buffer of 32 KiB that any handler may use until it returns.
func (l *Loop) Scratch() []byte { return l.scratch }

// Batch is an empty batch that any handler may use until it returns.
func (l *Loop) Batch() *Batch {
	l.batch.Reset()
	return l.batch
}

// Later runs t after the events of this turn.
func (l *Loop) Later(t Task) { l.ready = append(l.ready, t) }

// Post runs f on the loop's goroutine. It may be called from any goroutine and
// reports false if the loop has ended, in which case f never runs.
func (l *Loop) Post(f func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		return false
	}
	l.mail = append(l.mail, f)
	if len(l.mail) == 1 {
		one := [8]byte{1}
		// The counter cannot overflow: one write for each emptying of mail.
		_, _, _ = unix.RawSyscall(unix.SYS_WRITE, uintptr(l.wakefd), uintptr(unsafe.Pointer(&one)), 8)
	}
	return true
}

// Stop ends Run after the current turn. Loop goroutine only.
func (l *Loop) Stop() { l.stopped = true }

// Run serves events until Stop. It returns an error only if epoll_wait fails.
// Descriptors that are still registered stay open.
//
// The loop keeps one thread: a goroutine that comes back from a wait on another one
// comes to another processor, too, and to cold caches.
func (l *Loop) Run() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer l.close()
	var events [batch]unix.EpollEvent
	l.tick()
	for !l.stopped {
		n, err := l.wait(&events, l.timeout())
		l.turn++
		if err != nil && err != unix.EINTR {
			return fmt.Errorf("wait for events: %w", err)
		}
		l.tick()
		if l.pair.handler != nil {
			l.deliverArmed()
		}
		for i := range max(n, 0) {
			ev := &events[i]
			l.deliver(Watch(ev.Fd), uint32(ev.Pad), Events(ev.Events))
		}
		l.wheel.advance(l.now)
		l.runReady()
		l.settle()
	}
	return nil
}

// wait is epoll_wait(2) with a timeout in ms, -1 for none.
//
// A blocking system call that the scheduler knows of costs more than the call
// itself: the processor is taken from the goroutine meanwhile, by a thread that
// looks for such calls every few microseconds, and must be won back. So a busy loop
// waits up to patience without telling the scheduler. A stop of the world
// interrupts that wait by a signal; other goroutines need a processor beside those
// of the loops (see ShareProcessors).
func (l *Loop) wait(events *[batch]unix.EpollEvent, timeout int) (int, error) {
	brief := timeout
	if brief < 0 || brief > patience {
		brief = patience
	}
	if l.pair.handler != nil {
		return l.waitArmed(events, brief)
	}
	if l.busy || brief == 0 {
		n, err := rawEpollWait(l.epfd, events, brief)
		if err != nil || n > 0 || brief == timeout {
			return n, err
		}
		if timeout > 0 {
			timeout -= brief
		}
	}
	began := time.Now()
	n, err := unix.EpollWait(l.epfd, events[:], timeout)
	l.busy = time.Since(began) < patience*time.Millisecond
	return n, err
}

// ShareProcessors lets loops goroutines run Loops and leaves processors to others
// (runtime.GOMAXPROCS): a busy loop keeps its own while it waits, and the garbage
// collector takes up to a quarter of all to itself while it marks.
func ShareProcessors(loops int) {
	n := (loops+spareProcessors)*4/3 + 1
	runtime.GOMAXPROCS(max(n, runtime.GOMAXPROCS(0)))
}

func (l *Loop) tick() { l.now = time.Since(l.start).Milliseconds() }

// timeout is epoll_wait's argument: 0 with work put off, -1 without timers.
func (l *Loop) timeout() int {
	if len(l.ready) > 0 {
		return 0
	}
	next := l.wheel.next()
	if next < 0 {
		return -1
	}
	return int(min(max(next-l.now, 0), 1<<30))
}

func (l *Loop) runReady() {
	tasks := l.ready
	l.ready = l.spare[:0]
	for i, t := range tasks {
		tasks[i] = nil
		t.Continue()
	}
	l.spare = tasks
}

func (l *Loop) close() {
	l.mu.Lock()
	l.dead = true
	l.mu.Unlock()
	l.freeCaches()
	l.joining = nil
	l.settle()
	l.batch.close()
	l.pair.close()
	_ = unix.Close(l.wakefd)
	_ = unix.Close(l.epfd)
}

// mailHandler is the Loop seen as the handler of its eventfd.
type mailHandler Loop

func (m *mailHandler) Event(Events) {
	l := (*Loop)(m)
	var buf [8]byte
	l.mu.Lock()
	_, _, _ = unix.RawSyscall(unix.SYS_READ, uintptr(l.wakefd), uintptr(unsafe.Pointer(&buf)), 8)
	mail := l.mail
	l.mail = nil
	l.mu.Unlock()
	for _, f := range mail {
		f()
	}
}
