package proxy

import (
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sluice-lb/sluice/ci/judge"
	"github.com/sluice-lb/sluice/pkg/ctl"
)

// scene is a configuration and a load that HAProxy and the engine both get.
type scene struct {
	name    string
	global  string   // lines, parted by ";"
	bind    string   // options of its bind line
	front   string   // of the frontend
	back    string   // of the backend
	servers []string // options of each
	dead    bool     // the servers refuse connections
	play    func(*stage)
}

// config is the text with the frontend at bind.
func (sc scene) config(bind, socket string, servers []string) string {
	var b strings.Builder
	section := func(head, lines string) {
		b.WriteString(head + "\n")
		for line := range strings.SplitSeq(lines, ";") {
			b.WriteString("\t" + strings.TrimSpace(line) + "\n")
		}
	}
	maxconn := "maxconn 400;"
	if strings.HasPrefix(sc.global, "maxconn ") {
		maxconn = ""
	}
	section("global", "nbthread 1; "+maxconn+" stats socket "+socket+" level admin;"+sc.global)
	section("defaults", "mode tcp; timeout client 30s; timeout server 30s; timeout connect 5s")
	section("frontend fe", "default_backend be; bind "+bind+" "+sc.bind+";"+sc.front)
	section("backend be", sc.back)
	for i, addr := range servers {
		fmt.Fprintf(&b, "\tserver s%d %s %s\n", i+1, addr, sc.servers[i])
	}
	return b.String()
}

// stage plays a scene against one of the two.
type stage struct {
	t     *testing.T
	addr  string
	stats func() []ctl.Stat
	notes []string // what is compared

	clients []net.Conn
	closed  map[int]bool
	mu      sync.Mutex // guards what the clients' readers note
	served  []string   // "client server", in the order of the greetings; those of one settle sorted
	sorted  int        // of these
	ended   map[int]bool
}

func newStage(t *testing.T, addr string, stats func() []ctl.Stat) *stage {
	return &stage{t: t, addr: addr, stats: stats, closed: map[int]bool{}, ended: map[int]bool{}}
}

// dial makes n connections, each after the one before has found its place.
func (st *stage) dial(n int) {
	st.t.Helper()
	for range n {
		st.open()
		st.settle()
	}
}

// open makes a connection and notes what its server says.
func (st *stage) open() {
	st.t.Helper()
	c, err := net.Dial("tcp", st.addr)
	if err != nil {
		st.t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(3 * patience))
	i := len(st.clients)
	st.clients = append(st.clients, c)
	st.t.Cleanup(func() { _ = c.Close() })
	go func() {
		var hello [3]byte
		_, err := io.ReadFull(c, hello[:])
		if err == nil {
			st.note(func() { st.served = append(st.served, fmt.Sprintf("%d %s", i, hello[:2])) })
			_, _ = io.Copy(io.Discard, c)
		}
		st.note(func() { st.ended[i] = true })
	}()
}

func (st *stage) note(f func()) {
	st.mu.Lock()
	defer st.mu.Unlock()
	f()
}

// close ends clients one after the other.
func (st *stage) close(clients ...int) {
	st.t.Helper()
	for _, i := range clients {
		st.closed[i] = true
		st.mu.Lock()
		if !st.wasServed(i) {
			_ = st.clients[i].(*net.TCPConn).SetLinger(0) // one that waits may as well have more to say
		}
		st.mu.Unlock()
		_ = st.clients[i].Close()
		st.settle()
	}
}

// wasServed reports whether client i heard of a server; the lock is held.
func (st *stage) wasServed(i int) bool {
	return slices.ContainsFunc(st.served, func(s string) bool { return strings.HasPrefix(s, fmt.Sprint(i, " ")) })
}

// of returns the record of a service.
func (st *stage) of(stats []ctl.Stat, service string) ctl.Stat {
	for _, s := range stats {
		if s.Service == service && (s.Proxy == "fe" || s.Proxy == "be") {
			return s
		}
	}
	st.t.Fatalf("no statistics of %s", service)
	return ctl.Stat{}
}

// await polls the statistics.
func (st *stage) await(what string, ok func([]ctl.Stat) bool) {
	st.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
		stats := st.stats()
		if ok(stats) {
			return
		}
		if time.Now().After(end) {
			st.t.Fatalf("never: %s; %+v", what, stats)
		}
	}
}

// settle waits until every connection is served, waits or has ended, and the
// clients have heard of it.
func (st *stage) settle() {
	st.t.Helper()
	defer st.note(func() { st.sorted = len(st.served) })
	st.await("all in their places", func(stats []ctl.Stat) bool {
		fe, be := st.of(stats, "FRONTEND"), st.of(stats, "BACKEND")
		placed, served, current := be.QueueCur, int64(0), int64(0)
		for _, s := range stats {
			if s.Proxy == "be" && s.Type == ctl.StatServer {
				placed += s.QueueCur + s.SessionsCur
				served += s.SessionsTotal
				current += s.SessionsCur
			}
		}
		st.mu.Lock()
		defer st.mu.Unlock()
		live, atServers := int64(0), int64(0)
		for i := range st.clients {
			if st.closed[i] || st.ended[i] {
				continue
			}
			live++
			if st.wasServed(i) {
				atServers++
			}
		}
		slices.Sort(st.served[st.sorted:])
		return fe.SessionsTotal == int64(len(st.clients)) && be.SessionsTotal == fe.SessionsTotal &&
			fe.SessionsCur == live && be.SessionsCur == live && be.SessionsCur == placed &&
			served == int64(len(st.served)) && current == atServers
	})
}

// record notes the counters.
func (st *stage) record(label string) {
	for _, s := range st.stats() {
		if s.Proxy != "fe" && s.Proxy != "be" {
			continue
		}
		st.notes = append(st.notes, fmt.Sprintf("%s %s q %d/%d/%d s %d/%d/%d total %d econ %d retr %d redis %d", label, s.Service,
			s.QueueCur, s.QueueMax, s.QueueLimit, s.SessionsCur, s.SessionsMax, s.SessionsLimit, s.SessionsTotal, s.ConnectErrors, s.Retries, s.Redispatches))
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	st.notes = append(st.notes, fmt.Sprintf("%s served %v", label, st.served))
}

// drain closes all clients in turn and notes how the rest was served.
func (st *stage) drain() {
	st.t.Helper()
	for i := range st.clients {
		st.mu.Lock()
		ended := st.ended[i]
		st.mu.Unlock()
		if !ended && !st.closed[i] {
			st.close(i)
		}
	}
	st.record("end")
}

var queueScenes = []scene{
	{name: "roundrobin", back: "balance roundrobin", servers: []string{"maxconn 2", "maxconn 1"}, play: func(st *stage) {
		st.dial(8)
		st.record("full")
		st.close(1, 0)
		st.dial(2)
		st.drain()
	}},
	{name: "static-rr", back: "balance static-rr", servers: []string{"maxconn 1", "maxconn 2 weight 3"}, play: func(st *stage) {
		st.dial(7)
		st.record("full")
		st.drain()
	}},
	{name: "first", back: "balance first", servers: []string{"maxconn 2", "maxconn 2"}, play: func(st *stage) {
		st.dial(7)
		st.record("full")
		st.close(2, 0)
		st.drain()
	}},
	{name: "source", back: "balance source", servers: []string{"maxconn 1", "maxconn 1"}, play: func(st *stage) {
		st.dial(4) // from one address: one of the servers
		st.record("full")
		st.close(2)
		st.drain()
	}},
	{name: "source with maxqueue", back: "balance source", servers: []string{"maxconn 1 maxqueue 2"}, play: func(st *stage) {
		st.dial(5)
		st.record("full")
		st.drain()
	}},
	{name: "leastconn", back: "balance leastconn", servers: []string{"maxconn 2", "maxconn 3"}, play: func(st *stage) {
		st.dial(9)
		st.record("full")
		st.close(3)
		st.dial(1)
		st.drain()
	}},
	{name: "leastconn with maxqueue", back: "balance leastconn", servers: []string{"maxconn 1 maxqueue 2", "maxconn 1"}, play: func(st *stage) {
		st.dial(8)
		st.record("full")
		st.close(7, 2) // from each queue
		st.drain()
	}},
	{name: "minconn", back: "balance roundrobin; fullconn 10", servers: []string{"minconn 1 maxconn 4"}, play: func(st *stage) {
		st.dial(14)
		st.record("full")
		st.drain()
	}},
	{name: "minconn alone", back: "balance leastconn", servers: []string{"minconn 2", "minconn 3 maxconn 1"}, play: func(st *stage) {
		st.dial(7)
		st.record("full")
		st.drain()
	}},
	{name: "minconn by the frontend's maxconn", front: "maxconn 55", back: "balance roundrobin", servers: []string{"minconn 1 maxconn 3", "maxconn 1"}, play: func(st *stage) {
		st.dial(8)
		st.record("full")
		st.drain()
	}},
	{name: "timeout queue", back: "balance roundrobin; timeout queue 1s", servers: []string{"maxconn 1"}, play: func(st *stage) {
		st.dial(3)
		st.await("the end of those in the queue", func(s []ctl.Stat) bool { return st.of(s, "FRONTEND").SessionsCur == 1 })
		st.record("timed out")
		st.drain()
	}},
	{name: "a client leaves the queue", back: "balance roundrobin", servers: []string{"maxconn 1"}, play: func(st *stage) {
		st.dial(4)
		st.close(2)
		st.record("left")
		st.drain()
	}},
}

func TestQueuesAsHAProxy(t *testing.T) {
	judge.HAProxy(t)
	for _, sc := range queueScenes {
		t.Run(sc.name, func(t *testing.T) {
			sc.compare(t)
		})
	}
}

// compare plays the scene against HAProxy and against the engine.
func (sc scene) compare(t *testing.T) {
	var servers []string
	for i := range sc.servers {
		if sc.dead {
			servers = append(servers, freeAddr(t).String())
			continue
		}
		servers = append(servers, serve(t, named(fmt.Sprintf("s%d", i+1))).Addr().String())
	}
	socket := filepath.Join(t.TempDir(), "stats")
	bind := freeAddr(t).String()
	startJudge(t, sc.config(bind, socket, servers))
	theirs := newStage(t, bind, func() []ctl.Stat { return judgeStats(t, socket) })
	sc.play(theirs)

	addr := freeAddr(t)
	r := startRig(t, parseConf(t, sc.config(addr.String(), socket, servers)), Options{})
	ours := newStage(t, addr.String(), r.Stats)
	sc.play(ours)
	if diff := cmp.Diff(theirs.notes, ours.notes); diff != "" {
		t.Errorf("-haproxy +engine:\n%s", diff)
	}
}

// judgeStats asks HAProxy, whose control socket gets its name a moment after the
// frontends listen.
func judgeStats(t *testing.T, socket string) []ctl.Stat {
	c, err := net.Dial("unix", socket)
	for end := time.Now().Add(patience); err != nil && time.Now().Before(end); c, err = net.Dial("unix", socket) {
		time.Sleep(2 * time.Millisecond)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintln(c, "show stat")
	stats, err := ctl.ParseStats(c)
	if err != nil {
		t.Fatal(err)
	}
	return stats
}
