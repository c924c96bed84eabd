package proxy

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sluice-lb/sluice/ci/judge"
)

// sequence is a backend and what connects to it, one connection after the other.
type sequence struct {
	name    string
	lines   string   // of the backend, parted by ";"
	servers []string // options of each
	extra   string   // lines of the frontend, parted by ";"
	clients []string // source addresses, taken in turn; nil: 127.0.0.1
	n       int      // connections
	hold    bool     // they stay open
}

func octets(n int) []string {
	clients := make([]string, n)
	for i := range clients {
		clients[i] = fmt.Sprintf("127.3.%d.%d", i*7%256, i*31%251+1)
	}
	return clients
}

var sequences = []sequence{
	{name: "roundrobin", lines: "balance roundrobin", servers: []string{"weight 1", "weight 3", "weight 2", "weight 256"}, n: 300},
	{name: "roundrobin equal", lines: "balance roundrobin", servers: []string{"", "", "weight 0", ""}, n: 12},
	{name: "static-rr", lines: "balance static-rr", servers: []string{"weight 4", "weight 1", "weight 7"}, n: 40},
	{name: "leastconn", lines: "balance leastconn", servers: []string{"weight 1", "weight 3", "weight 2"}, n: 40, hold: true},
	{name: "first", lines: "balance first", servers: []string{"id 9 maxconn 2", "id 3 maxconn 3", "id 5 maxconn 1", "id 12"}, n: 10, hold: true},
	{name: "source", lines: "balance source", servers: []string{"weight 2", "weight 1", "weight 5"}, clients: octets(40), n: 80},
	{name: "source consistent", lines: "balance source; hash-type consistent", servers: []string{"weight 2", "id 77", "weight 5"}, clients: octets(60), n: 60},
	{name: "source avalanche", lines: "balance source; hash-type map-based sdbm avalanche", servers: []string{"", "weight 3", ""}, clients: octets(40), n: 40},
	{name: "source bounded", lines: "balance source; hash-type consistent; hash-balance-factor 120", servers: []string{"", "", "weight 2"}, clients: octets(5), n: 30, hold: true},
	{name: "hash-key addr-port", lines: "balance source; hash-type consistent", servers: []string{"hash-key addr-port", "hash-key addr", "weight 3 hash-key addr-port"}, clients: octets(40), n: 40},
	{name: "first backup only", lines: "balance roundrobin", servers: []string{"weight 0", "backup", "backup"}, n: 6},
	{name: "all backups", lines: "balance roundrobin; option allbackups", servers: []string{"disabled", "backup weight 2", "backup"}, n: 9},
	{name: "hash src", lines: "balance hash src", servers: []string{"weight 2", "", "weight 3"}, clients: octets(40), n: 40},
	{name: "hash src consistent wt6", lines: "balance hash src; hash-type consistent wt6", servers: []string{"weight 2", "", "weight 3"}, clients: octets(40), n: 40},
	{name: "hash masked", lines: "balance hash src,ipmask(16); hash-type map-based crc32 avalanche", servers: []string{"", "", "weight 3"}, clients: []string{"127.1.0.1", "127.2.3.4", "127.1.7.7", "127.9.9.9", "127.11.0.1"}, n: 10},
	{name: "hash text", lines: "balance hash src,lower,djb2,mod(97)", servers: []string{"", "", "weight 3"}, clients: octets(20), n: 20},
	{name: "use-server", lines: "balance roundrobin; acl low src 127.3.0.0/17; use-server s1 if low { dst_port gt 0 } !{ nbsrv lt 3 }; use-server s3 unless { src -m sub 9 } or low",
		servers: []string{"weight 1", "weight 2", "weight 0"}, clients: octets(30), n: 30},
	{name: "use-server of one that is down, only", lines: "balance roundrobin; use-server s1 if TRUE; use-server s2 if { src_port 1:65535 } { srv_is_up(be/s1) } or { src_port 1:65535 } !{ srv_is_up(s1) }", servers: []string{"disabled", "", ""}, n: 4},
	{name: "all backups by map", lines: "balance static-rr; option allbackups", servers: []string{"disabled", "backup weight 2", "backup"}, n: 9},
}

// config is the whole text, with the frontend at bind.
func (q sequence) config(bind netip.AddrPort, servers []*backendServer) string {
	text := "global\n\tnbthread 1\n\tmaxconn 1000\ndefaults\n\tmode tcp\n\ttimeout client 60s\n\ttimeout server 60s\n\ttimeout connect 5s\n"
	text += "frontend fe\n\tbind " + bind.String() + "\n"
	for line := range strings.SplitSeq(q.extra, ";") {
		text += "\t" + strings.TrimSpace(line) + "\n"
	}
	text += "\tdefault_backend be\nbackend be\n"
	for line := range strings.SplitSeq(q.lines, ";") {
		text += "\t" + strings.TrimSpace(line) + "\n"
	}
	for i, s := range servers {
		text += fmt.Sprintf("\tserver s%d %s %s\n", i+1, s.Addr(), q.servers[i])
	}
	return text
}

// play makes the connections and returns the names that greeted.
func (q sequence) play(t *testing.T, addr netip.AddrPort) []string {
	var got []string
	for i := range q.n {
		var d net.Dialer
		if q.clients != nil {
			d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(q.clients[i%len(q.clients)])}
		}
		c, err := d.Dial("tcp", addr.String())
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(patience))
		got = append(got, greeting(t, c))
		if q.hold {
			t.Cleanup(func() { _ = c.Close() })
		} else {
			_ = c.Close()
		}
	}
	return got
}

// TestSequencesAreHAProxys gives both proxies the same configuration and the same
// connections: the nth goes to the same server.
func TestSequencesAreHAProxys(t *testing.T) {
	for _, q := range sequences {
		t.Run(strings.ReplaceAll(q.name, " ", "-"), func(t *testing.T) {
			judge.HAProxy(t)
			var servers []*backendServer
			for i := range q.servers {
				servers = append(servers, serve(t, named(fmt.Sprintf("s%d", i+1))))
			}
			theirs, ours := freeAddr(t), freeAddr(t)
			startJudge(t, q.config(theirs, servers))
			want := q.play(t, theirs)
			startRig(t, parseConf(t, q.config(ours, servers)), Options{})
			got := q.play(t, ours)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("servers in the order of the connections (-haproxy +ours):\n%s", diff)
			}
			if len(slices.Compact(slices.Sorted(slices.Values(got)))) < 2 && !strings.Contains(q.name, "only") {
				t.Errorf("only %v was chosen", got[0])
			}
		})
	}
}

// TestReloadKeepsTurns checks that a reload with the same servers goes on with the
// turns where they are.
func TestReloadKeepsTurns(t *testing.T) {
	var servers []*backendServer
	for i := range 4 {
		servers = append(servers, serve(t, named(fmt.Sprintf("s%d", i+1))))
	}
	bind := freeAddr(t)
	q := sequence{lines: "balance roundrobin", servers: []string{"", "weight 2", "", "weight 3"}, n: 1}
	text := q.config(bind, servers)
	r := startRig(t, parseConf(t, text), Options{})
	var got []string
	for range 14 {
		got = append(got, q.play(t, bind)...)
		if err := r.Reload(parseConf(t, text)); err != nil {
			t.Fatal(err)
		}
	}
	count := map[string]int{}
	for _, name := range got {
		count[name]++
	}
	if diff := cmp.Diff(map[string]int{"s1": 2, "s2": 4, "s3": 2, "s4": 6}, count); diff != "" {
		t.Errorf("connections with a reload after each (-want +got):\n%s", diff)
	}
}
