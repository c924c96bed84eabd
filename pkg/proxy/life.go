package proxy

import "time"

// life is the history of a backend, which is up while a server takes connections.
type life struct {
	begun    bool
	up       bool
	since    time.Time // of the present state
	downs    int64
	downtime time.Duration // before since
}

// note keeps the history up to date.
func (l *life) note(up bool, now time.Time) {
	switch {
	case !l.begun:
		l.begun = true
	case l.up == up:
		return
	case up:
		l.downtime += now.Sub(l.since)
	default:
		l.downs++
	}
	l.up, l.since = up, now
}

// downFor is the time that the backend has been down in all.
func (l *life) downFor(now time.Time) time.Duration {
	if l.up {
		return l.downtime
	}
	return l.downtime + now.Sub(l.since)
}

// weight is the sum over the servers that get the connections: the backups have no
// part in it while another server is there. mu is held.
func (b *backend) weight() int {
	var sum [2]int
	for i, s := range b.servers {
		role := 0
		if s.backup {
			role = 1
		}
		sum[role] += b.shares[i]
	}
	if sum[0] > 0 {
		return weightOf(sum[0])
	}
	return weightOf(sum[1])
}
