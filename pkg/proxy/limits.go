package proxy

import (
	"fmt"

	"github.com/sluice-lb/sluice/pkg/config"
	"golang.org/x/sys/unix"
)

const (
	// reservedFiles are descriptors for other things than sessions: control
	// connections, log sinks, connections that close at the end of a turn.
	reservedFiles = 256
	// loopFiles are the descriptors of a loop: epoll, eventfd, io_uring.
	loopFiles = 3
)

// defaultHardLimit is what "fd-hard-limit" is unless set.
const defaultHardLimit = 1 << 20

// processLimits are what the process may have at once.
type processLimits struct {
	maxconn int64  // connections; each needs two descriptors
	pipes   int64  // of spliced flows; each has two
	files   uint64 // descriptors that all need together
	warning string // tells what was cut down; "": nothing
}

// fitProcess works the limits out and raises the soft file limit to match.
func fitProcess(conf *config.Config, override int) (processLimits, error) {
	var lim unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &lim); err != nil {
		return processLimits{}, fmt.Errorf("read file limit: %w", err)
	}
	l, err := limitsWithin(conf, override, lim.Max)
	if err != nil {
		return l, err
	}
	if l.files > lim.Cur {
		lim.Cur = l.files
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &lim); err != nil {
			return l, fmt.Errorf("raise file limit to %d: %w", l.files, err)
		}
	}
	return l, nil
}

// limitsWithin works the limits out for a process that may have system descriptors
// at most (configuration manual, "maxconn" of global, "maxpipes", "fd-hard-limit",
// "ulimit-n", "strict-limits"). Without a configured maxconn, what descriptors there
// are decides. override is the command line's maxconn, 0 for none.
func limitsWithin(conf *config.Config, override int, system uint64) (processLimits, error) {
	g := &conf.Global
	bound, advice, own, err := fileBound(g, system)
	if err != nil {
		return processLimits{}, err
	}
	fixed := uint64(fixedFiles(conf))
	want := uint64(max(g.Maxconn, 0))
	if override > 0 {
		want = uint64(override)
	}
	if bound < fixed+3 {
		return processLimits{}, fmt.Errorf("the limit of %d files is too low: at least %d are needed; %s", bound, fixed+3, advice)
	}
	l := processLimits{maxconn: int64(want), pipes: int64(g.Maxpipes)}
	if want == 0 {
		return l.shareOut(bound, fixed), nil
	}
	if l.pipes <= 0 {
		// Their number is nobody's wish: pipes take what connections leave.
		l.pipes = max(min(l.maxconn/4, int64(bound-fixed)/2-l.maxconn), 1)
	}
	l.files = fixed + 2*uint64(l.maxconn+l.pipes)
	if l.files <= bound {
		return l, nil
	}
	subject, lower := fmt.Sprintf("maxconn %d", l.maxconn), `"maxconn"`
	if g.Maxpipes > 0 {
		subject, lower = fmt.Sprintf("maxconn %d with %d pipes", l.maxconn, l.pipes), `"maxconn" or "maxpipes"`
	}
	fault := fmt.Sprintf("%s needs %d files, the limit is %d; lower %s, or %s", subject, l.files, bound, lower, advice)
	if !g.LaxLimits && !own {
		return processLimits{}, fmt.Errorf("%s", fault)
	}
	l.pipes = 0
	l = l.shareOut(bound, fixed)
	l.warning = fmt.Sprintf("%s; going on with maxconn %d", fault, l.maxconn)
	return l, nil
}

// shareOut gives connections and pipes what files there are, one pipe to four
// connections unless the number of pipes is given and leaves room for them.
func (l processLimits) shareOut(bound, fixed uint64) processLimits {
	left := int64(bound - fixed)
	if l.pipes > 0 && 2*l.pipes < left {
		l.maxconn = max((left-2*l.pipes)/2, 1)
	} else {
		l.maxconn = max(2*left/5, 1)
		l.pipes = l.maxconn / 4
	}
	l.files = fixed + 2*uint64(l.maxconn+l.pipes)
	return l
}

// fileBound is how many descriptors the process may use, and what to do to get
// more. own tells that "ulimit-n" chose a lower number than the system allows: too
// few of these are the administrator's choice.
func fileBound(g *config.Global, system uint64) (bound uint64, advice string, own bool, err error) {
	bound, advice = system, `raise LimitNOFILE= of the unit ("ulimit -Hn")`
	hard := uint64(defaultHardLimit)
	if g.FDHardLimit > 0 {
		hard = uint64(g.FDHardLimit)
	}
	if hard < bound {
		bound, advice = hard, `raise "fd-hard-limit"`
	}
	if g.UlimitN <= 0 {
		return bound, advice, false, nil
	}
	n := uint64(g.UlimitN)
	if n > bound {
		if !g.LaxLimits {
			return 0, "", false, fmt.Errorf("ulimit-n %d is more than the limit of %d files; lower it or %s", n, bound, advice)
		}
		return bound, advice, false, nil
	}
	return n, `raise "ulimit-n"`, true, nil
}

// fixedFiles is how many descriptors are needed beside those of connections: loops,
// listeners, and a connection to each server that is checked.
func fixedFiles(conf *config.Config) int {
	n, checks := reservedFiles+loopFiles*loops(conf), 0
	for _, p := range conf.Proxies {
		n += len(p.Binds)
		for i := range p.Servers {
			if p.Servers[i].Check != nil {
				checks++
			}
		}
	}
	return n + min(checks, checkSlots)
}
