package netcfg

import (
	"encoding/binary"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// fakeClock runs beside the system's clock, which no test may touch.
type fakeClock struct {
	mu    sync.Mutex
	off   time.Duration   // guarded by mu
	slews []time.Duration // guarded by mu
	steps chan time.Duration
}

func newFakeClock(off time.Duration) *fakeClock {
	return &fakeClock{off: off, steps: make(chan time.Duration, 10)}
}

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.off)
}

func (c *fakeClock) Step(d time.Duration) error {
	c.mu.Lock()
	c.off += d
	c.mu.Unlock()
	c.steps <- d
	return nil
}

func (c *fakeClock) Slew(d, _ time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.slews = append(c.slews, d)
	return nil
}

// ntpServer answers on an address of the peer with a time that is off by what it
// is told.
func (l *lab) ntpServer(addr string, off time.Duration) {
	l.t.Helper()
	var conn *net.UDPConn
	peer := &Kernel{ns: l.peerNS}
	l.must(peer.inside(func() (err error) {
		conn, err = net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(addr), Port: 123})
		return err
	}))
	l.t.Cleanup(func() { conn.Close() })
	go func() { // ends with conn
		buf := make([]byte, 512)
		for {
			n, from, err := conn.ReadFromUDP(buf)
			if err != nil {
				return
			}
			if n >= 48 {
				_, _ = conn.WriteToUDP(ntpAnswer(buf[:48], time.Now().Add(off)), from)
			}
		}
	}()
}

// ntpAnswer is a server's packet of RFC 5905 section 7.3, stratum 2.
func ntpAnswer(request []byte, now time.Time) []byte {
	stamp := func(t time.Time) uint64 {
		const era = 2208988800 // seconds from 1900 to 1970
		return uint64(t.Unix()+era)<<32 | uint64(t.Nanosecond())<<32/1e9
	}
	b := make([]byte, 48)
	b[0], b[1], b[2], b[3] = 4<<3|4, 2, 6, 0xe8
	binary.BigEndian.PutUint32(b[8:], 1<<8) // dispersion: 4 ms
	binary.BigEndian.PutUint64(b[16:], stamp(now.Add(-10*time.Second)))
	copy(b[24:32], request[40:48])
	binary.BigEndian.PutUint64(b[32:], stamp(now))
	binary.BigEndian.PutUint64(b[40:], stamp(now))
	return b
}

// TestNTP has three servers, one of which lies: the clock is 40 s late and is
// stepped to what the two others say.
func TestNTP(t *testing.T) {
	l := newLab(t)
	l.plug("eth0", true)
	clock := newFakeClock(-40 * time.Second)
	l.clock = clock
	l.ntpServer("198.18.0.1", 0)
	l.ntpServer("fd00:198:18::1", 0)
	l.addPeer("198.18.0.7/24")
	l.ntpServer("198.18.0.7", time.Hour)
	l.file("10-lan.network", lanFile+"NTP=198.18.0.7 198.18.0.1\nNTP=fd00:198:18::1\n")
	r := l.start(limit)
	r.awaitNotify("READY=1")
	if got := receive(t, clock.steps, "step"); (got - 40*time.Second).Abs() > time.Second {
		t.Errorf("step = %v, want 40 s", got)
	}
	var b strings.Builder
	for end := time.Now().Add(limit); r.timekeeper.show().State != "synchronized"; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("time = %+v", r.timekeeper.show())
		}
	}
	l.must(r.ShowTime(t.Context(), &b))
	for _, want := range []string{"time: synchronized to ", ", stratum 2, offset ", "  server 198.18.0.7 198.18.0.7, stratum 2, offset 1h0m", "steps: 1\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("show time lacks %q:\n%s", want, b.String())
		}
	}
	l.file("10-lan.network", lanFile)
	l.must(r.Reload(t.Context()))
	if s := r.show(); !strings.Contains(s, "time: off\n") {
		t.Errorf("without NTP=:\n%s", s)
	}
}

// TestTimex checks what the kernel is told; the clock itself is the machine's.
func TestTimex(t *testing.T) {
	for off, want := range map[time.Duration][2]int64{
		1500 * time.Millisecond: {1, 5e8}, -1250 * time.Millisecond: {-2, 75e7}, -time.Second: {-1, 0}, 40 * 365 * 24 * time.Hour: {40 * 365 * 86400, 0}} {
		if x := stepping(off); x.Time.Sec != want[0] || x.Time.Usec != want[1] || x.Status&unix.STA_UNSYNC != 0 {
			t.Errorf("stepping(%v) = %+v, want %v", off, x.Time, want)
		}
	}
	for poll, want := range map[time.Duration]int64{firstPoll: 0, 128 * time.Second: 1, lastPoll: 4} {
		if x := slewing(-time.Millisecond, poll); x.Constant != want || x.Offset != -1e6 {
			t.Errorf("slewing with %v = %d, %d, want %d", poll, x.Offset, x.Constant, want)
		}
	}
}

func TestAgree(t *testing.T) {
	s := func(name string, off, distance time.Duration) TimeServer {
		return TimeServer{Name: name, Offset: off, distance: distance}
	}
	dead := TimeServer{Name: "dead", Error: "timeout"}
	for _, tt := range []struct {
		name    string
		answers []TimeServer
		want    string
		err     error
	}{
		{"none", []TimeServer{dead}, "", errNoAnswer},
		{"one", []TimeServer{dead, s("a", time.Hour, time.Millisecond)}, "a", nil},
		{"liar among three", []TimeServer{s("liar", time.Hour, time.Millisecond), s("a", 10, 5e6), s("b", 1e6, 2e6)}, "b", nil},
		{"two that differ", []TimeServer{s("a", 0, 1e6), s("b", 1e9, 1e6)}, "", errDisagree},
		{"two against two", []TimeServer{s("a", 0, 1e6), s("b", 0, 1e6), s("c", 1e9, 1e6), s("d", 1e9, 1e6)}, "", errDisagree},
		{"vague one holds all", []TimeServer{s("vague", 0, 2e9), s("a", 1e9, 1e6), s("b", 1e9, 2e6)}, "a", nil},
	} {
		got, err := agree(tt.answers)
		if !errors.Is(err, tt.err) || (got == nil) != (tt.want == "") || got != nil && got.Name != tt.want {
			t.Errorf("%s: agree = %v, %v, want %q, %v", tt.name, got, err, tt.want, tt.err)
		}
	}
}

// TestCorrect walks through offsets: what is done, and when the next round is.
func TestCorrect(t *testing.T) {
	clock := newFakeClock(0)
	k := newTimekeeper(clock, nil, slog.New(slog.DiscardHandler))
	for i, tt := range []struct {
		off   time.Duration
		done  bool
		steps int
		poll  time.Duration
	}{
		{time.Hour, true, 1, firstPoll},                       // the first time is believed
		{100 * time.Millisecond, true, 1, firstPoll},          // slewed
		{time.Millisecond, true, 1, 2 * firstPoll},            // steady: less often
		{time.Minute, false, 1, 2 * firstPoll},                // was right once: a second opinion
		{2 * time.Millisecond, true, 1, 4 * firstPoll},        // it was a lie
		{-time.Minute, false, 1, 4 * firstPoll},               // again
		{-time.Minute + time.Millisecond, true, 2, firstPoll}, // confirmed
		{-500 * time.Millisecond, true, 2, firstPoll},         // the limit is slewed
		{-500*time.Millisecond - 1, false, 2, firstPoll},      // beyond is not
	} {
		done, err := k.correct(&TimeServer{Name: "a", Offset: tt.off})
		if done != tt.done || err != nil || k.status.Steps != tt.steps || k.poll != tt.poll {
			t.Errorf("%d: correct(%v) = %v, %v, steps %d, poll %v, want %+v", i, tt.off, done, err, k.status.Steps, k.poll, tt)
		}
	}
	if len(clock.slews) != 4 {
		t.Errorf("slews = %v, want 4", clock.slews)
	}
}
