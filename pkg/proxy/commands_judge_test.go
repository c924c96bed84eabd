package proxy

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Commands on servers have HAProxy's answers and leave the same state behind, in
// "show servers state", in "show stat" and in the log.
func TestServerCommandsLikeHAProxy(t *testing.T) {
	s1 := serve(t, named("s1"))
	tw := startTwins(t, strings.ReplaceAll(`
backend b
	log LOG local0
	server s1 ADDR check inter 2s fastinter 20ms downinter 20ms weight 10
	server s2 ADDR weight 20 backup
	server s3 ADDR
	server s4 ADDR disabled
	server s5 ADDR track s1
backend c
	log LOG local0
	server s1 ADDR track b/s1
backend static
	log LOG local0
	balance static-rr
	server s1 ADDR weight 10
`, "ADDR", s1.Addr().String()))
	tw.sameStats("at the start")
	for step := range strings.Lines(serverScript) {
		step = strings.TrimSpace(step)
		theirs, ours := tw.ask(step)
		for end := time.Now().Add(patience); strings.HasPrefix(step, "show servers state"); theirs, ours = tw.ask(step) {
			theirs, ours = moment.ReplaceAllString(theirs, "$1 T"), moment.ReplaceAllString(ours, "$1 T")
			if theirs == ours || time.Now().After(end) {
				break // until then a check may be due on one side
			}
		}
		if diff := cmp.Diff(theirs, ours); diff != "" {
			t.Errorf("%s (-haproxy +ours)\n%s", step, diff)
		}
		tw.sameStats(step)
	}
	tw.wait("b/s1 is stopping")
	tw.wait("b/s1 is UP, reason")
	tw.wait("b/s5 is UP via")
	tw.compare("all commands")
}

// moment is the time since the last change in "show servers state".
var moment = regexp.MustCompile(`(?m)^(\d+ \S+ \d+ \S+ \S+ \d+ \d+ \d+ \d+) \d+`)

const serverScript = `disable server
disable server b
disable server b/x
disable server x/s1
show servers state
show servers state nope
show servers conn nope
disable server b/s1
show servers state b
disable server b/s1
enable server b/s1
disable server b/s3
show servers state b
enable server b/s3
enable server b/s4
get weight
get weight b/s1
set weight b/s1
set weight b/s1 abc
set weight b/s1 300
set weight b/s1 -1
set weight b/s1 50%
get weight b/s1
set weight b/s1 3x
set weight b/s1 30
set server b/s1 weight 100%
get weight b/s1
set weight static/s1 5
set weight static/s1 0%
set weight static/s1 100%
set server
set server b/s1
set server b/s1 x
set server b/s1 state
set server b/s1 state drain
show servers state b
set server b/s1 state maint
set server b/s1 state drain
set server b/s1 state ready
set server b/s3 state drain
set server b/s3 state ready
set server b/s3 health down
set server b/s3 state maint
set server b/s3 state ready
set server b/s3 health stopping
set server b/s3 health up
set server b/s1 health
set server b/s5 health down
set server b/s3 check-port 70
set server b/s1 check-port
set server b/s1 check-port x
set server b/s1 check-port 70000
set server b/s3 addr
set server b/s3 addr x
set server b/s3 addr 127.0.0.2
set server b/s3 addr 127.0.0.3 port 99
set server b/s3 addr 127.0.0.3 port x
enable health b/s3
disable health b/s1
show servers state b
enable health b/s1
set server b/s3 state drain
disable server b/s3
show servers state b
enable server b/s3
show servers state b
set server b/s3 state drain
enable server b/s3
show servers state b
set server b/s3 state drain
set server b/s3 state maint
show servers state b
set server b/s3 state ready
set weight b/s1 99999999999
set weight b/s1 +5
set weight b/s1 10
set server b/s1 check-addr
set server b/s1 check-addr x
set server b/s3 check-addr 127.0.0.1
set server b/s3 addr 127.0.0.3 port 99
set server b/s4 state foo
enable health b/s5
disable health b/s5
set maxconn server b/s1 x
set server b/s1 health stopping`
