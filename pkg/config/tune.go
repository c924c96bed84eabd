package config

import "time"

// idle is a row of section global whose argument is judged and has no effect.
func idle(name, args string, least, most int, why, help string, parse func(*parser, *statement)) Keyword {
	return Keyword{Name: name, Where: InGlobal, Args: args, Min: least, Max: most, State: NoEffect, Why: why, Help: help, parse: parse}
}

// Reasons why a setting has no effect.
const (
	tunesItself   = "this proxy tunes itself"
	oneMechanism  = "there is one mechanism for this"
	itsInternals  = "it concerns HAProxy's internals"
	kernelBuffers = "the kernel sizes the buffers of connections"
)

var onOrOff = choice("on", "off")

// tuneKeywords are the settings of section global about performance (manual,
// section 3.2) and debugging (3.3) that a TCP proxy can meet.
var tuneKeywords = []Keyword{
	withNo(idle("busy-polling", "", 0, 0, tunesItself, "poll without a pause", nil)),
	idle("noepoll", "", 0, 0, oneMechanism, "do not use epoll", nil),
	idle("nokqueue", "", 0, 0, oneMechanism, "do not use kqueue", nil),
	idle("noevports", "", 0, 0, oneMechanism, "do not use event ports", nil),
	idle("nopoll", "", 0, 0, oneMechanism, "do not use poll", nil),
	{Name: "nosplice", Where: InGlobal, Default: "large flows are spliced", Help: "copy all data through user space",
		parse: func(p *parser, _ *statement) { p.cfg.Global.NoSplice = true }},
	idle("nogetaddrinfo", "", 0, 0, oneMechanism, "do not use getaddrinfo", nil),
	idle("noreuseport", "", 0, 0, "a reload hands the listeners over", "do not use SO_REUSEPORT", nil),

	idle("tune.applet.zero-copy-forwarding", "on|off", 1, 1, tunesItself, "pass data of internal services on without a copy", onOrOff),
	idle("tune.buffers.limit", "<number>", 0, 1, tunesItself, "most buffers of a thread", notNegative.judge),
	idle("tune.buffers.reserve", "<number>", 0, 1, tunesItself, "buffers kept for emergencies", notNegative.judge),
	idle("tune.bufsize", "<bytes>", 1, 1, tunesItself, "size of a buffer, 350 to 268435455 bytes", amount{lo: 350, hi: 1<<28 - 1}.judge),
	idle("tune.disable-fast-forward", "", 0, 0, tunesItself, "do not forward without looking", experimental(nil)),
	idle("tune.disable-zero-copy-forwarding", "", 0, 0, tunesItself, "copy all data", nil),
	idle("tune.epoll.mask-events", "<event>[,<event>...]", 0, 1, tunesItself, "events that are not asked for", parseMaskEvents),
	idle("tune.events.max-events-at-once", "<number>", 1, 1, tunesItself, "events handled in one go, 1 to 10000", amount{lo: 1, hi: 10000}.judge),
	idle("tune.fail-alloc", "<percent>", 0, 1, itsInternals, "share of allocations that fail on purpose", percent.judge),
	idle("tune.fd.edge-triggered", "on|off", 0, 1, tunesItself, "ask for edges, not for levels", experimental(onOrOff)),
	idle("tune.idle-pool.shared", "on|off", 1, 1, "connections to servers are not reused", "share idle connections among threads", onOrOff),
	idle("tune.idletimer", "<time>", 1, 1, tunesItself, "silence after which a stream counts as idle, up to 65535ms", span(0, 65535*time.Millisecond, nil)),
	idle("tune.listener.default-shards", "by-process|by-thread|by-group", 1, 1, "all loops accept from all listeners", "how listeners are split",
		choice("by-process", "by-thread", "by-group")),
	idle("tune.listener.multi-queue", "on|fair|off", 1, 1, "all loops accept from all listeners", "hand new connections to other threads", choice("on", "fair", "off")),
	idle("tune.maxaccept", "<number>", 1, 1, tunesItself, "connections accepted in one go", amount{lo: -1 << 63, hi: 1<<31 - 1, wide: true}.judge),
	idle("tune.maxpollevents", "<number>", 1, 1, tunesItself, "events asked for in one go", anyNumber.judge),
	idle("tune.maxrewrite", "<bytes>", 1, 1, notForTCP, "part of a buffer kept for rewriting", notNegative.judge),
	idle("tune.memory.hot-size", "<bytes>", 1, 1, tunesItself, "memory cache of a thread", amount{lo: 1, hi: 1<<63 - 1, wide: true}.judge),
	idle("tune.pattern.cache-size", "<number>", 1, -1, tunesItself, "entries of the pattern cache", notNegative.judge),
	idle("tune.peers.max-updates-at-once", "<number>", 1, 1, tunesItself, "updates sent to a peer in one go", positive.judge),
	idle("tune.pipesize", "<bytes>", 1, 1, tunesItself, "size of a pipe", anyNumber.judge),
	idle("tune.pool-high-fd-ratio", "<percent>", 1, 1, "connections to servers are not reused", "share of files above which idle connections are closed", percent.judge),
	idle("tune.pool-low-fd-ratio", "<percent>", 1, 1, "connections to servers are not reused", "share of files above which connections are not kept", percent.judge),
	idle("tune.pt.zero-copy-forwarding", "on|off", 1, 1, tunesItself, "pass TCP data on without a copy", onOrOff),
	idle("tune.rcvbuf.backend", "<bytes>", 1, 1, kernelBuffers, "receive buffer towards servers, datagrams", positive.judge),
	idle("tune.rcvbuf.frontend", "<bytes>", 1, 1, kernelBuffers, "receive buffer towards clients, datagrams", positive.judge),
	idle("tune.rcvbuf.client", "<bytes>", 1, 1, kernelBuffers, "receive buffer towards clients", anyNumber.judge),
	idle("tune.rcvbuf.server", "<bytes>", 1, 1, kernelBuffers, "receive buffer towards servers", anyNumber.judge),
	idle("tune.sndbuf.backend", "<bytes>", 1, 1, kernelBuffers, "send buffer towards servers, datagrams", positive.judge),
	idle("tune.sndbuf.frontend", "<bytes>", 1, 1, kernelBuffers, "send buffer towards clients, datagrams", positive.judge),
	idle("tune.sndbuf.client", "<bytes>", 1, 1, kernelBuffers, "send buffer towards clients", anyNumber.judge),
	idle("tune.sndbuf.server", "<bytes>", 1, 1, kernelBuffers, "send buffer towards servers", anyNumber.judge),
	idle("tune.recv_enough", "<bytes>", 1, 1, tunesItself, "bytes after which a read ends", anyNumber.judge),
	idle("tune.ring.queues", "<number>", 0, 1, tunesItself, "queues before a ring, 0 to 16", amount{lo: 0, hi: 16}.judge),
	idle("tune.runqueue-depth", "<number>", 1, 1, tunesItself, "tasks run in one go", anyNumber.judge),
	idle("tune.sched.low-latency", "on|off", 1, 1, tunesItself, "run short tasks first", onOrOff),
	varsSize("check"), varsSize("global"), varsSize("proc"), varsSize("reqres"), varsSize("sess"), varsSize("txn"),

	idle("profiling.tasks", "on|auto|off", 1, 1, itsInternals, "measure tasks", choice("on", "auto", "off")),
	idle("warn-blocked-traffic-after", "<time>", 1, -1, itsInternals, "warn of tasks that take longer, 1 to 1000ms", span(time.Millisecond, time.Second, nil)),
}

// varsSize is the row of the memory that the variables of a scope may take.
func varsSize(scope string) Keyword {
	return idle("tune.vars."+scope+"-max-size", "<bytes>", 0, -1, "variables are bounded by their number", "memory for variables of the scope "+scope, wholeAmount.judge)
}

func parseMaskEvents(p *parser, st *statement) {
	if len(st.args) == 0 {
		return
	}
	for _, w := range splitCommas(st.args[0]) {
		if w.Text != "" && !p.oneOf(w, "event", []string{"err", "hup", "rdhup"}) {
			return
		}
	}
}
