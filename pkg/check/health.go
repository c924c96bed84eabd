package check

import (
	"fmt"
	"time"
)

// Settings are a server's check parameters (configuration manual, section 5.2).
type Settings struct {
	Rise int // good results in a row that bring a server up, 1 or more
	Fall int // bad results in a row that take it down, 1 or more
	// Inter is the time between checks. FastInter replaces it while the state is
	// about to change, DownInter while the server is down; 0 means Inter.
	Inter, FastInter, DownInter time.Duration
}

// Defaults are HAProxy's: a check each two seconds, three failures take a server
// down, two successes bring it up again.
var Defaults = Settings{Rise: 2, Fall: 3, Inter: 2 * time.Second}

// Health counts the results of one server's checks. Its score moves between 0 and
// Rise+Fall-1; the server is up from Rise on. A bad result takes one from the
// score of a server that is up, and all of it at Rise; a good one adds one, and
// fills it up from Rise on. The zero value is not usable, see New.
type Health struct {
	settings Settings
	score    int
}

// New returns the health of a server that counts as up, or down, before its first
// result. An up server falls with its first bad result, as in HAProxy: nothing is
// known of it yet.
func New(s Settings, up bool) Health {
	h := Health{settings: s}
	if up {
		h.score = s.Rise
	}
	return h
}

// Up reports whether the server may take connections.
func (h *Health) Up() bool { return h.score >= h.settings.Rise }

// Score is the result of the counting, 0 to Rise+Fall-1.
func (h *Health) Score() int { return h.score }

// Settings returns what is in force.
func (h *Health) Settings() Settings { return h.settings }

// Full reports whether there was no failure lately.
func (h *Health) Full() bool { return h.score == h.full() }

// full is the score of a server without a recent failure.
func (h *Health) full() int { return h.settings.Rise + h.settings.Fall - 1 }

// Report counts one result; changed tells that Up has another value than before.
func (h *Health) Report(good bool) (changed bool) {
	was := h.Up()
	switch {
	case good:
		if h.score++; h.score >= h.settings.Rise {
			h.score = h.full()
		}
	case h.score > h.settings.Rise:
		h.score--
	default:
		h.score = 0
	}
	return h.Up() != was
}

// Force sets the state as an administrator or an agent wants it.
func (h *Health) Force(up bool) (changed bool) {
	was := h.Up()
	h.score = 0
	if up {
		h.score = h.full()
	}
	return h.Up() != was
}

// Revive makes the server count as up with nothing known of it: the first bad
// result takes it down again.
func (h *Health) Revive() { h.score = h.settings.Rise }

// Configure puts other settings in force; the state stays what it is.
func (h *Health) Configure(s Settings) {
	up, full := h.Up(), h.score == h.full()
	h.settings = s
	switch {
	case up && full:
		h.score = h.full()
	case up:
		h.score = min(max(h.score, s.Rise), h.full())
	default:
		h.score = min(h.score, s.Rise-1)
	}
}

// Interval is the time from the end of one check to the begin of the next.
func (h *Health) Interval() time.Duration {
	s := h.settings
	switch {
	case h.score > 0 && h.score < h.full() && s.FastInter > 0:
		return s.FastInter
	case h.score == 0 && s.DownInter > 0:
		return s.DownInter
	}
	return s.Inter
}

// String returns the state in the words of "show stat": "UP", "UP 1/3" after some
// bad results, "DOWN", "DOWN 1/2" after some good ones.
func (h *Health) String() string {
	switch {
	case h.Full():
		return "UP"
	case h.score == 0:
		return "DOWN"
	case h.Up():
		return "UP " + h.Progress()
	}
	return "DOWN " + h.Progress()
}

// Progress returns how far the state is from changing: of a server that is up, the
// bad results that are left and Fall, otherwise the good ones so far and Rise.
func (h *Health) Progress() string {
	if s := h.settings; h.Up() {
		return fmt.Sprintf("%d/%d", h.score-s.Rise+1, s.Fall)
	}
	return fmt.Sprintf("%d/%d", h.score, h.settings.Rise)
}
