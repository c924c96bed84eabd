package proxy

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sluice-lb/sluice/ci/judge"
	"github.com/sluice-lb/sluice/pkg/ctl"
)

// conditions are asked in a backend cN of their own, by the client 127.10.0.N. All
// clients stay; the first server of c1 gets none of them.
var conditions = []string{
	"{ be_name c1 } { fe_name fe }",
	"{ be_server_timeout 30000 } { be_tunnel_timeout 60000 } { fe_client_timeout 20000 }",
	"{ cur_server_timeout 0 }", "{ cur_tunnel_timeout 0 }", "{ cur_client_timeout 20000 }",
	"{ dst_conn 6 }", "{ fe_conn(fe) 7 }", "{ be_conn(c8) 1 } { be_conn(c2) 1 } { be_conn(spare) 0 }",
	"{ fe_sess_rate(fe) 9 }", "{ be_sess_rate(c10) 1 } { be_sess_rate(spare) 0 }", "{ srv_sess_rate(c11/yes) 0 } { srv_sess_rate(c11/no) 0 }",
	"{ srv_sess_rate(c1/yes) 1 } { srv_sess_rate(c1/no) 0 }", "{ srv_conn(c1/yes) 1 } { srv_conn(yes) 0 }",
	"{ nbsrv(spare) 2 } { connslots(spare) 12 } { be_conn_free(spare) 5 }", "{ queue(spare) 0 } { avg_queue(spare) 0 } { srv_queue(spare/a) 0 }",
	"{ srv_conn_free(spare/a) 2 } { srv_is_up(spare/a) } !{ srv_is_up(spare/c) }",
	"{ srv_weight(spare/a) 7 } { srv_uweight(spare/a) 7 } { srv_iweight(spare/a) 7 }",
	"{ fc_src 127.10.0.18 } { fc_src -m found } { fc_src_is_local }", "{ fc_dst 127.0.0.1 } { fc_dst_is_local } { fc_dst_port gt 0 }",
	"{ fc_src_port,sub(1) gt 0 } { so_id 1 } { so_name door }", "{ be_tunnel_timeout -m found } !{ be_tunnel_timeout 0 }",
	"{ src,wt6(1),mod(2) 1 }", "{ src,xxh32(3),mod(2) 1 }", "{ src_port,xxh64 -m found }", "{ src,xxh3 -m found }",
}

func conditionsConf(bind, yes, no string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "global\n\tnbthread 1\n\tmaxconn 1000\ndefaults\n\tmode tcp\n\ttimeout client 20s\n\ttimeout server 30s\n\ttimeout connect 5s\n\ttimeout tunnel 60s\n"+
		"frontend fe\n\tbind %s name door\n", bind)
	for i := range conditions {
		fmt.Fprintf(&b, "\tuse_backend c%d if { src 127.10.0.%d }\n", i+1, i+1)
	}
	for i, c := range conditions {
		fmt.Fprintf(&b, "backend c%d\n\tbalance first\n\tuse-server yes if %s\n\tserver no %s\n\tserver yes %s\n", i+1, c, no, yes)
	}
	fmt.Fprintf(&b, "backend spare\n\tserver a %[1]s maxconn 2 maxqueue 3 weight 7\n\tserver b %[1]s maxconn 3 maxqueue 4\n\tserver c %[1]s disabled\n", no)
	return b.String()
}

// nearlySecond is the time within which all that happens is of one second of a rate,
// also by a clock that is read now and then.
const nearlySecond = 900 * time.Millisecond

// withinSecond returns what attempt did within one second of a rate; a machine that is
// too slow gets some more attempts.
func withinSecond(t *testing.T, attempt func() (did []string, took time.Duration)) []string {
	t.Helper()
	for range 5 {
		if did, took := attempt(); took < nearlySecond {
			return did
		}
	}
	t.Fatal("this machine takes longer than the second of a rate, each time")
	return nil
}

// Conditions about counters, timeouts and the connection hold when they do in HAProxy.
func TestConditionsAreHAProxys(t *testing.T) {
	judge.HAProxy(t)
	yes, no := serve(t, named("yes")).Addr().String(), serve(t, named("no")).Addr().String()
	play := func(addr string) (got []string, took time.Duration) {
		begin := time.Now()
		for i, c := range conditions {
			d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 10, 0, byte(i+1))}}
			conn, err := d.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(patience))
			got = append(got, c+" "+greeting(t, conn.(*net.TCPConn)))
		}
		return got, time.Since(begin)
	}
	quickly := func(start func(text string)) []string {
		return withinSecond(t, func() ([]string, time.Duration) {
			at := freeAddr(t).String()
			start(conditionsConf(at, yes, no))
			return play(at)
		})
	}
	want := quickly(func(text string) { startJudge(t, text) })
	got := quickly(func(text string) { startRig(t, parseConf(t, text), Options{}) })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("conditions (-haproxy +ours):\n%s", diff)
	}
	for _, line := range want {
		t.Log(line)
	}
}

// "show stat" tells HAProxy's rates.
func TestRateColumnsAsHAProxy(t *testing.T) {
	judge.HAProxy(t)
	sc := scene{front: "rate-limit sessions 500", servers: []string{"", "weight 3"}}
	servers := []string{serve(t, named("s1")).Addr().String(), serve(t, named("s2")).Addr().String()}
	rates := func(stats []ctl.Stat) (got []string) {
		for _, s := range stats {
			if s.Proxy == "fe" || s.Proxy == "be" {
				got = append(got, fmt.Sprintf("%s rate %d max %d limit %d", s.Service, s.Rate, s.RateMax, s.RateLimit))
			}
		}
		return got
	}
	// play asks a side that is started for it.
	play := func(start func(bind string) (stats func() []ctl.Stat)) []string {
		return withinSecond(t, func() ([]string, time.Duration) {
			addr := freeAddr(t).String()
			stats := start(addr)
			begin := time.Now()
			for range 40 {
				c, err := net.Dial("tcp", addr)
				if err != nil {
					t.Fatal(err)
				}
				_ = c.SetDeadline(time.Now().Add(patience))
				greeting(t, c)
				_ = c.Close()
			}
			seen := rates(stats())
			return seen, time.Since(begin)
		})
	}
	theirs := play(func(bind string) func() []ctl.Stat {
		socket := filepath.Join(t.TempDir(), "stats")
		startJudge(t, sc.config(bind, socket, servers))
		judgeStats(t, socket) // until it answers
		return func() []ctl.Stat { return judgeStats(t, socket) }
	})
	ours := play(func(bind string) func() []ctl.Stat {
		return startRig(t, parseConf(t, sc.config(bind, filepath.Join(t.TempDir(), "stats"), servers)), Options{}).Stats
	})
	if diff := cmp.Diff(theirs, ours); diff != "" {
		t.Errorf("-haproxy +ours:\n%s", diff)
	}
}
