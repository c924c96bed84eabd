package config

// globalTables are the keywords of section global.
func globalTables() [][]Keyword {
	return [][]Keyword{globalKeywords, statsKeywords, environKeywords, knownGlobal()}
}

// knownGlobal are the keywords of section global that have no table of their own.
func knownGlobal() []Keyword {
	var rows []Keyword
	rows = appendKnown(rows, pendingGlobal, Keyword{Where: InGlobal, State: Pending})
	rows = appendKnown(rows, tuningGlobal, Keyword{Where: InGlobal, State: NoEffect, Why: "this proxy tunes itself"})
	rows = appendKnown(rows, httpGlobal, Keyword{Where: InGlobal, State: NoEffect, Why: "it is for HTTP, QUIC or scripts"})
	rows = appendKnown(rows, debugGlobal, Keyword{Where: InGlobal, State: NoEffect, Why: "it concerns HAProxy's internals"})
	return appendKnown(rows, refusedGlobal, Keyword{Where: InGlobal, State: Refused, Why: "this is a TCP proxy without scripts and sub-processes"})
}

const pendingGlobal = `maxconnrate; maxsessrate; server-state-base; server-state-file;
stats-file; ulimit-n; default-path;
cluster-secret; grace; insecure-fork-wanted; insecure-setuid-wanted; pp2-never-send-local; dns-accept-family; strict-limits;
harden.reject-privileged-ports.tcp; harden.reject-privileged-ports.quic; fd-hard-limit; expose-experimental-directives; setcap`

const tuningGlobal = `busy-polling; close-spread-time; cpu-affinity; cpu-map; cpu-policy; cpu-set; max-threads-per-group; maxpipes; mworker-max-reloads;
no-memory-trimming; noepoll; noevports; nogetaddrinfo; nokqueue; nopoll; noreuseport; nosplice; numa-cpu-mapping;
prealloc-fd; shm-stats-file; shm-stats-file-max-objects; thread-group; thread-groups; thread-hard-limit;
tune.applet.zero-copy-forwarding; tune.buffers.limit; tune.buffers.reserve; tune.bufsize; tune.bufsize.large; tune.bufsize.small; tune.chksize;
tune.cli.max-payload-size; tune.defaults.purge; tune.disable-fast-forward; tune.disable-zero-copy-forwarding; tune.epoll.mask-events;
tune.events.max-events-at-once; tune.fail-alloc; tune.fd.edge-triggered; tune.fd.tables; tune.glitches.kill.cpu-usage; tune.idletimer;
tune.idle-pool.shared; tune.listener.default-shards; tune.listener.multi-queue; tune.max-rules-at-once;
tune.maxaccept; tune.maxpollevents; tune.maxrewrite; tune.memory.hot-size; tune.notsent-lowat.client; tune.notsent-lowat.server;
tune.pattern.cache-size; tune.peers.max-updates-at-once; tune.pipesize; tune.pool-high-fd-ratio; tune.pool-low-fd-ratio;
tune.pt.zero-copy-forwarding; tune.rcvbuf.backend; tune.rcvbuf.client; tune.rcvbuf.frontend; tune.rcvbuf.server;
tune.recv_enough; tune.renice.runtime; tune.renice.startup; tune.ring.queues; tune.runqueue-depth; tune.sched.low-latency;
tune.sndbuf.backend; tune.sndbuf.client; tune.sndbuf.frontend; tune.sndbuf.server; tune.streams-elasticity;
tune.takeover-other-tg-connections; tune.vars.check-max-size; tune.vars.global-max-size; tune.vars.proc-max-size;
tune.vars.reqres-max-size; tune.vars.sess-max-size; tune.vars.txn-max-size`

const httpGlobal = `h1-accept-payload-with-any-method; h1-case-adjust; h1-case-adjust-file; h1-do-not-close-on-insecure-transfer-encoding;
h2-workaround-bogus-websocket-clients; http-err-codes; http-fail-codes; httpclient.resolvers.disabled; httpclient.resolvers.id;
httpclient.resolvers.prefer; httpclient.retries; httpclient.ssl.ca-file; httpclient.ssl.verify; httpclient.timeout.connect; limited-quic; no-quic;
maxcompcpuusage; maxcomprate; maxzlibmem; tune.comp.maxlevel; tune.h1.zero-copy-fwd-recv; tune.h1.zero-copy-fwd-send; tune.h2.be.glitches-threshold;
tune.h2.be.initial-window-size; tune.h2.be.max-concurrent-streams; tune.h2.fe.glitches-threshold; tune.h2.fe.initial-window-size;
tune.h2.fe.max-concurrent-streams; tune.h2.fe.max-total-streams; tune.h2.header-table-size; tune.h2.initial-window-size;
tune.h2.max-concurrent-streams; tune.h2.max-frame-size; tune.h2.zero-copy-fwd-send; tune.http.cookielen; tune.http.logurilen; tune.http.maxhdr;
tune.lua.bool-sample-conversion; tune.lua.burst-timeout; tune.lua.forced-yield; tune.lua.log.loggers; tune.lua.log.stderr; tune.lua.maxmem;
tune.lua.service-timeout; tune.lua.session-timeout; tune.lua.task-timeout; tune.quic.cc-hystart; tune.quic.disable-tx-pacing;
tune.quic.disable-udp-gso; tune.quic.frontend.conn-tx-buffers.limit; tune.quic.frontend.glitches-threshold; tune.quic.frontend.max-idle-timeout;
tune.quic.frontend.max-streams-bidi; tune.quic.frontend.max-tx-mem; tune.quic.max-frame-loss; tune.quic.reorder-ratio; tune.quic.retry-threshold;
tune.quic.socket-owner; tune.quic.zero-copy-fwd-send; tune.zlib.memlevel; tune.zlib.windowsize`

const debugGlobal = `anonkey; debug.counters; expose-deprecated-directives; force-cfg-parser-pause; profiling.memory; profiling.tasks;
set-dumpable; stress-level; warn-blocked-traffic-after; nbproc`

const refusedGlobal = `lua-load; lua-load-per-thread; lua-prepend-path; acme.scheduler;
51degrees-cache-size; 51degrees-data-file; 51degrees-property-name-list; 51degrees-property-separator; deviceatlas-json-file;
deviceatlas-log-level; deviceatlas-properties-cookie; deviceatlas-separator; wurfl-cache-size; wurfl-data-file; wurfl-information-list;
wurfl-information-list-separator`
