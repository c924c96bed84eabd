package netcfg

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// limit is how long a test waits for an event before it fails.
const limit = 10 * time.Second

// lab is two namespaces, appliance and peer, and the veth pair eth0 - peer0.
type lab struct {
	t          *testing.T
	ns, peerNS netns.NsHandle
	kernel     *Kernel // of the test; the manager has its own
	ip, peerIP *netlink.Handle
	dir        string
	resolv     string
	state      string      // directory of leases
	keep       string      // on disk
	clock      Clock       // nil: no NTP
	hostnames  chan string // that were set
}

// newNS makes a namespace; without the right to, the test is skipped, or fails
// in the full run.
func newNS(t *testing.T) netns.NsHandle {
	t.Helper()
	runtime.LockOSThread()
	home, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	defer home.Close()
	ns, err := netns.New()
	if err != nil {
		runtime.UnlockOSThread()
		if os.Getenv("SLUICE_FULL") == "1" {
			t.Fatalf("make network namespace: %v (root is needed)", err)
		}
		t.Skipf("make network namespace: %v (root is needed)", err)
	}
	if err := netns.Set(home); err != nil {
		t.Fatal(err)
	}
	runtime.UnlockOSThread()
	t.Cleanup(func() { ns.Close() })
	return ns
}

// newLab makes the namespaces; plug adds the veth pair.
func newLab(t *testing.T) *lab {
	l := &lab{t: t, ns: newNS(t), peerNS: newNS(t), dir: t.TempDir()}
	l.state, l.hostnames = t.TempDir(), make(chan string, 10)
	l.resolv = filepath.Join(t.TempDir(), "resolv.conf")
	var err error
	if l.kernel, err = NewKernel(l.ns); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.kernel.Close)
	for _, h := range []struct {
		ns  netns.NsHandle
		set **netlink.Handle
	}{{l.ns, &l.ip}, {l.peerNS, &l.peerIP}} {
		if *h.set, err = netlink.NewHandleAt(h.ns, unix.NETLINK_ROUTE); err != nil {
			t.Fatal(err)
		}
		t.Cleanup((*h.set).Close)
	}
	return l
}

func (l *lab) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// plug adds the veth pair name - peer0; the peer's end is up when up is set, so
// that name has carrier as soon as it is up.
func (l *lab) plug(name string, up bool) {
	l.t.Helper()
	l.must(l.peerIP.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "peer0"}, PeerName: name, PeerNamespace: netlink.NsFd(l.ns)}))
	if up {
		l.peerUp()
	}
}

func (l *lab) peerUp() {
	l.t.Helper()
	p, err := l.peerIP.LinkByName("peer0")
	l.must(err)
	l.must(l.peerIP.LinkSetUp(p))
	for _, s := range []string{"198.18.0.1/24", "fd00:198:18::1/64"} {
		a, err := netlink.ParseAddr(s)
		l.must(err)
		a.Flags = unix.IFA_F_NODAD
		l.must(l.peerIP.AddrReplace(p, a))
	}
}

// link returns eth0 as the appliance has it.
func (l *lab) link() netlink.Link {
	l.t.Helper()
	out, err := l.ip.LinkByName("eth0")
	l.must(err)
	return out
}

func (l *lab) file(name, text string) {
	l.t.Helper()
	l.must(os.WriteFile(filepath.Join(l.dir, name), []byte(text), 0o644))
}

// await waits until the appliance's state satisfies ok.
func (l *lab) await(what string, ok func(*State) bool) {
	l.t.Helper()
	l.awaitIn(l.kernel, what, ok)
}

func (l *lab) awaitIn(k *Kernel, what string, ok func(*State) bool) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), limit)
	defer cancel()
	w, err := k.Watch(ctx)
	l.must(err)
	for {
		s, err := k.Observe()
		l.must(err)
		if ok(s) {
			return
		}
		select {
		case <-w.C:
			if ctx.Err() != nil {
				l.t.Fatalf("%s: not seen in %v; state:\n%s", what, limit, render(s))
			}
		case <-ctx.Done():
			l.t.Fatalf("%s: not seen in %v; state:\n%s", what, limit, render(s))
		}
	}
}

// has tells whether the state lists the address on eth0.
func has(addr string) func(*State) bool {
	return func(s *State) bool { return strings.Contains(render(s), " addr "+addr+" ") }
}

// running is a Manager at work.
type running struct {
	*Manager
	t      *testing.T
	notify chan string
	stop   func()
	log    *syncBuffer
}

func (l *lab) start(online time.Duration) *running {
	l.t.Helper()
	cfg, err := Load(l.dir)
	l.must(err)
	k, err := NewKernel(l.ns)
	l.must(err)
	r := &running{t: l.t, notify: make(chan string, 1000), log: &syncBuffer{}}
	r.Manager = NewManager(cfg, k, Options{Dir: l.dir, ResolvConf: l.resolv, StateDir: l.state, KeepDir: l.keep, Clock: l.clock, Online: online,
		SetHostname: func(name string) error { l.hostnames <- name; return nil },
		Notify:      func(s string) { r.notify <- s }, Log: slog.New(slog.NewTextHandler(r.log, nil))})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			l.t.Errorf("Run = %v", err)
		}
		k.Close()
		if l.t.Failed() {
			l.t.Logf("log:\n%s", r.log)
		}
	})
	l.t.Cleanup(r.stop)
	return r
}

// receive returns the next value of a channel.
func receive[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case got := <-c:
		return got
	case <-time.After(limit):
		t.Fatalf("no %s in %v", what, limit)
	}
	panic("unreachable")
}

// awaitNotify returns the first state with the prefix, and all before it.
func (r *running) awaitNotify(prefix string) (string, []string) {
	r.t.Helper()
	var before []string
	deadline := time.After(limit)
	for {
		select {
		case s := <-r.notify:
			if strings.HasPrefix(s, prefix) {
				return s, before
			}
			before = append(before, s)
		case <-deadline:
			r.t.Fatalf("no %q in %v; got %q", prefix, limit, before)
		}
	}
}

func (r *running) show() string {
	r.t.Helper()
	var b bytes.Buffer
	if err := r.ShowNetwork(r.t.Context(), &b); err != nil {
		r.t.Fatal(err)
	}
	return b.String()
}

// syncBuffer is a buffer for two goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// wire is the peer's end as raw frames.
type wire struct {
	t   *testing.T
	fd  int
	idx int
	mac net.HardwareAddr
}

func (l *lab) wire() *wire {
	l.t.Helper()
	p, err := l.peerIP.LinkByName("peer0")
	l.must(err)
	w := &wire{t: l.t, idx: p.Attrs().Index, mac: p.Attrs().HardwareAddr}
	all := uint16(unix.ETH_P_ALL)<<8 | uint16(unix.ETH_P_ALL)>>8
	k := &Kernel{ns: l.peerNS}
	l.must(k.inside(func() (err error) {
		w.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(all))
		return err
	}))
	l.t.Cleanup(func() { unix.Close(w.fd) })
	l.must(unix.Bind(w.fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: w.idx}))
	l.must(unix.SetsockoptTimeval(w.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 1}))
	return w
}

// await reads frames until ok; frames that the peer itself sent do not count.
func (w *wire) await(what string, ok func(frame []byte) bool) []byte {
	w.t.Helper()
	buf := make([]byte, 2048)
	for end := time.Now().Add(limit); time.Now().Before(end); {
		n, _, err := unix.Recvfrom(w.fd, buf, 0)
		if err != nil || n < 14 || bytes.Equal(buf[6:12], w.mac) {
			continue
		}
		if ok(buf[:n]) {
			return buf[:n]
		}
	}
	w.t.Fatalf("%s: not seen on the wire in %v", what, limit)
	return nil
}
