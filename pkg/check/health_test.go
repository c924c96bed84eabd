package check

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// states runs results ("+" good, "-" bad) and lists what String says after each.
func states(h *Health, results string) string {
	var s []string
	for _, r := range results {
		h.Report(r == '+')
		s = append(s, h.String())
	}
	return strings.Join(s, ", ")
}

func TestHealth(t *testing.T) {
	tests := []struct {
		name       string
		rise, fall int
		up         bool
		results    string
		want       string
	}{
		{"first failure is enough", 2, 3, true, "-", "DOWN"},
		{"first success fills up", 2, 3, true, "++", "UP, UP"},
		{"three failures", 2, 3, true, "+++---", "UP, UP, UP, UP 2/3, UP 1/3, DOWN"},
		{"a success in between", 2, 3, true, "++-+---", "UP, UP, UP 2/3, UP, UP 2/3, UP 1/3, DOWN"},
		{"a success fills up from anywhere", 2, 3, true, "+--+---", "UP, UP 2/3, UP 1/3, UP, UP 2/3, UP 1/3, DOWN"},
		{"two successes", 2, 3, false, "++", "DOWN 1/2, UP"},
		{"a failure in between", 2, 3, false, "+-++", "DOWN 1/2, DOWN, DOWN 1/2, UP"},
		{"one is enough", 1, 1, false, "+-+", "UP, DOWN, UP"},
	}
	for _, tt := range tests {
		h := New(Settings{Rise: tt.rise, Fall: tt.fall}, tt.up)
		if got := states(&h, tt.results); got != tt.want {
			t.Errorf("%s: %s = %s, want %s", tt.name, tt.results, got, tt.want)
		}
	}
}

// TestHealthProperties holds the rule that the score is made for: an up server
// falls at the Fallth bad result in a row at the latest, a down one rises at
// exactly the Riseth good one.
func TestHealthProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Settings{Rise: rapid.IntRange(1, 6).Draw(t, "rise"), Fall: rapid.IntRange(1, 6).Draw(t, "fall")}
		h := New(s, rapid.Bool().Draw(t, "up"))
		good, bad := 0, 0
		for range rapid.IntRange(1, 60).Draw(t, "results") {
			up := h.Up()
			result := rapid.Bool().Draw(t, "result")
			if result {
				good, bad = good+1, 0
			} else {
				good, bad = 0, bad+1
			}
			if changed := h.Report(result); changed != (h.Up() != up) {
				t.Fatalf("Report says changed %v, up went from %v to %v", changed, up, h.Up())
			}
			switch {
			case up && !h.Up() && result, !up && h.Up() && !result:
				t.Fatalf("a %v result turned up=%v into %v", result, up, h.Up())
			case bad >= s.Fall && h.Up():
				t.Fatalf("up after %d bad results, fall is %d", bad, s.Fall)
			case !up && h.Up() != (good >= s.Rise):
				t.Fatalf("up=%v after %d good results, rise is %d", h.Up(), good, s.Rise)
			}
		}
	})
}

func TestInterval(t *testing.T) {
	s := Settings{Rise: 2, Fall: 2, Inter: 4 * time.Second, FastInter: time.Second, DownInter: 9 * time.Second}
	h := New(s, false)
	for _, step := range []struct {
		good bool
		want time.Duration
	}{{true, s.FastInter}, {true, s.Inter}, {false, s.FastInter}, {false, s.DownInter}} {
		h.Report(step.good)
		if got := h.Interval(); got != step.want {
			t.Errorf("%s: Interval = %v, want %v", h.String(), got, step.want)
		}
	}
}

func TestConfigureKeepsTheState(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func() Settings {
			return Settings{Rise: rapid.IntRange(1, 6).Draw(t, "rise"), Fall: rapid.IntRange(1, 6).Draw(t, "fall")}
		}
		h := New(draw(), rapid.Bool().Draw(t, "up"))
		for range rapid.IntRange(0, 8).Draw(t, "results") {
			h.Report(rapid.Bool().Draw(t, "result"))
		}
		up := h.Up()
		if h.Configure(draw()); h.Up() != up {
			t.Fatalf("Configure turned up=%v into %v", up, h.Up())
		}
	})
}

func TestTCP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if r := TCP(t.Context(), &net.Dialer{}, "tcp", address); !r.Good || r.Status != "L4OK" {
		t.Errorf("TCP(listening) = %+v", r)
	}
	_ = l.Close()
	if r := TCP(t.Context(), &net.Dialer{}, "tcp", address); r.Good || r.Status != "L4CON" || r.Info != "Connection refused" {
		t.Errorf("TCP(closed) = %+v", r)
	}
	ended, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	if r := TCP(ended, &net.Dialer{}, "tcp", address); r.Good || r.Status != "L4TOUT" {
		t.Errorf("TCP(after its time) = %+v", r)
	}
	path := filepath.Join(t.TempDir(), "s")
	if r := TCP(t.Context(), &net.Dialer{}, "unix", path); r.Good || r.Info != "No such file or directory" {
		t.Errorf("TCP(no socket) = %+v", r)
	}
}
