package supervisor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Options are what a Supervisor needs from its surroundings.
type Options struct {
	RunDir      string   // for the notify socket
	RuntimeRoot string   // what RuntimeDirectory= is relative to; default RunDir
	DevLog      string   // path of the syslog socket to serve, "" for none
	CgroupMount string   // mount point of a writable cgroup2, "" for none
	Program     string   // program that calls ExecUnit when IsTrampoline; default /proc/self/exe
	Env         []string // environment that every unit starts with
	// Sinks get every log line; they must not block.
	Sinks []func(Line)
	// OnEvent gets every event, in order, in the loop: it must not block nor call
	// the Supervisor.
	OnEvent func(Event)
	Log     *slog.Logger // the supervisor's own messages; default slog.Default()
}

// EventKind says what an Event tells.
type EventKind string

// The kinds of events.
const (
	EventState   EventKind = "state"    // the unit's state or substate changed
	EventReaped  EventKind = "reaped"   // a process that is no unit's main or control process ended
	EventFDStore EventKind = "fd-store" // the number of stored descriptors changed
	EventStatus  EventKind = "status"   // STATUS= changed
)

// Event is one change.
type Event struct {
	Time   time.Time
	Kind   EventKind
	Unit   string // "" for EventReaped
	Status Status // of the unit, after the change
	PID    int    // for EventReaped
}

// Supervisor runs the units of a Set. Make it with New, run it with Run.
type Supervisor struct {
	// Immutable after New.
	opts    Options
	set     *Set
	rings   map[string]*Ring
	cgroups cgroups
	notify  *notifySocket
	devlog  *notifySocket // or nil
	poller  *hangupPoller
	mailbox chan func()
	done    chan struct{} // closed when Run returns

	// Owned by the loop.
	services map[string]*service
	dirty    bool // schedule has something to look at
	stopping bool // Shutdown was called
	idle     []chan struct{}

	pids pidTable
}

// pidTable finds the unit of a process; written by the loop, read by the syslog
// reader too.
type pidTable struct {
	mu sync.RWMutex // guards m
	m  map[int]string
}

func (t *pidTable) set(pid int, unit string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.m[pid] = unit
}

func (t *pidTable) remove(pid int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.m, pid)
}

func (t *pidTable) get(pid int) string {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.m[pid]
}

// New prepares a supervisor for the units of set and binds its sockets. The
// caller must call Run to release them.
func New(set *Set, o Options) (*Supervisor, error) {
	if o.Program == "" {
		o.Program = "/proc/self/exe"
	}
	if o.RuntimeRoot == "" {
		o.RuntimeRoot = o.RunDir
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if err := os.MkdirAll(o.RunDir, 0o755); err != nil {
		return nil, fmt.Errorf("make run directory: %w", err)
	}
	s := &Supervisor{
		opts:     o,
		set:      set,
		rings:    map[string]*Ring{},
		cgroups:  newCgroups(o.CgroupMount),
		mailbox:  make(chan func(), 64),
		done:     make(chan struct{}),
		services: map[string]*service{},
		pids:     pidTable{m: map[int]string{}},
	}
	var err error
	if s.notify, err = listenDatagram(filepath.Join(o.RunDir, "notify")); err != nil {
		return nil, err
	}
	if o.DevLog != "" {
		if s.devlog, err = listenDatagram(o.DevLog); err != nil {
			s.notify.close()
			return nil, err
		}
	}
	if s.poller, err = newHangupPoller(s.hungUp); err != nil {
		s.closeSockets()
		return nil, err
	}
	for _, name := range set.names {
		s.rings[name] = newRing(name, o.Sinks)
		s.services[name] = newService(s, set.units[name])
	}
	return s, nil
}

func (s *Supervisor) closeSockets() {
	s.notify.close()
	if s.devlog != nil {
		s.devlog.close()
	}
}

// Run is the loop. It returns when ctx ends and every goroutine has ended;
// services that still run then are left alone, so call Shutdown before.
func (s *Supervisor) Run(ctx context.Context) error {
	defer close(s.done)
	sigchld := make(chan os.Signal, 1)
	signal.Notify(sigchld, unix.SIGCHLD)
	defer signal.Stop(sigchld)
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { s.watchNotify(ctx) })
	if s.devlog != nil {
		wg.Go(func() { s.readSyslog(ctx) })
	}
	defer func() {
		cancel()
		s.closeSockets()
		s.poller.close()
		for _, v := range s.services {
			v.release()
		}
		wg.Wait()
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-sigchld:
			s.reap()
		case f := <-s.mailbox:
			f()
		}
		s.schedule()
	}
}

// post gives f to the loop; it reports false when the loop has ended.
func (s *Supervisor) post(f func()) bool {
	select {
	case s.mailbox <- f:
		return true
	case <-s.done:
		return false
	}
}

// call runs f in the loop and waits for it.
func (s *Supervisor) call(ctx context.Context, f func()) error {
	ran := make(chan struct{})
	select {
	case s.mailbox <- func() { f(); close(ran) }:
	case <-s.done:
		return errors.New("supervisor has ended")
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-ran:
		return nil
	case <-s.done:
		return errors.New("supervisor has ended")
	}
}

// Ping returns nil when the loop answers before ctx ends; a hardware watchdog is
// fed with it.
func (s *Supervisor) Ping(ctx context.Context) error { return s.call(ctx, func() {}) }

// reap collects every dead child. It is the only place that waits. What was sent
// to the notify socket before a process died is looked at first.
func (s *Supervisor) reap() {
	s.drainNotify()
	for {
		pid, ok := peekDead()
		if !ok {
			return
		}
		v := s.services[s.pids.get(pid)]
		if v != nil && pid == v.mainPID {
			// The zombie still holds the group's number: no other group can have it.
			v.killGroup(pid)
		}
		var ws unix.WaitStatus
		if _, err := unix.Wait4(pid, &ws, unix.WNOHANG, nil); err != nil {
			s.opts.Log.Error("wait for process", "pid", pid, "err", err)
			return
		}
		s.pids.remove(pid)
		if v == nil {
			s.emit(Event{Kind: EventReaped, PID: pid})
			continue
		}
		v.exited(pid, ws)
	}
}

// peekDead returns a dead child without collecting it.
func peekDead() (pid int, ok bool) {
	var info unix.Siginfo
	for {
		err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return 0, false
		}
		// x/sys keeps the union of siginfo_t private; si_pid is its first field.
		pid = int(*(*int32)(unsafe.Add(unsafe.Pointer(&info), siginfoPIDOffset)))
		return pid, pid != 0
	}
}

// siginfoPIDOffset is where si_pid lies on 64-bit Linux: behind three ints and
// padding.
const siginfoPIDOffset = 16

// watchNotify tells the loop whenever the notify socket has a message; it ends
// when the socket is closed.
func (s *Supervisor) watchNotify(ctx context.Context) {
	for s.notify.wait() == nil {
		drained := make(chan struct{})
		if !s.post(func() { s.drainNotify(); close(drained) }) {
			return
		}
		select {
		case <-drained:
		case <-ctx.Done():
			return
		}
	}
}

// drainNotify handles all messages that wait in the notify socket.
func (s *Supervisor) drainNotify() {
	buf := make([]byte, notifyMax)
	for {
		n, pid, fds, err := s.notify.receive(buf)
		if errors.Is(err, unix.EAGAIN) {
			return
		}
		if err != nil {
			s.opts.Log.Warn("notify message", "err", err)
			if !errors.Is(err, unix.EINTR) && pid == 0 {
				return
			}
			continue
		}
		m := &notifyMessage{pid: pid, vars: parseNotify(buf[:n]), fds: fds}
		v := s.services[s.unitOf(pid)]
		if v == nil {
			s.opts.Log.Warn("notify message of a process of no unit", "pid", pid)
			closeAll(fds)
			continue
		}
		v.notified(m)
		s.dirty = true
	}
}

// unitOf finds the unit that process pid belongs to: as a process that the
// supervisor started, by cgroup, or by session.
func (s *Supervisor) unitOf(pid int) string {
	if u := s.pids.get(pid); u != "" {
		return u
	}
	if u := s.cgroups.unitOf(pid); u != "" {
		return u
	}
	if sid, err := unix.Getsid(pid); err == nil {
		return s.pids.get(sid)
	}
	return ""
}

// hungUp runs in the poller's goroutine. It does not wait for the loop, which
// waits for the poller at the end.
func (s *Supervisor) hungUp(fd int) {
	go s.post(func() {
		for _, v := range s.services {
			if v.store.hungUp(fd) {
				v.event(EventFDStore)
			}
		}
	})
}

func (s *Supervisor) emit(e Event) {
	s.dirty = true
	e.Time = time.Now()
	if s.opts.OnEvent != nil {
		s.opts.OnEvent(e)
	}
}

// environment returns what every process of a unit gets.
func (s *Supervisor) environment(u *Unit) ([]string, error) {
	env := append([]string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin:/bbin"}, s.opts.Env...)
	if u.Service.usesTTY() {
		term := "vt220"
		if name := filepath.Base(u.Service.TTYPath); strings.HasPrefix(name, "tty") && !strings.HasPrefix(name, "ttyS") {
			term = "linux"
		}
		env = append(env, "TERM="+term)
	}
	if u.notifyAccess() != "none" {
		env = append(env, "NOTIFY_SOCKET="+s.notify.path)
	}
	if d := u.Service.RuntimeDirectory; len(d) > 0 {
		var paths []string
		for _, name := range d {
			paths = append(paths, filepath.Join(s.opts.RuntimeRoot, name))
		}
		env = append(env, "RUNTIME_DIRECTORY="+strings.Join(paths, ":"))
	}
	env = append(env, u.Service.Environment...)
	for _, file := range u.Service.EnvironmentFiles {
		vars, err := readEnvironmentFile(file)
		if err != nil {
			return nil, err
		}
		env = append(env, vars...)
	}
	return env, nil
}
