package proxy

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-lb/sluice/pkg/ctl"
)

// The commands on sessions and counters (management guide, section 9.3). Texts are
// HAProxy's: programs read them.

// sessionCommands are the rows of the command table that this file has the work of.
func (e *Engine) sessionCommands() []ctl.Command {
	return []ctl.Command{
		{Name: "show sess", Args: "[<id>|older <age>|susp|all]", Help: "list the sessions", Level: ctl.LevelOperator, Run: e.showSess},
		{Name: "shutdown session", Args: "<id>", Help: "end a session of \"show sess\"", Level: ctl.LevelAdmin, Run: e.shutdownSession},
		{Name: "clear counters", Help: "clear the greatest values of the counters", Level: ctl.LevelOperator, Run: e.clearCounters(false)},
		{Name: "clear counters all", Help: "clear all counters", Level: ctl.LevelAdmin, Run: e.clearCounters(true)},
	}
}

// run has the worker's loop run f, and waits for that while ctx lasts. Nothing is run
// if the loop has ended. After an error f may still run.
func (w *worker) run(ctx context.Context, f func()) error {
	done := make(chan struct{})
	if !w.loop.Post(func() { f(); close(done) }) {
		return nil
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// showSess lists the sessions, the oldest of each loop first: all, that of an id, or
// those older than an age.
func (e *Engine) showSess(ctx context.Context, req *ctl.Request, out io.Writer) error {
	var id uint64
	wanted := func(*session, int64) bool { return true }
	switch word := firstWord(req.Args); word {
	case "", "all":
	case "susp":
		wanted = func(*session, int64) bool { return false } // a state that none of ours gets into
	case "older":
		if len(req.Args) < 2 {
			return answer("Expects a minimum age (in seconds by default).")
		}
		least, ok := parseAge(req.Args[1])
		if !ok {
			return answer("Invalid age.")
		}
		wanted = func(s *session, age int64) bool { return age >= least.Milliseconds() }
	default:
		if id = parseID(word); id != 0 {
			wanted = func(s *session, _ int64) bool { return s.id() == id }
		}
	}
	found := false
	for i, w := range e.workers {
		// Written between the loops: a client that does not read must hold none up.
		var text string
		if err := w.run(ctx, func() { text = w.describe(i, wanted) }); err != nil {
			return err
		}
		found = found || text != ""
		if _, err := io.WriteString(out, text); err != nil {
			return err
		}
	}
	if id != 0 && !found {
		return answer("Session not found.")
	}
	return nil
}

// firstWord is the first of words, "" if there is none.
func firstWord(words []string) string {
	if len(words) == 0 {
		return ""
	}
	return words[0]
}

// parseID reads the name of a session, 0 if it is none.
func parseID(text string) uint64 {
	id, _ := strconv.ParseUint(strings.TrimPrefix(text, "0x"), 16, 64)
	return id
}

// parseAge reads a time as HAProxy's commands do: in seconds unless it has a unit.
func parseAge(text string) (time.Duration, bool) {
	units := map[string]time.Duration{"": time.Second, "us": time.Microsecond, "ms": time.Millisecond, "s": time.Second,
		"m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}
	unit := strings.TrimLeft(text, "0123456789")
	n, err := strconv.ParseUint(strings.TrimSuffix(text, unit), 10, 31)
	scale, known := units[unit]
	if !known || err != nil || n > uint64(math.MaxInt64/scale) {
		return 0, false
	}
	return time.Duration(n) * scale, true
}

// id names a session as long as it lasts.
func (s *session) id() uint64 { return uint64(reflect.ValueOf(s).Pointer()) }

// stepNumbers are the states of the connection to the server as HAProxy numbers
// them.
var stepNumbers = [...]int{stateIntroduction: 0, stateQueued: 2, statePausing: 3, stateConnecting: 5, stateRelay: 8, stateClosed: 10}

// describe returns a line for each of the worker's sessions that is wanted for its
// age in milliseconds. What HAProxy has and we do not (calls of a task, flags of
// buffers) is 0. Loop goroutine only.
func (w *worker) describe(thread int, wanted func(s *session, age int64) bool) string {
	var all []*session
	for s := w.sessions; s != nil; s = s.next {
		if wanted(s, w.loop.Now()-s.begun) {
			all = append(all, s)
		}
	}
	slices.SortStableFunc(all, func(a, b *session) int { return cmp.Compare(a.begun, b.begun) })
	var text strings.Builder
	now := w.loop.Now()
	for _, s := range all {
		proto, src := "unix_stream", "unix:"+strconv.Itoa(s.listener.bind.Load().ID)
		if s.client.IsValid() {
			src = s.client.String()
			if proto = "tcpv4"; s.client.Addr().Is6() {
				proto = "tcpv6"
			}
		}
		be, srv := "<NONE>", "<none>"
		if s.be != nil {
			be = s.be.name
		}
		if s.srv != nil {
			srv = s.srv.name
		}
		fmt.Fprintf(&text, "%#x: proto=%s src=%s fe=%s be=%s srv=%s ts=%02x epoch=0 age=%s calls=0 rate=0 cpu=0 lat=0",
			s.id(), proto, src, s.fe.name, be, srv, thread, span(now-s.begun))
		for i, name := range []string{"rq", "rp"} {
			fmt.Fprintf(&text, " %s[f=0h,i=%d,an=00h,ax=]", name, boolDigit(s.half[i].waiting()))
		}
		least := int64(0)
		for i, name := range []string{"scf", "scb"} {
			step, left := 8, ""
			if i == serverEnd {
				step = stepNumbers[s.state]
			}
			if s.state == stateRelay {
				if at := s.idleDeadline(i); at > 0 {
					left = span(at - now)
					if least == 0 || at < least {
						least = at
					}
				}
			}
			fmt.Fprintf(&text, " %s=[%d,%dh,fd=%d,rex=%s,wex=]", name, step, i, s.ends[i].fd, left)
		}
		exp := ""
		if least > 0 {
			exp = span(least - now)
		}
		fmt.Fprintf(&text, " exp=%s rc=%d c_exp=\n", exp, s.retries)
	}
	return text.String()
}

// span is a time given in milliseconds, in its two greatest units.
func span(ms int64) string {
	left := max(ms, 0) / int64(time.Second/time.Millisecond)
	for _, unit := range []struct {
		name    string
		seconds int64
		next    string
		part    int64
	}{{"d", 86400, "h", 3600}, {"h", 3600, "m", 60}, {"m", 60, "s", 1}} {
		n, rest := left/unit.seconds, left%unit.seconds/unit.part
		if n > 0 && rest > 0 {
			return fmt.Sprintf("%d%s%d%s", n, unit.name, rest, unit.next)
		} else if n > 0 {
			return fmt.Sprintf("%d%s", n, unit.name)
		}
	}
	return fmt.Sprintf("%ds", left)
}

// shutdownSession ends the session that has the id, wherever it is.
func (e *Engine) shutdownSession(ctx context.Context, req *ctl.Request, _ io.Writer) error {
	id := parseID(firstWord(req.Args))
	if id == 0 {
		return answer("Session pointer expected (use 'show sess').")
	}
	for _, w := range e.workers {
		found := false
		err := w.run(ctx, func() {
			for s := w.sessions; s != nil && !found; s = s.next {
				if s.id() == id {
					found = true
					s.finish(byKill, s.phase())
					return
				}
			}
		})
		if err != nil || found {
			return err
		}
	}
	return answer("No such session (use 'show sess').")
}

// clearCounters clears the greatest values, and with all the counters too. What is
// measured at the moment stays.
func (e *Engine) clearCounters(all bool) func(context.Context, *ctl.Request, io.Writer) error {
	return func(context.Context, *ctl.Request, io.Writer) error {
		e.mu.Lock()
		defer e.mu.Unlock()
		for _, f := range e.frontends {
			f.stats.clear(all)
		}
		for _, b := range e.backends {
			b.clear(all)
		}
		return nil
	}
}

// clear clears the greatest values of the backend and its servers, with all the
// counters too.
func (b *backend) clear(all bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.stats.clear(all)
	b.queue.peak = 0
	if all {
		b.downs, b.downtime, b.since = 0, 0, now
	}
	for _, s := range b.servers {
		s.stats.clear(all)
		s.queue.peak = 0
		if all {
			s.fails, s.downs, s.downtime, s.since = 0, 0, 0, now
		}
	}
}

// clear clears the greatest values, with all the counters too.
func (p *proxyStats) clear(all bool) {
	p.peakSessions.Store(0)
	p.rate.peak.Store(0)
	if !all {
		return
	}
	for _, c := range p.counters() {
		c.Store(0)
	}
}
