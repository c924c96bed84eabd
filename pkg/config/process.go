package config

import (
	"strings"
	"time"
)

// processKeywords are the keywords of section global about the process and its
// limits (manual, sections 3.1 and 3.2).
var processKeywords = []Keyword{
	{Name: "thread-groups", Where: InGlobal, Args: "<number>", Min: 1, Max: 1, Default: "1", State: NoEffect, Why: "all event loops are equal",
		Help: "groups that the threads are parted into, 1 to 16", parse: amount{lo: 1, hi: 16, whole: true}.keep(func(g *Global) *int { return &g.ThreadGroups })},
	{Name: "thread-group", Where: InGlobal, Args: "<group> [<thread-range>...]", Min: 1, Max: -1, State: NoEffect, Why: "all event loops are equal",
		Help: "threads of a group", parse: parseThreadGroup},
	{Name: "thread-hard-limit", Where: InGlobal, Args: "<number>", Min: 1, Max: 1, State: NoEffect, Why: "there are as many loops as 'nbthread' or the CPUs say",
		Help: "most threads, 1 to 256", parse: amount{lo: 1, hi: maxThreads, whole: true}.judge},
	{Name: "cpu-map", Where: InGlobal, Args: "[auto:]<thread-group>[/<thread-set>] <cpu-set>...", Min: 2, Max: -1, State: NoEffect,
		Why: "the kernel places the event loops", Help: "CPUs that threads may run on", parse: parseCPUMap},
	{Name: "numa-cpu-mapping", Where: InGlobal, Max: -1, No: true, State: NoEffect, Why: "the kernel places the event loops", Help: "keep the threads on one NUMA node"},

	{Name: "maxconnrate", Where: InGlobal, Args: "<number>", Min: 1, Max: 1, Default: "0, unlimited",
		Help: "new connections per second over all frontends", parse: onceNumber(func(g *Global) *int { return &g.MaxconnRate })},
	{Name: "maxsessrate", Where: InGlobal, Args: "<number>", Min: 1, Max: 1, Default: "0, unlimited",
		Help: "new sessions per second over all frontends", parse: onceNumber(func(g *Global) *int { return &g.MaxsessRate })},
	{Name: "maxpipes", Where: InGlobal, Args: "<number>", Min: 1, Max: 1, Default: "maxconn/4",
		Help: "most pipes for splicing", parse: onceNumber(func(g *Global) *int { return &g.Maxpipes })},
	{Name: "ulimit-n", Where: InGlobal, Args: "<number>", Min: 1, Max: 1, Default: "as many as maxconn and maxpipes need",
		Help: "most open files", parse: onceNumber(func(g *Global) *int { return &g.UlimitN })},
	{Name: "fd-hard-limit", Where: InGlobal, Args: "<number>", Min: 1, Max: 1, Default: "1048576",
		Help: "upper bound of the limit of open files", parse: anyNumber.keep(func(g *Global) *int { return &g.FDHardLimit })},
	{Name: "strict-limits", Where: InGlobal, No: true, Default: "on", Help: "do not start when a limit cannot be kept",
		parse: func(p *parser, st *statement) { p.cfg.Global.LaxLimits = st.no }},
	{Name: "prealloc-fd", Where: InGlobal, State: NoEffect, Why: "the runtime sizes its tables", Help: "prepare the table of open files"},
	{Name: "no-memory-trimming", Where: InGlobal, State: NoEffect, Why: "the runtime gives memory back by itself", Help: "keep freed memory"},

	{Name: "grace", Where: InGlobal, Args: "<time>", Min: 1, Max: -1, State: Pending, Help: "time between the order to stop and the stop",
		parse: span(0, 0, func(g *Global) *time.Duration { return &g.Grace })},
	{Name: "close-spread-time", Where: InGlobal, Args: "<time> | infinite", Min: 1, Max: -1, State: NoEffect,
		Why: "it is for idle HTTP connections", Help: "time over which a soft stop closes idle connections", parse: parseCloseSpread},
	{Name: "mworker-max-reloads", Where: InGlobal, Args: "<number>", Min: 1, Max: 1, State: NoEffect,
		Why: "there is no master process", Help: "reloads that an old process survives", parse: notNegative.judge},
	{Name: "insecure-fork-wanted", Where: InGlobal, No: true, State: NoEffect, Why: "only external checks start processes, and they may", Help: "allow to start processes"},
	{Name: "insecure-setuid-wanted", Where: InGlobal, State: NoEffect, Why: "the unit decides about rights", Help: "allow to run set-user-id programs"},
	{Name: "set-dumpable", Where: InGlobal, No: true, State: NoEffect, Why: "the unit decides about core dumps", Help: "allow core dumps"},
	{Name: "setcap", Where: InGlobal, Args: "<capability>[,<capability>...]", Min: 1, Max: -1, State: NoEffect, Why: rightsOfUnit,
		Help: "capabilities that are kept", parse: parseSetcap},
	{Name: "default-path", Where: InGlobal, Args: "current | config | parent | origin <directory>", Min: 1, Max: -1, Default: "current",
		Help: "what relative file names start from; only 'current' is supported yet", parse: parseDefaultPath},

	{Name: "server-state-base", Where: InGlobal, Args: "<directory>", Min: 1, Max: -1, State: Pending, Help: "directory of the files with the state of servers",
		parse: onceFile(func(g *Global) *string { return &g.StateBase })},
	{Name: "server-state-file", Where: InGlobal, Args: "<file>", Min: 1, Max: -1, State: Pending, Help: "file with the state of all servers",
		parse: onceFile(func(g *Global) *string { return &g.StateFile })},
	{Name: "stats-file", Where: InGlobal, Args: "<file>", Min: 1, Max: -1, State: Pending, Help: "file with the statistics to start from",
		parse: onceFile(func(g *Global) *string { return &g.StatsFile })},
	{Name: "cluster-secret", Where: InGlobal, Args: "<text>", Min: 1, Max: 1, State: NoEffect, Why: "it is for QUIC and HTTP tokens",
		Help: "secret that the members of a cluster share", parse: onceText(func(g *Global) *string { return &g.ClusterSecret })},
	{Name: "anonkey", Where: InGlobal, Args: "<number>", Min: 1, Max: -1, State: NoEffect, Why: "dumps are not made anonymous",
		Help: "key of anonymous dumps", parse: amount{lo: 0, hi: 1<<32 - 1, wide: true}.judge},
	{Name: "pp2-never-send-local", Where: InGlobal, State: Pending, Help: "health checks send the PROXY header with addresses, not LOCAL"},
	{Name: "harden.reject-privileged-ports.tcp", Where: InGlobal, Args: "on|off", Min: 1, Max: -1, Default: "off", State: Pending,
		Help: "refuse clients with a source port below 1024", parse: onOrOff},
	{Name: "harden.reject-privileged-ports.quic", Where: InGlobal, Args: "on|off", Min: 1, Max: -1, Default: "on", State: NoEffect,
		Why: notForTCP, Help: "refuse QUIC clients with a source port below 1024", parse: onOrOff},
	{Name: "expose-experimental-directives", Where: InGlobal, Max: -1, Help: "allow experimental keywords",
		parse: func(p *parser, st *statement) { p.exposed = true; p.extra(st, 0) }},
	{Name: "expose-deprecated-directives", Where: InGlobal, Max: -1, Help: "no warnings of deprecated keywords",
		parse: func(p *parser, st *statement) { p.extra(st, 0) }},
	{Name: "nbproc", Where: InGlobal, Max: -1, State: Refused, Why: "HAProxy dropped it in version 2.5", Help: "number of processes", instead: "nbthread"},
	{Name: "tune.chksize", Where: InGlobal, Max: -1, State: Refused, Why: "HAProxy dropped it in version 2.4", Help: "buffer of a health check", instead: "tune.bufsize"},
	{Name: "trace", Where: InGlobal, Args: "<source> <setting>...", Max: -1, State: Pending, Help: "follow what a part of the process does",
		parse: experimental(nil)},
}

const (
	threadsOfGroup = 64
	notForTCP      = "it is for HTTP, QUIC or scripts"
)

// CPUMap is one "cpu-map" line, kept as written.
type CPUMap struct {
	Threads string
	CPUs    []string
}

// onceNumber reads a number of which only the first counts.
func onceNumber(field func(*Global) *int) func(*parser, *statement) {
	return func(p *parser, st *statement) {
		if !p.firstTime(st, st.kw.Name) {
			return
		}
		if n := p.looseInt(st.args[0], st.kw.Name); field != nil {
			*field(&p.cfg.Global) = n
		}
	}
}

// onceFile reads a name of which only the first counts; more words are ignored.
func onceFile(field func(*Global) *string) func(*parser, *statement) {
	return func(p *parser, st *statement) {
		onceText(field)(p, st)
		p.extra(st, 1)
	}
}

func parseThreadGroup(p *parser, st *statement) {
	if _, ok := p.strictInt(st.args[0], "thread-group", 1, 16); !ok {
		return
	}
	for _, w := range st.args[1:] {
		lo, hi, _ := cutRange(w.Text)
		for _, s := range []string{lo, hi} {
			if n := atol(s); !wholeNumber(s) || n < 1 || n > maxThreads {
				p.alert(w, "'%s' is not a range of threads", w.Text).Accepted = "<first>[-<last>] within 1 and 256"
				return
			}
		}
	}
}

func parseCloseSpread(p *parser, st *statement) {
	if st.args[0].Text == "infinite" {
		p.cfg.Global.CloseSpread = -1
		return
	}
	span(0, 0, func(g *Global) *time.Duration { return &g.CloseSpread })(p, st)
}

func parseSetcap(p *parser, st *statement) {
	for _, w := range splitCommas(st.args[0]) {
		if w.Text != "" && !p.oneOf(w, "capability", []string{"cap_net_raw", "cap_net_admin", "cap_net_bind_service", "cap_sys_admin"}) {
			return
		}
	}
	p.extra(st, 1)
}

func parseDefaultPath(p *parser, st *statement) {
	w := st.args[0]
	if !p.oneOf(w, "default path", []string{"current", "config", "parent", "origin"}) {
		return
	}
	if w.Text == "origin" && st.arg(1).Text == "" {
		p.alert(st.arg(1), "'default-path origin' expects a directory").Accepted = "origin <directory>"
		return
	}
	if w.Text != "current" {
		p.unsupported(w, "'default-path %s' is not supported by this version yet", w.Text)
	}
}

// parseCPUMap judges the sets of threads and CPUs (manual, section 3.1).
func parseCPUMap(p *parser, st *statement) {
	w := st.args[0]
	text, auto := strings.CutPrefix(w.Text, "auto:")
	group, threads, two := strings.Cut(text, "/")
	n, ok := p.mapSet(w, group)
	if two && ok {
		n, ok = p.mapSet(w, threads)
	}
	if !ok {
		return
	}
	m, cpus := CPUMap{Threads: w.Text}, 0
	for _, set := range st.args[1:] {
		for _, part := range splitCommas(set) {
			size, good := cpuSet(part.Text)
			if !good {
				p.alert(part, "'%s' is not a CPU or a range of CPUs", part.Text).Accepted = "<first>[-<last>], counted from 0"
				return
			}
			cpus += size
		}
		m.CPUs = append(m.CPUs, set.Text)
	}
	if auto && n != cpus {
		p.alert(st.args[1], "'auto:' needs as many CPUs as threads, here are %d and %d", cpus, n).Accepted = "sets of the same size"
		return
	}
	p.cfg.Global.CPUMap = append(p.cfg.Global.CPUMap, m)
}

// mapSet judges "all", "odd", "even", a number or a range of 1 to 64 and
// counts its members.
func (p *parser) mapSet(w Word, s string) (int, bool) {
	switch s {
	case "all":
		return threadsOfGroup, true
	case "odd", "even":
		return threadsOfGroup / 2, true
	}
	first, last, ranged := cutRange(s)
	if ranged && last == "" {
		last = "64"
	}
	lo, hi := atol(first), atol(last)
	if !digitsOnly(first) || !digitsOnly(last) || min(lo, hi) < 1 || max(lo, hi) > threadsOfGroup {
		p.alert(w, "'%s' is not a number or range of thread groups or threads", s).Accepted = "all, odd, even, <first>[-<last>] within 1 and 64"
		return 0, false
	}
	return max(lo, hi) - min(lo, hi) + 1, true
}

// cpuSet counts the CPUs of a range; its ends may be in any order.
func cpuSet(s string) (int, bool) {
	first, last, _ := cutRange(s)
	if !digitsOnly(first) || last != "" && !digitsOnly(last) {
		return 0, false
	}
	if last == "" {
		return threadsOfGroup - min(atol(first), threadsOfGroup), true
	}
	lo, hi := atol(first), atol(last)
	return max(lo, hi) - min(lo, hi) + 1, true
}
