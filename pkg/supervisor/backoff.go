package supervisor

import (
	"math"
	"time"
)

// Growth of the restart delay where the unit does not set it, and the run time
// after which a service counts as stable, so that its next crash is restarted
// with the first delay again.
const (
	defaultRestartSteps    = 6
	defaultRestartMaxDelay = 10 * time.Second
	stableRun              = 10 * time.Second
)

// backoff computes restart delays: RestartSec at first, growing geometrically
// to RestartMaxDelaySec within RestartSteps restarts, as systemd.service(5)
// describes it.
type backoff struct {
	base, max time.Duration
	steps     int
	count     int // restarts since the last stable run
}

func newBackoff(s *Service) backoff {
	b := backoff{base: s.RestartSec, max: s.RestartMaxDelay, steps: s.RestartSteps}
	if b.max == 0 || b.steps == 0 {
		b.max, b.steps = defaultRestartMaxDelay, defaultRestartSteps
	}
	b.max = max(b.max, b.base)
	return b
}

// next returns the delay before the next start; ran is how long the service had
// been active before it died.
func (b *backoff) next(ran time.Duration) time.Duration {
	if ran >= stableRun {
		b.count = 0
	}
	n := b.count
	b.count++
	if n >= b.steps {
		return b.max
	}
	low := max(b.base, time.Millisecond)
	ratio := float64(b.max) / float64(low)
	d := time.Duration(float64(low) * math.Pow(ratio, float64(n)/float64(b.steps)))
	if n == 0 {
		return b.base
	}
	return min(d, b.max)
}

// startLimiter counts starts within StartLimitIntervalSec.
type startLimiter struct {
	limit  StartLimit
	starts []time.Time
}

// allow records a start at now and reports whether it is within the limit.
func (l *startLimiter) allow(now time.Time) bool {
	if l.limit.Interval == 0 || l.limit.Burst == 0 {
		return true
	}
	first := 0
	for first < len(l.starts) && now.Sub(l.starts[first]) >= l.limit.Interval {
		first++
	}
	l.starts = l.starts[first:]
	if len(l.starts) >= l.limit.Burst {
		return false
	}
	l.starts = append(l.starts, now)
	return true
}

// reset forgets past starts, for an administrator's explicit start.
func (l *startLimiter) reset() { l.starts = nil }
