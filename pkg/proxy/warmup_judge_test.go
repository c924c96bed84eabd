package proxy

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sluice-lb/sluice/ci/judge"
	"github.com/sluice-lb/sluice/pkg/ctl"
)

// reading is what "show stat" and "show servers state" tell of a server at a moment.
type reading struct {
	at                     time.Duration
	status                 string
	weight, throttle, oper int
}

func (r reading) String() string {
	return fmt.Sprintf("%s %d %d%% %d", r.status, r.weight, r.throttle, r.oper)
}

// readings parses both answers; throttle is -1 if it is empty. How often a check has
// passed is left out.
func readings(t *testing.T, at time.Duration, stat, state string) map[string]reading {
	t.Helper()
	stats, err := ctl.ParseStats(strings.NewReader(stat))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]reading{}
	for line := range strings.Lines(state) {
		if f := strings.Fields(line); len(f) > 5 && f[0] != "#" {
			r := reading{at: at, throttle: -1}
			_, _ = fmt.Sscan(f[5], &r.oper)
			all[f[1]+"/"+f[3]] = r
		}
	}
	for _, s := range stats {
		r, ok := all[s.Proxy+"/"+s.Service]
		if !ok {
			continue
		}
		if r.status, r.weight = s.Status, int(s.Weight); strings.HasPrefix(s.Status, "UP") {
			r.status = "UP"
		}
		if s.Throttle != nil {
			r.throttle = int(*s.Throttle)
		}
		all[s.Proxy+"/"+s.Service] = r
	}
	return all
}

// watch polls both until every server runs at full weight again, and holds what they
// told against each other: the same steps, at most a second apart, as HAProxy's clock
// has whole seconds that begin at any moment.
func (tw *twins) watch(what string) {
	tw.t.Helper()
	theirs, ours := map[string][]reading{}, map[string][]reading{}
	begin := time.Now()
	for warm := false; !warm; time.Sleep(20 * time.Millisecond) {
		before1, before2 := tw.ask("show servers state")
		stat1, stat2 := tw.ask("show stat")
		state1, state2 := tw.ask("show servers state")
		if before1 != state1 || before2 != state2 {
			continue // some server has made a step in between
		}
		at := time.Since(begin)
		warm = true
		for _, side := range []struct {
			all map[string][]reading
			now map[string]reading
		}{{theirs, readings(tw.t, at, stat1, state1)}, {ours, readings(tw.t, at, stat2, state2)}} {
			for name, r := range side.now {
				side.all[name] = append(side.all[name], r)
				warm = warm && r.oper != int(opStarting)
			}
		}
		if at > patience {
			tw.t.Fatalf("%s: servers warm up for ever: %v", what, ours)
		}
	}
	for name := range theirs {
		a, b := distinct(theirs[name]), distinct(ours[name])
		if len(a) < len(b)-1 || slices.ContainsFunc(a, func(r reading) bool { return !slices.ContainsFunc(b, r.same) }) {
			tw.t.Errorf("%s: %s has %v, with HAProxy %v", what, name, b, a)
			continue
		}
		for _, r := range b {
			for _, h := range a {
				if d := h.at - r.at; h.same(r) && d.Abs() > 1200*time.Millisecond {
					tw.t.Errorf("%s: %s has %v after %v, with HAProxy after %v", what, name, r, r.at, h.at)
				}
			}
		}
	}
}

func (r reading) same(other reading) bool {
	r.at = other.at
	return r == other
}

// distinct returns the first of each run of equal readings.
func distinct(all []reading) []reading {
	return slices.CompactFunc(slices.Clone(all), reading.same)
}

// Servers that come up get their weights in HAProxy's steps, whatever made them come
// up and with any algorithm.
func TestWarmupLikeHAProxy(t *testing.T) {
	var conf strings.Builder
	var pools []string
	for i, algorithm := range []string{"roundrobin", "leastconn", "first", "random", "static-rr", "source", "source; hash-type consistent", "hash src; hash-type consistent"} {
		name := "b"
		if i > 0 {
			name = fmt.Sprint("b", i)
		}
		pools = append(pools, name)
		fmt.Fprintf(&conf, "backend %s\n\tlog LOG local0\n\tbalance %s\n", name, strings.ReplaceAll(algorithm, ";", "\n\t"))
		conf.WriteString("\tserver s1 ADDR check inter 20ms rise 1 weight 10 slowstart 2500ms\n\tserver s2 ADDR weight 100 track s1 slowstart 2s\n\tserver s3 ADDR backup track s1\n\tserver s4 ADDR slowstart 3s weight 3 disabled\n")
	}
	s1 := serve(t, named("s1"))
	addr := s1.Addr().String()
	tw := startTwins(t, strings.ReplaceAll(conf.String(), "ADDR", addr))
	tw.watch("at the start")
	_ = s1.Close()
	for _, p := range pools {
		tw.wait(p + "/s3 is DOWN via")
	}
	serveAt(t, addr, named("s1"))
	for _, p := range pools {
		tw.wait(p + "/s3 is UP via")
		tw.ask("enable server " + p + "/s4")
	}
	tw.watch("they come up")
	tw.theirs.take()
	tw.ours.take()
	for _, p := range pools {
		for _, command := range []string{"disable server %s/s1", "enable server %s/s1", "set server %s/s4 health stopping", "set server %s/s4 health up", "set server %s/s1 weight 100%%"} {
			tw.ask(fmt.Sprintf(command, p))
		}
	}
	tw.watch("after maintenance")
	for _, p := range pools {
		tw.wait(p + "/s1 is UP. ")
		tw.wait(p + "/s4 is UP. ")
	}
	// Many end within a millisecond, in any order.
	logs := [2][]string{tw.theirs.take(), tw.ours.take()}
	slices.Sort(logs[0])
	slices.Sort(logs[1])
	if diff := cmp.Diff(logs[0], logs[1]); diff != "" {
		t.Errorf("after maintenance: log (-haproxy +ours)\n%s", diff)
	}
}

// Those who wait are let in at HAProxy's pace while a server warms up.
func TestWarmupLimitsLikeHAProxy(t *testing.T) {
	judge.HAProxy(t)
	sc := scene{back: "balance leastconn", servers: []string{"maxconn 10 slowstart 3s"}}
	server := []string{serve(t, named("s1")).Addr().String()}
	socket := filepath.Join(t.TempDir(), "stats")
	theirs, ours := freeAddr(t), freeAddr(t)
	startJudge(t, sc.config(theirs.String(), socket, server))
	judgeStats(t, socket) // until it answers
	tw := &twins{t: t, socket: socket, rig: startRig(t, parseConf(t, sc.config(ours.String(), socket, server)), Options{})}
	var came [2][]time.Duration
	for i, addr := range []string{theirs.String(), ours.String()} {
		tw.ask("disable server be/s1")
		tw.ask("enable server be/s1")
		came[i] = arrivals(t, addr, 10)
	}
	t.Logf("served after %v, with HAProxy after %v", came[1], came[0])
	for i, their := range came[0] {
		if d := came[1][i] - their; d.Abs() > 1200*time.Millisecond { // HAProxy counts the seconds of its clock
			t.Errorf("connection %d is served after %v, with HAProxy after %v", i+1, came[1][i], their)
		}
	}
	if came[1][1] < 900*time.Millisecond || came[1][9] < 2900*time.Millisecond {
		t.Errorf("10 connections were served after %v", came[1])
	}
}
