package proxy

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sluice-lb/sluice/pkg/ctl"
)

// A server that dies and comes back, with others that track it, gives the lines of
// HAProxy at its levels, and the same columns of "show stat".
func TestStateLinesLikeHAProxy(t *testing.T) {
	for _, option := range []string{"no option log-health-checks", "option log-health-checks"} {
		t.Run(option, func(t *testing.T) {
			s1 := serve(t, named("s1"))
			addr := s1.Addr().String()
			tw := startTwins(t, strings.ReplaceAll(`
backend b
	`+option+`
	log LOG local0
	server s1 ADDR check inter 30ms rise 2 fall 3
	server s2 ADDR
	server s3 ADDR track s1
	server s4 ADDR track s1 backup
backend c
	log LOG local0
	server s1 ADDR track b/s1
`, "ADDR", addr))
			tw.sameStats("at the start")
			_ = s1.Close()
			tw.wait("b/s3 is DOWN via")
			tw.compare("the server dies")
			tw.sameStats("down")
			serveAt(t, addr, named("s1"))
			tw.wait("b/s3 is UP via")
			tw.compare("it comes back")
			tw.sameStats("up again")
		})
	}
}

// sameStats compares the columns of "show stat" that are about health. The two
// sides check at moments of their own, so they may differ for a while.
func (tw *twins) sameStats(when string) {
	tw.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		theirs, ours := tw.ask("show stat")
		diff := cmp.Diff(healthColumns(tw.t, theirs), healthColumns(tw.t, ours))
		if diff == "" {
			return
		}
		if time.Now().After(end) {
			tw.t.Errorf("%s: show stat (-haproxy +ours)\n%s", when, diff)
			return
		}
	}
}

// healthColumns picks what both must agree on and does not depend on the moment.
func healthColumns(t *testing.T, csv string) []ctl.Stat {
	t.Helper()
	stats, err := ctl.ParseStats(strings.NewReader(csv))
	if err != nil {
		t.Fatal(err)
	}
	var out []ctl.Stat
	for _, s := range stats {
		if s.Type == ctl.StatFrontend {
			continue
		}
		out = append(out, ctl.Stat{Proxy: s.Proxy, Service: s.Service, Status: s.Status, Weight: s.Weight, Active: s.Active, Backup: s.Backup,
			CheckFails: s.CheckFails, CheckDowns: s.CheckDowns, CheckStatus: strings.TrimPrefix(s.CheckStatus, "* "), LastCheck: s.LastCheck,
			CheckDesc: s.CheckDesc, CheckRise: s.CheckRise, CheckFall: s.CheckFall, CheckHealth: s.CheckHealth, Tracked: s.Tracked, Throttle: s.Throttle})
	}
	return out
}
