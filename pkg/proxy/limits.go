package proxy

import (
	"fmt"

	"github.com/sluice-lb/sluice/pkg/config"
	"golang.org/x/sys/unix"
)

// reservedFiles are descriptors for other things than sessions: loops, control
// connections, log sinks, pipes of spliced flows.
const reservedFiles = 512

// fitMaxconn works out the limit of concurrent connections, for which the process
// needs two descriptors each, and raises the soft file limit to match. Without a
// configured limit the hard file limit decides, as with HAProxy.
func fitMaxconn(conf *config.Config, override int) (int64, error) {
	want := conf.Global.Maxconn
	if override > 0 {
		want = override
	}
	fixed := reservedFiles
	for _, p := range conf.Proxies {
		fixed += len(p.Binds)
	}
	var lim unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &lim); err != nil {
		return 0, fmt.Errorf("read file limit: %w", err)
	}
	need := uint64(2*want + fixed)
	if want == 0 {
		need = min(lim.Max, 1<<20)
		if need <= uint64(fixed)+2 {
			return 0, fmt.Errorf("file limit %d is too low: at least %d are needed; raise LimitNOFILE= of the unit or \"ulimit -Hn\"", lim.Max, fixed+2)
		}
		want = int(need-uint64(fixed)) / 2
	}
	if need > lim.Max {
		return 0, fmt.Errorf("maxconn %d needs %d files, the limit is %d; lower \"maxconn\" or raise LimitNOFILE= of the unit (\"ulimit -Hn\")",
			want, need, lim.Max)
	}
	if need > lim.Cur {
		lim.Cur = need
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &lim); err != nil {
			return 0, fmt.Errorf("raise file limit to %d: %w", need, err)
		}
	}
	return int64(want), nil
}
