package balance_test

import (
	"bufio"
	"encoding/csv"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sluice-lb/sluice/ci/judge"
	"github.com/sluice-lb/sluice/ci/loopback"
	"github.com/sluice-lb/sluice/pkg/balance"
)

// patience bounds each wait for something that must happen.
const patience = time.Minute

// scene is one backend, known to both sides, and what happens to it.
type scene struct {
	name    string
	lines   string // of the backend, after "mode tcp", separated by ";"
	method  balance.Method
	weights []int
	ids     []int    // nil: 1, 2, 3, ...
	hosts   []string // addresses of the servers; nil: 127.1.x.y
	hashKey string
	maxconn int  // of each server
	slow    bool // a server that comes up stays at one share for a unit of weight
	play    func(*stage)
}

// stage plays a scene on HAProxy and on an algorithm side by side.
type stage struct {
	t     *testing.T
	scene scene
	px    string
	house *house
	pick  balance.Algorithm
	load  []int
	unit  []int    // shares for a unit of weight
	conns []played // open connections
	got   []int
	want  []int
}

type played struct {
	net.Conn
	server int
}

// house is one running HAProxy with a backend for each scene.
type house struct {
	front string // address of the frontend
	stats string // path of the runtime API's socket
	port  int    // of all servers
}

// newHouse starts servers and HAProxy. A server is an address within 127.1.0.0/16;
// one listener serves them all and tells a client which one it has reached.
func newHouse(t *testing.T, scenes []scene) *house {
	haproxy := judge.HAProxy(t)
	ln, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go serve(ln)
	front, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer front.Close()
	passed, err := front.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer passed.Close()
	h := &house{front: front.Addr().String(), stats: filepath.Join(t.TempDir(), "stats"), port: ln.Addr().(*net.TCPAddr).Port}
	conf := filepath.Join(t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(conf, []byte(h.config(scenes)), 0o600); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	cmd := exec.Command(haproxy, "-db", "-f", conf)
	cmd.ExtraFiles = []*os.File{passed}
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("haproxy says:\n%s", log.String())
		}
	})
	await(t, "the runtime API to answer", func() bool {
		select {
		case <-ended:
			t.Fatalf("haproxy ended: %s", log.String())
		default:
		}
		c, err := net.Dial("unix", h.stats)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return h
}

// serve answers each connection with the number of the server it was made to, and
// closes it after its client.
func serve(ln net.Listener) {
	loopback.Serve(ln, func(c net.Conn) {
		ip := c.LocalAddr().(*net.TCPAddr).IP.To4()
		c.Write(ip[2:4])
		io.Copy(io.Discard, c)
	})
}

func (h *house) config(scenes []scene) string {
	var b strings.Builder
	fmt.Fprintf(&b, `global
	nbthread 1
	maxconn 2000
	stats socket %s level admin
defaults
	mode tcp
	timeout client 60s
	timeout server 60s
	timeout connect 10s
	timeout queue 60s
	option abortonclose
frontend front
	bind fd@3 accept-proxy
	tcp-request inspect-delay 10s
	tcp-request content set-var(txn.key) req.payload(0,0) if { req.len gt 0 }
	tcp-request content accept if { req.len gt 0 }
	use_backend scene%%[dst_port]
`, h.stats)
	for n, s := range scenes {
		fmt.Fprintf(&b, "backend scene%d\n", n+1)
		for line := range strings.SplitSeq(s.lines, ";") {
			fmt.Fprintf(&b, "\t%s\n", strings.TrimSpace(line))
		}
		for i, addr := range s.addrs(h.port) {
			fmt.Fprintf(&b, "\tserver s%d %s weight %d id %d", i, addr, s.weights[i], s.id(i))
			if s.hashKey != "" {
				fmt.Fprintf(&b, " hash-key %s", s.hashKey)
			}
			if s.slow {
				b.WriteString(" slowstart 12h") // the second step is 45 minutes off
			}
			if s.maxconn > 0 {
				fmt.Fprintf(&b, " maxconn %d", s.maxconn)
			}
			b.WriteString("\n")
		}
	}
	return b.String()
}

func (s scene) id(i int) int {
	if s.ids == nil {
		return i + 1
	}
	return s.ids[i]
}

func (s scene) addrs(port int) []netip.AddrPort {
	addrs := make([]netip.AddrPort, len(s.weights))
	for i := range addrs {
		addr := netip.AddrFrom4([4]byte{127, 1, byte(i >> 8), byte(i)})
		if s.hosts != nil {
			addr = netip.MustParseAddr(s.hosts[i])
		}
		addrs[i] = netip.AddrPortFrom(addr, uint16(port))
	}
	return addrs
}

// command asks HAProxy's runtime API.
func (h *house) command(t *testing.T, line string) string {
	t.Helper()
	c, err := net.Dial("unix", h.stats)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	fmt.Fprintln(c, line)
	out, err := io.ReadAll(c)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return string(out)
}

// await repeats a question until it is answered.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("waited %v for %s", patience, what)
		}
	}
}

func newStage(t *testing.T, h *house, n int, s scene) *stage {
	servers := make([]balance.Server, len(s.weights))
	for i, addr := range s.addrs(h.port) {
		servers[i] = balance.Server{ID: uint32(s.id(i)), Addr: addr}
		switch s.hashKey {
		case "addr":
			servers[i].HashKey = balance.HashKeyAddr
		case "addr-port":
			servers[i].HashKey = balance.HashKeyAddrPort
		}
	}
	st := &stage{t: t, scene: s, px: "scene" + strconv.Itoa(n+1), house: h, pick: balance.New(s.method, servers), load: make([]int, len(servers)), unit: make([]int, len(servers))}
	for i, w := range s.weights {
		st.unit[i] = balance.Scale
		st.pick.SetShares(i, w*st.unit[i])
	}
	return st
}

func (st *stage) full(i int) bool {
	return st.scene.maxconn > 0 && st.load[i] >= st.scene.maxconn
}

// dial makes a connection from a client with that source address and first bytes.
func (st *stage) dial(src, payload string) net.Conn {
	st.t.Helper()
	c, err := net.Dial("tcp", st.house.front)
	if err != nil {
		st.t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(patience))
	family, dst := "TCP4", "127.0.0.1"
	if strings.Contains(src, ":") {
		family, dst = "TCP6", "::1"
	}
	fmt.Fprintf(c, "PROXY %s %s %s 1000 %s\r\n%s", family, src, dst, st.px[len("scene"):], payload)
	return c
}

// open makes a connection that stays, and compares who gets it.
func (st *stage) open(key balance.Key, src, payload string) {
	st.t.Helper()
	i, ok := st.pick.Pick(key, -1, st.full)
	if !ok {
		st.queued(i, src, payload)
		return
	}
	c := st.dial(src, payload)
	var number [2]byte
	if _, err := io.ReadFull(c, number[:]); err != nil {
		st.t.Fatalf("%s: connection %d for %d: %v", st.scene.name, len(st.got), i, err)
	}
	want := int(number[0])<<8 | int(number[1])
	st.got, st.want = append(st.got, i), append(st.want, want)
	st.load[want]++
	st.pick.SetLoad(want, st.load[want])
	st.conns = append(st.conns, played{c, want})
}

// queued compares for whom a connection waits, and withdraws it.
func (st *stage) queued(i int, src, payload string) {
	st.t.Helper()
	c := st.dial(src, payload)
	row := "BACKEND"
	if i >= 0 {
		row = "s" + strconv.Itoa(i)
	}
	await(st.t, "a queued connection at "+row, func() bool { return st.stat(row)[2] == "1" })
	c.Close()
	await(st.t, "an empty queue at "+row, func() bool { return st.stat(row)[2] == "0" })
}

// stat returns the statistics of a server or of the whole backend.
func (st *stage) stat(row string) []string {
	st.t.Helper()
	out := st.house.command(st.t, "show stat "+st.px+" 6 -1")
	rows, err := csv.NewReader(bufio.NewReader(strings.NewReader(out))).ReadAll()
	if err != nil {
		st.t.Fatal(err)
	}
	for _, r := range rows {
		if r[1] == row {
			return r
		}
	}
	st.t.Fatalf("no %s in %s", row, out)
	return nil
}

// close ends the k-th connection of those that are open.
func (st *stage) close(k int) {
	st.t.Helper()
	c := st.conns[k]
	st.conns = slices.Delete(st.conns, k, k+1)
	c.Close()
	st.load[c.server]--
	st.pick.SetLoad(c.server, st.load[c.server])
	left := strconv.Itoa(st.load[c.server])
	await(st.t, "the end of a connection", func() bool { return st.stat("s" + strconv.Itoa(c.server))[4] == left })
}

// weight changes a server's weight while it runs.
func (st *stage) weight(i, w int) {
	st.t.Helper()
	if out := st.house.command(st.t, fmt.Sprintf("set server %s/s%d weight %d", st.px, i, w)); strings.TrimSpace(out) != "" {
		st.t.Fatalf("set weight: %s", out)
	}
	st.pick.SetShares(i, w*st.unit[i])
}

// down takes a server out, and up returns it.
func (st *stage) down(i int) { st.state(i, "maint", 0) }

func (st *stage) up(i int) { st.state(i, "ready", st.scene.weights[i]) }

func (st *stage) state(i int, state string, weight int) {
	st.t.Helper()
	if out := st.house.command(st.t, fmt.Sprintf("set server %s/s%d state %s", st.px, i, state)); strings.TrimSpace(out) != "" {
		st.t.Fatalf("set state: %s", out)
	}
	if st.scene.slow {
		st.unit[i] = 1
	}
	st.pick.SetShares(i, weight*st.unit[i])
}

// end compares the sequences.
func (st *stage) end() {
	st.t.Helper()
	for _, c := range st.conns {
		c.Close()
	}
	st.t.Logf("%d picks", len(st.got))
	for k := range st.got {
		if st.got[k] != st.want[k] {
			st.t.Errorf("%s: pick %d: %d, HAProxy %d\n ours   %v\n theirs %v", st.scene.name, k, st.got[k], st.want[k], st.got, st.want)
			return
		}
	}
}

func play(t *testing.T, scenes []scene) {
	h := newHouse(t, scenes)
	for n, s := range scenes {
		t.Run(s.name, func(t *testing.T) {
			st := newStage(t, h, n, s)
			s.play(st)
			st.end()
		})
	}
}
