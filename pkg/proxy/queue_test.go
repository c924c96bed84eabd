package proxy

import (
	"io"
	"net"
	"testing"

	"github.com/sluice-lb/sluice/pkg/config"
)

func TestQueueKeepsArrivalOrder(t *testing.T) {
	q := queue{}
	s := make([]session, 5)
	for i := range s {
		q.push(&s[i], uint64(i))
	}
	s[2].unqueue()
	s[2].unqueue() // a second time changes nothing
	s[4].unqueue()
	for n, want := range []int{0, 1, 3} {
		if got := q.pop(); got != &s[want] || got.backendQueue != uint32(n+1) {
			t.Errorf("pop %d is not session %d or was served as number %d", n, want, got.backendQueue)
		}
	}
	if q.len != 0 || q.peak != 5 || q.first != nil || q.last != nil {
		t.Errorf("the empty queue is %+v", q)
	}
	if s[2].backendQueue != 1 {
		t.Errorf("the one that left before any was served has position %d", s[2].backendQueue)
	}
}

func TestServerTakesTheOldestOfBothQueues(t *testing.T) {
	b := newBackend("be", clock{})
	srv := &server{backend: b, queue: queue{ofServer: true}, eligible: true}
	s := make([]session, 4)
	b.enqueue(&b.queue, &s[0])
	b.enqueue(&srv.queue, &s[1])
	b.enqueue(&b.queue, &s[2])
	b.enqueue(&srv.queue, &s[3])
	for i := range s {
		if got := b.nextQueue(srv).pop(); got != &s[i] {
			t.Errorf("number %d is another one", i)
		}
	}
	b.enqueue(&b.queue, &s[0])
	b.enqueue(&srv.queue, &s[1])
	if srv.eligible = false; b.nextQueue(srv).first != &s[1] {
		t.Error("a server out of rotation serves those who wait for any")
	}
}

func TestServerLimit(t *testing.T) {
	tests := []struct {
		maxconn, minconn, fullconn, conns, want int
	}{
		{10, 0, 100, 1, 10},
		{0, 5, 100, 1, 5},  // minconn alone is a fixed limit
		{3, 5, 100, 1, 5},  // and so is one above maxconn
		{10, 2, 100, 1, 2}, // few connections
		{10, 2, 100, 50, 5},
		{10, 2, 100, 99, 9},
		{10, 2, 100, 100, 10},
		{10, 2, 100, 500, 10},
	}
	for _, tt := range tests {
		b := newBackend("be", clock{})
		b.fullconn = tt.fullconn
		b.conns.Store(int64(tt.conns))
		s := &server{backend: b, limits: limitsOf(&config.Server{Maxconn: tt.maxconn, Options: &config.ServerOptions{Minconn: tt.minconn}})}
		if got := s.limit(); got != tt.want {
			t.Errorf("limit of %+v = %d", tt, got)
		}
	}
}

func TestFullconn(t *testing.T) {
	conf := parseConf(t, `
defaults
	mode tcp
	timeout client 1s
	timeout server 1s
	timeout connect 1s
frontend f1
	bind 127.0.0.1:1001
	maxconn 205
	default_backend b1
frontend f2
	bind 127.0.0.1:1002
	default_backend b3
listen l1
	bind 127.0.0.1:1003
	maxconn 77
	server s 127.0.0.1:1
listen l2
	bind 127.0.0.1:1004
	maxconn 77
	default_backend b3
	server s 127.0.0.1:1
backend b1
	server s 127.0.0.1:1
backend b2
	fullconn 9
	server s 127.0.0.1:1
backend b3
	server s 127.0.0.1:1
backend b4
	server s 127.0.0.1:1
`)
	want := map[string]int{"l1": 8, "l2": 1, "b1": 21, "b2": 9, "b3": 108, "b4": 1} // as show stat of HAProxy has it
	for _, p := range conf.Proxies {
		if w := want[p.Name]; p.Kind.HasBackend() && fullconnOf(conf, p, 1000) != w {
			t.Errorf("fullconn of %s = %d, want %d", p.Name, fullconnOf(conf, p, 1000), w)
		}
	}
}

// A reload that takes the server away, or its limit, lets nobody wait for it.
func TestReloadMovesTheQueue(t *testing.T) {
	s1, s2 := serve(t, named("s1")), serve(t, named("s2"))
	bind := freeAddr(t)
	conf := testConf(bind, "leastconn", "s1="+s1.Addr().String())
	conf.Proxies[1].Servers[0].Maxconn = 1
	conf.Proxies[1].Servers[0].Options = &config.ServerOptions{Maxqueue: 1}
	r := startRig(t, conf, Options{})
	greeting(t, r.dial())
	var waiting []net.Conn
	for i := range 3 {
		waiting = append(waiting, r.dial())
		r.await("its place in a queue", func() bool { return r.stat("BACKEND").QueueCur+r.stat("s1").QueueCur == int64(i+1) })
	}
	if n := r.stat("s1").QueueCur; n != 1 {
		t.Errorf("%d wait for s1, want its maxqueue of 1", n)
	}
	if err := r.Reload(testConf(bind, "leastconn", "s2="+s2.Addr().String())); err != nil {
		t.Fatal(err)
	}
	for _, c := range waiting {
		if name := greeting(t, c); name != "s2" {
			t.Errorf("greeted by %q", name)
		}
	}
	if n := r.stat("BACKEND").QueueCur; n != 0 {
		t.Errorf("%d still wait", n)
	}
}

// Without a server left, those who wait for any are told so.
func TestQueueEndsWithTheLastServer(t *testing.T) {
	s1 := serve(t, named("s1"))
	bind := freeAddr(t)
	conf := testConf(bind, "roundrobin", "s1="+s1.Addr().String())
	conf.Proxies[1].Servers[0].Maxconn = 1
	r := startRig(t, conf, Options{})
	greeting(t, r.dial())
	waiting := r.dial()
	r.await("a queue", func() bool { return r.stat("BACKEND").QueueCur == 1 })
	off := testConf(bind, "roundrobin", "s1="+s1.Addr().String())
	off.Proxies[1].Servers[0].Disabled = true
	if err := r.Reload(off); err != nil {
		t.Fatal(err)
	}
	if b, _ := io.ReadAll(waiting); len(b) > 0 {
		t.Errorf("read %q", b)
	}
	r.sessions.wait(t, "SC", contains("be/<NOSRV> -1/-1/"))
}
