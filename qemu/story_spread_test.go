package qemu

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// held is an open database connection and the server that it is on.
type held struct {
	conn   *sql.Conn
	server string
}

// open opens n connections through the VIP, one after the other, and holds them
// until the test ends.
func (a *appliance) open(ctx context.Context, t *testing.T, n int) []held {
	t.Helper()
	var out []held
	for i := range n {
		conn, err := a.db.Conn(ctx)
		if err != nil {
			t.Fatalf("connection %d of %d: %v", i+1, n, err)
		}
		h := held{conn: conn}
		t.Cleanup(func() { _ = h.conn.Close() })
		if err := conn.QueryRowContext(ctx, "SELECT @@hostname").Scan(&h.server); err != nil {
			t.Fatalf("ask connection %d of %d for its server: %v", i+1, n, err)
		}
		out = append(out, h)
	}
	return out
}

// count returns how many connections are on each server.
func count(conns []held) map[string]int {
	out := map[string]int{}
	for _, h := range conns {
		out[h.server]++
	}
	return out
}

// storySpread: leastconn shares held connections evenly, and fills up the server
// that has fewer.
func storySpread(t *testing.T, a *appliance) {
	ctx := testContext(t, 2*time.Minute)
	conns := a.open(ctx, t, 20)
	if diff := cmp.Diff(map[string]int{"s1": 10, "s2": 10}, count(conns)); diff != "" {
		t.Errorf("20 held connections (-want +got):\n%s", diff)
	}
	left := map[string]int{"s1": 5, "s2": 0}
	for _, h := range conns {
		if left[h.server] > 0 {
			left[h.server]--
			continue
		}
		if err := h.conn.Close(); err != nil {
			t.Fatal(err)
		}
	}
	a.awaitSessions(t, a.servers[0], 5)
	a.awaitSessions(t, a.servers[1], 0)
	if diff := cmp.Diff(map[string]int{"s2": 5}, count(a.open(ctx, t, 5))); diff != "" {
		t.Errorf("with 5 held on s1 the next 5 (-want +got):\n%s", diff)
	}
}

// storyStoppedServer: a server whose service is stopped gets no connection, and
// gets some again after its start.
func storyStoppedServer(t *testing.T, a *appliance) {
	ctx := testContext(t, 3*time.Minute)
	s2 := a.servers[1]
	if err := s2.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int{"s1": 10}, count(a.open(ctx, t, 10))); diff != "" {
		t.Errorf("10 connections while s2 is stopped (-want +got):\n%s", diff)
	}
	if err := s2.Start(ctx); err != nil {
		t.Fatal(err)
	}
	a.awaitServer(ctx, t, "s2")
}

// storyUnpluggedServer: the same for a host that is gone from the wire, where
// nobody refuses a connection.
func storyUnpluggedServer(t *testing.T, a *appliance) {
	ctx := testContext(t, 4*time.Minute)
	if err := a.lab.SetLink("s2", false); err != nil {
		t.Fatal(err)
	}
	plug := func() {
		if err := a.lab.SetLink("s2", true); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(plug)
	if diff := cmp.Diff(map[string]int{"s1": 3}, count(a.open(ctx, t, 3))); diff != "" {
		t.Errorf("3 connections while s2 is unplugged (-want +got):\n%s", diff)
	}
	plug()
	a.awaitServer(ctx, t, "s2")
}

// awaitServer opens connections until one is on server.
func (a *appliance) awaitServer(ctx context.Context, t *testing.T, server string) {
	t.Helper()
	for {
		var got string
		err := a.db.QueryRowContext(ctx, "SELECT @@hostname").Scan(&got)
		if err == nil && got == server {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("no connection reaches %s again: last was on %q, %v", server, got, err)
		}
	}
}
