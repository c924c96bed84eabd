package netcfg

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/beevik/ntp"
)

// The time-sync loop: it asks all servers, believes what a majority of them can
// agree on, steps the clock when it is far off and slews it otherwise. It is a
// client only.

const (
	stepLimit    = 500 * time.Millisecond // more is stepped, and is what the kernel slews at most
	queryLimit   = 3 * time.Second
	firstPoll    = 64 * time.Second
	lastPoll     = 1024 * time.Second
	firstNTPTry  = 2 * time.Second // after a poll without a usable answer, doubling up to firstPoll
	steadyOffset = 20 * time.Millisecond
	leastError   = 10 * time.Millisecond // of a server's time, whatever it says
	maxNTPAddrs  = 4                     // of one name
)

// oldestTime is before any time that a sound server can give.
var oldestTime = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

// TimeStatus is what the time-sync loop last saw.
type TimeStatus struct {
	State   string        `json:"state"` // off, waiting, synchronized, unreachable, disagreement, failed
	Message string        `json:"message,omitempty"`
	Server  string        `json:"server,omitempty"` // the one the clock follows
	Stratum int           `json:"stratum,omitempty"`
	Offset  time.Duration `json:"offset_ns"` // of the server from the clock, before it was corrected
	RTT     time.Duration `json:"rtt_ns"`
	Last    time.Time     `json:"last,omitzero"` // of the last correction
	Poll    int           `json:"poll_seconds"`
	Steps   int           `json:"steps"`
	Servers []TimeServer  `json:"servers,omitempty"`
}

// TimeServer is one server's last answer.
type TimeServer struct {
	Name    string        `json:"name"`
	Address string        `json:"address,omitempty"`
	Stratum int           `json:"stratum,omitempty"`
	Offset  time.Duration `json:"offset_ns"`
	RTT     time.Duration `json:"rtt_ns"`
	Error   string        `json:"error,omitempty"`

	distance time.Duration // largest error of Offset
}

// timekeeper runs the loop; its goroutine ends with start's ctx.
type timekeeper struct {
	clock Clock // nil: off
	net   *Kernel
	log   *slog.Logger
	wake  chan struct{} // servers changed

	mu      sync.Mutex
	servers []string   // guarded by mu
	status  TimeStatus // guarded by mu

	// of the loop
	poll   time.Duration
	synced bool
	far    time.Duration // offset of the last poll when it asked for a step that waits for a second opinion
}

func newTimekeeper(clock Clock, k *Kernel, log *slog.Logger) *timekeeper {
	return &timekeeper{clock: clock, net: k, log: log, wake: make(chan struct{}, 1), status: TimeStatus{State: "off"}}
}

// set gives the servers; none turn the loop off.
func (t *timekeeper) set(servers []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.clock == nil || slices.Equal(servers, t.servers) {
		return
	}
	t.servers = slices.Clone(servers)
	t.status = TimeStatus{State: word(len(servers) > 0, "waiting", "off"), Steps: t.status.Steps}
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

func (t *timekeeper) show() TimeStatus {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.status
}

// start runs the loop until ctx ends; the returned function waits for that.
func (t *timekeeper) start(ctx context.Context) (wait func()) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		t.run(ctx)
	}()
	return func() { <-ended }
}

func (t *timekeeper) run(ctx context.Context) {
	var timer <-chan time.Time
	tries := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.wake:
			t.poll, tries = firstPoll, 0
		case <-timer:
		}
		t.mu.Lock()
		servers := t.servers
		t.mu.Unlock()
		timer = nil
		if len(servers) == 0 {
			continue
		}
		if t.round(ctx, servers) {
			tries = 0
			timer = time.After(t.poll)
		} else {
			timer = time.After(min(firstNTPTry<<min(tries, 6), firstPoll))
			tries++
		}
	}
}

// round asks all servers once and corrects the clock; false asks for an early
// next round.
func (t *timekeeper) round(ctx context.Context, names []string) bool {
	answers := t.askAll(ctx, names)
	if ctx.Err() != nil {
		return false
	}
	best, err := agree(answers)
	done := false
	if err == nil {
		done, err = t.correct(best)
	}
	t.note(names, answers, best, done, err)
	return done
}

// note publishes the outcome of a round.
func (t *timekeeper) note(names []string, answers []TimeServer, best *TimeServer, done bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !slices.Equal(names, t.servers) {
		return // of servers that are configured no more
	}
	was := t.status.State
	s := &t.status
	s.Servers, s.Poll, s.Message = answers, int(t.poll/time.Second), ""
	switch {
	case errors.Is(err, errNoAnswer):
		s.State, s.Message = "unreachable", err.Error()
	case errors.Is(err, errDisagree):
		s.State, s.Message = "disagreement", err.Error()
	case err != nil:
		s.State, s.Message = "failed", err.Error()
	default:
		s.State, s.Server, s.Stratum, s.Offset, s.RTT = "synchronized", best.Name, best.Stratum, best.Offset, best.RTT
		if !done {
			s.State, s.Message = "waiting", fmt.Sprintf("%s is off by %v, asking again before the clock is stepped", best.Name, best.Offset)
		} else {
			s.Last = t.clock.Now()
		}
	}
	if s.State != was {
		t.log.Info("time", "state", s.State, "server", s.Server, "offset", s.Offset, "message", s.Message)
	}
}

// correct moves the clock towards a server's time. A clock that was right once
// is stepped only when two rounds in a row ask for it.
func (t *timekeeper) correct(best *TimeServer) (bool, error) {
	off := best.Offset
	if off.Abs() <= stepLimit {
		t.far = 0
		if off.Abs() <= steadyOffset && t.synced {
			t.poll = min(t.poll*2, lastPoll)
		} else {
			t.poll = firstPoll
		}
		t.synced = true
		return true, t.clock.Slew(off, t.poll)
	}
	if confirmed := t.far != 0 && (off-t.far).Abs() <= stepLimit; t.synced && !confirmed {
		t.far = off
		return false, nil
	}
	if err := t.clock.Step(off); err != nil {
		return false, err
	}
	t.log.Warn("clock stepped", "by", off, "server", best.Name)
	t.mu.Lock()
	t.status.Steps++
	t.mu.Unlock()
	t.synced, t.far, t.poll = true, 0, firstPoll
	return true, nil
}

// askAll asks every address of every server at the same time.
func (t *timekeeper) askAll(ctx context.Context, names []string) []TimeServer {
	ctx, cancel := context.WithTimeout(ctx, 2*queryLimit)
	defer cancel()
	answers := make([][]TimeServer, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Go(func() {
			addrs, err := t.lookup(ctx, name)
			if err != nil {
				answers[i] = []TimeServer{{Name: name, Error: err.Error()}}
				return
			}
			answers[i] = make([]TimeServer, len(addrs))
			var each sync.WaitGroup
			for j, a := range addrs {
				each.Go(func() { answers[i][j] = t.query(ctx, name, a) })
			}
			each.Wait()
		})
	}
	wg.Wait()
	return slices.Concat(answers...)
}

func (t *timekeeper) lookup(ctx context.Context, name string) ([]string, error) {
	if net.ParseIP(name) != nil {
		return []string{name}, nil
	}
	addrs, err := net.DefaultResolver.LookupHost(ctx, name)
	return addrs[:min(len(addrs), maxNTPAddrs)], err
}

// query asks one server (RFC 5905) and judges its answer.
func (t *timekeeper) query(ctx context.Context, name, addr string) TimeServer {
	out := TimeServer{Name: name, Address: addr}
	dial := func(_, remote string) (conn net.Conn, err error) {
		err = t.net.inside(func() error {
			var d net.Dialer
			conn, err = d.DialContext(ctx, "udp", remote)
			return err
		})
		if err == nil { // the query itself knows no ctx
			stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
			conn = &stopConn{conn, stop}
		}
		return conn, err
	}
	r, err := ntp.QueryWithOptions(net.JoinHostPort(addr, "123"), ntp.QueryOptions{Timeout: queryLimit, Dialer: dial, GetSystemTime: t.clock.Now})
	if err == nil {
		err = r.Validate()
	}
	if err == nil && r.Time.Before(oldestTime) {
		err = fmt.Errorf("its time is %s", r.Time.Format(time.DateTime))
	}
	if err != nil {
		out.Error = err.Error()
		return out
	}
	out.Stratum, out.Offset, out.RTT, out.distance = int(r.Stratum), r.ClockOffset, r.RTT, max(r.RootDistance, leastError)
	return out
}

// stopConn forgets what would close it when it is closed.
type stopConn struct {
	net.Conn
	stop func() bool
}

// Close closes the connection.
func (c *stopConn) Close() error {
	c.stop()
	return c.Conn.Close()
}

var (
	errNoAnswer = errors.New("no server gave a usable answer")
	errDisagree = errors.New("the servers do not agree on the time")
)

// agree returns the most precise of the answers whose intervals of possible time
// share a point with those of a majority (Marzullo's algorithm, RFC 5905 section
// 11.2.1 in small).
func agree(answers []TimeServer) (*TimeServer, error) {
	var good []*TimeServer
	for i := range answers {
		if answers[i].Error == "" {
			good = append(good, &answers[i])
		}
	}
	if len(good) == 0 {
		return nil, errNoAnswer
	}
	var best *TimeServer
	most := 0
	for _, at := range good {
		// Some interval of the largest set that overlaps ends first: its end is in all.
		point, votes := at.Offset+at.distance, 0
		var closest *TimeServer
		for _, s := range good {
			if s.Offset-s.distance <= point && point <= s.Offset+s.distance {
				votes++
				if closest == nil || s.distance < closest.distance {
					closest = s
				}
			}
		}
		if votes > most {
			best, most = closest, votes
		}
	}
	if most*2 <= len(good) {
		return nil, errDisagree
	}
	return best, nil
}
