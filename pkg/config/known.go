package config

import "strings"

// The tables below name what HAProxy understands and this version does not act
// on, so that a line is refused or ignored for the right reason. A name moves to
// the table of its area when it is built.

// knownKeywords builds one row for each of those names.
func knownKeywords() []Keyword {
	var rows []Keyword
	rows = appendKnown(rows, pendingGlobal, Keyword{Where: InGlobal, State: Pending})
	rows = appendKnown(rows, tuningGlobal, Keyword{Where: InGlobal, State: NoEffect, Why: "this proxy tunes itself"})
	rows = appendKnown(rows, tlsGlobal, Keyword{Where: InGlobal, State: Pending})
	rows = appendKnown(rows, httpGlobal, Keyword{Where: InGlobal, State: NoEffect, Why: "it is for HTTP, QUIC or scripts"})
	rows = appendKnown(rows, debugGlobal, Keyword{Where: InGlobal, State: NoEffect, Why: "it concerns HAProxy's internals"})
	rows = appendKnown(rows, refusedGlobal, Keyword{Where: InGlobal, State: Refused, Why: "this is a TCP proxy without scripts and sub-processes"})
	rows = appendKnown(rows, pendingFront, Keyword{Where: inFront, State: Pending})
	rows = appendKnown(rows, namedFront, Keyword{Where: inFront, State: Pending, Named: true})
	rows = appendKnown(rows, namedBack, Keyword{Where: inBack, State: Pending, Named: true})
	rows = appendKnown(rows, namedBoth, Keyword{Where: inProxy, State: Pending, Named: true})
	rows = appendKnown(rows, ownFront, Keyword{Where: inFront &^ InDefaults, State: Pending})
	rows = appendKnown(rows, ownBack, Keyword{Where: inBack &^ InDefaults, State: Pending})
	rows = appendKnown(rows, ownBoth, Keyword{Where: inProxy &^ InDefaults, State: Pending})
	rows = appendKnown(rows, pendingBack, Keyword{Where: inBack, State: Pending})
	rows = appendKnown(rows, pendingBoth, Keyword{Where: inProxy, State: Pending})
	rows = appendKnown(rows, httpProxy, Keyword{Where: inProxy, State: NoEffect, Why: "it is for HTTP"})
	rows = appendKnown(rows, "bind-process", Keyword{Where: inProxy, State: NoEffect, Why: "there is one process"})
	rows = append(rows, obsolete...)
	rows = appendKnown(rows, pendingBindFlags, Keyword{Where: BindOption, State: Pending})
	rows = appendKnown(rows, pendingBindValues, Keyword{Where: BindOption, Args: "<value>", Min: 1, State: Pending})
	rows = appendKnown(rows, idleBindValues, Keyword{Where: BindOption, Args: "<value>", Min: 1, State: NoEffect, Why: "all loops accept from all listeners"})
	rows = appendKnown(rows, pendingServerFlags, Keyword{Where: ServerOption, State: Pending})
	rows = appendKnown(rows, pendingServerValues, Keyword{Where: ServerOption, Args: "<value>", Min: 1, State: Pending})
	rows = appendKnown(rows, httpServerValues, Keyword{Where: ServerOption, Args: "<value>", Min: 1, State: Refused, Why: "it is for HTTP"})
	return appendKnown(rows, offServer, Keyword{Where: ServerOption, State: NoEffect, Why: "it is off anyway"})
}

func appendKnown(rows []Keyword, names string, row Keyword) []Keyword {
	for _, name := range strings.FieldsFunc(names, func(r rune) bool { return r == ';' || r == '\n' }) {
		row.Name = strings.TrimSpace(name)
		row.Max = -1
		if row.Name != "" {
			rows = append(rows, row)
		}
	}
	return rows
}

const pendingGlobal = `external-check; localpeer; maxconnrate; maxsessrate; server-state-base; server-state-file;
set-var; set-var-fmt; spread-checks; max-spread-checks; stats-file; ulimit-n; zero-warning; unix-bind; default-path;
cluster-secret; grace; insecure-fork-wanted; insecure-setuid-wanted; pp2-never-send-local; dns-accept-family; strict-limits;
harden.reject-privileged-ports.tcp; harden.reject-privileged-ports.quic; fd-hard-limit; expose-experimental-directives; setcap`

const tuningGlobal = `busy-polling; close-spread-time; cpu-affinity; cpu-map; cpu-policy; cpu-set; master-worker; max-threads-per-group; maxpipes; mworker-max-reloads;
no-memory-trimming; noepoll; noevports; nogetaddrinfo; nokqueue; nopoll; noreuseport; nosplice; numa-cpu-mapping;
prealloc-fd; shm-stats-file; shm-stats-file-max-objects; thread-group; thread-groups; thread-hard-limit;
tune.applet.zero-copy-forwarding; tune.buffers.limit; tune.buffers.reserve; tune.bufsize; tune.bufsize.large; tune.bufsize.small; tune.chksize;
tune.cli.max-payload-size; tune.defaults.purge; tune.disable-fast-forward; tune.disable-zero-copy-forwarding; tune.epoll.mask-events;
tune.events.max-events-at-once; tune.fail-alloc; tune.fd.edge-triggered; tune.fd.tables; tune.glitches.kill.cpu-usage; tune.idletimer;
tune.idle-pool.shared; tune.listener.default-shards; tune.listener.multi-queue; tune.max-checks-per-thread; tune.max-rules-at-once;
tune.maxaccept; tune.maxpollevents; tune.maxrewrite; tune.memory.hot-size; tune.notsent-lowat.client; tune.notsent-lowat.server;
tune.pattern.cache-size; tune.peers.max-updates-at-once; tune.pipesize; tune.pool-high-fd-ratio; tune.pool-low-fd-ratio;
tune.pt.zero-copy-forwarding; tune.rcvbuf.backend; tune.rcvbuf.client; tune.rcvbuf.frontend; tune.rcvbuf.server;
tune.recv_enough; tune.renice.runtime; tune.renice.startup; tune.ring.queues; tune.runqueue-depth; tune.sched.low-latency;
tune.sndbuf.backend; tune.sndbuf.client; tune.sndbuf.frontend; tune.sndbuf.server; tune.stick-counters; tune.streams-elasticity;
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

const tlsGlobal = `ca-base; crt-base; key-base; issuers-chain-path; maxsslconn; maxsslrate; noktls; ocsp-update.disable; ocsp-update.httpproxy;
ocsp-update.maxdelay; ocsp-update.mindelay; ocsp-update.mode; ssl-default-bind-ciphers; ssl-default-bind-ciphersuites; ssl-default-bind-client-sigalgs;
ssl-default-bind-curves; ssl-default-bind-options; ssl-default-bind-sigalgs; ssl-default-server-ciphers;
ssl-default-server-ciphersuites; ssl-default-server-client-sigalgs; ssl-default-server-curves; ssl-default-server-options;
ssl-default-server-sigalgs; ssl-dh-param-file; ssl-engine; ssl-load-extra-del-ext; ssl-load-extra-files; ssl-mode-async;
ssl-passphrase-cmd; ssl-propquery; ssl-provider; ssl-provider-path; ssl-security-level; ssl-server-verify; ssl-skip-self-issued-ca;
tune.ssl.cachesize; tune.ssl.capture-buffer-size; tune.ssl.capture-cipherlist-size; tune.ssl.certificate-compression;
tune.ssl.default-dh-param; tune.ssl.force-private-cache; tune.ssl.hard-maxrecord; tune.ssl.keylog; tune.ssl.keyupdate-rate-limit;
tune.ssl.lifetime; tune.ssl.maxrecord; tune.ssl.ocsp-update.maxdelay; tune.ssl.ocsp-update.mindelay; tune.ssl.ssl-ctx-cache-size`

const debugGlobal = `anonkey; debug.counters; expose-deprecated-directives; force-cfg-parser-pause; profiling.memory; profiling.tasks;
set-dumpable; stress-level; warn-blocked-traffic-after; nbproc`

const refusedGlobal = `lua-load; lua-load-per-thread; lua-prepend-path; acme.scheduler;
51degrees-cache-size; 51degrees-data-file; 51degrees-property-name-list; 51degrees-property-separator; deviceatlas-json-file;
deviceatlas-log-level; deviceatlas-properties-cookie; deviceatlas-separator; wurfl-cache-size; wurfl-data-file; wurfl-information-list;
wurfl-information-list-separator`

const pendingFront = `error-log-format; log-format; log-format-sd; log-steps; max-session-srv-conns; monitor-net;
clitcpka-cnt; clitcpka-idle; clitcpka-intvl; timeout client-hs; option contstats;
option dontlog-normal; option log-separate-errors; option socket-stats; option tcp-smart-accept; grace`

const pendingBack = `external-check command; external-check path; hash-balance-factor; hash-type; load-server-state-from-file;
option external-check; option ldap-check; option log-health-checks; option mysql-check; option persist; option pgsql-check; option redis-check;
option smtpchk; option ssl-hello-chk; option tcp-check; option prefer-last-server; option spop-check; option tcp-smart-connect;
option use-small-buffers; option httpchk; option transparent; persist rdp-cookie; retry-on; server-state-file-name; source; transparent;
srvtcpka-cnt; srvtcpka-idle; srvtcpka-intvl;
tcp-check connect; tcp-check expect; tcp-check send; tcp-check send-binary; tcp-check send-binary-lf; tcp-check send-lf; tcp-check comment;
tcp-check set-var; tcp-check set-var-fmt; tcp-check unset-var;
http-check comment; http-check connect; http-check disable-on-404; http-check expect; http-check send; http-check send-state;
http-check set-var; http-check set-var-fmt; http-check unset-var`

const pendingBoth = `log-tag; unique-id-format; option abortonclose; option nolinger; option splice-auto;
option splice-request; option splice-response; option independent-streams;
email-alert from; email-alert level; email-alert mailers; email-alert myhostname; email-alert to`

// These are rules: a defaults section may hold them only if it has a name.
const (
	namedFront = `tcp-request connection; tcp-request session`
	namedBack  = `tcp-response content; tcp-response inspect-delay`
	namedBoth  = `acl; tcp-request content; tcp-request inspect-delay`
)

// These are not for defaults sections.
const (
	ownFront = `use_backend; force-be-switch; crt; declare capture`
	ownBack  = `server-template; dispatch; stick on; stick match; stick store-request; stick store-response; be-unpublished;
force-persist; ignore-persist; use-server`
	ownBoth = `filter; filter-sequence; guid; stick-table`
)

const httpProxy = `capture cookie; capture request; capture response; compression; cookie; dynamic-cookie-key; errorfile; errorfiles; errorloc; errorloc302;
errorloc303; hash-preserve-affinity; http-after-response; http-error; http-request; http-response; http-reuse; http-send-name-header;
max-keep-alive-queue; monitor; monitor-uri; option checkcache; option disable-h2-upgrade; option forwardfor;
option forwarded; option h1-case-adjust-bogus-client; option h1-case-adjust-bogus-server; option http-buffer-request;
option http-drop-request-trailers; option http-drop-response-trailers; option http-ignore-probes; option http-keep-alive;
option http-no-delay; option http-pretend-keepalive; option http-restrict-req-hdr-names; option http-server-close;
option http-use-proxy-header; option httpclose; option httpslog; option idle-close-on-response; option originalto;
quic-initial; redirect; stats admin; stats auth; stats enable; stats hide-version; stats http-request; stats realm; stats refresh;
stats scope; stats show-desc; stats show-legends; stats show-modules; stats show-node; stats show-version; stats uri; unique-id-header; use-fcgi-app;
option http-use-htx; option accept-invalid-http-request; option accept-invalid-http-response; option http_proxy`

// obsolete keywords are alerts in HAProxy too; their rows name the successor.
var obsolete = []Keyword{
	gone("srvtimeout", "timeout server"), gone("contimeout", "timeout connect"), gone("clitimeout", "timeout client"),
	gone("redispatch", "option redispatch"), gone("reqadd", "http-request add-header"), gone("block", "http-request deny"),
}

func gone(name, successor string) Keyword {
	return Keyword{
		Name: name, Where: inProxy, Max: -1, State: Refused, Why: "HAProxy dropped it in version 2.1",
		Help: "dropped in favour of '" + successor + "'", instead: successor,
	}
}

const pendingBindFlags = `accept-proxy; allow-0rtt; defer-accept; force-sslv3; force-tlsv10; force-tlsv11; force-tlsv12; force-tlsv13;
generate-certificates; no-alpn; no-ca-names; no-sslv3; no-tls-tickets; no-tlsv10; no-tlsv11; no-tlsv12; no-tlsv13; prefer-client-ciphers;
ssl; strict-sni; no-strict-sni; tfo; tls-tickets; transparent`

const pendingBindValues = `accept-netscaler-cip; alpn; ca-file; ca-ignore-err; ca-sign-file; ca-sign-pass; ca-verify-file; cc; ciphers;
ciphersuites; client-sigalgs; crl-file; crt; crt-ignore-err; crt-list; curves; default-crt; ecdhe; ech; expose-fd; gid; group;
guid-prefix; idle-ping; ktls; label; level; mode; mss; namespace; nbconn; npn; proto; severity-output; sigalgs; ssl-max-ver;
ssl-min-ver; tcp-md5sig; tcp-ss; tcp-ut; tls-ticket-keys; uid; user; verify`

const idleBindValues = `nice; process; shards; thread`

const pendingServerFlags = `check; agent-check; allow-0rtt; check-send-proxy; check-ssl; check-via-socks4; check-reuse-pool; check-sni-auto;
force-sslv3; force-tlsv10; force-tlsv11; force-tlsv12; force-tlsv13; no-sslv3; no-tls-tickets; no-tlsv10; no-tlsv11; no-tlsv12; no-tlsv13; no-verifyhost;
non-stick; send-proxy; send-proxy-v2; send-proxy-v2-ssl; send-proxy-v2-ssl-cn; sni-auto; ssl; tfo; strict-maxconn; renegotiate`

const pendingServerValues = `addr; agent-addr; agent-inter; agent-port; agent-send; alpn; ca-file; cc; check-alpn; check-pool-conn-name; check-proto;
check-sni; ciphers; ciphersuites; client-sigalgs; crl-file; crt; curves; downinter; error-limit; fall; fastinter; guid; hash-key; healthcheck;
idle-ping; init-addr; init-state; inter; ktls; maxqueue; minconn; namespace; npn; observe; on-error; on-marked-down; on-marked-up;
port; proto; proxy-v2-options; resolve-net; resolve-opts; resolve-prefer; resolvers; rise; set-proxy-v2-tlv-fmt; sigalgs; slowstart;
sni; socks4; source; usesrc; ssl-max-ver; ssl-min-ver; tcp-md5sig; tcp-ut; track; verify; verifyhost`

const httpServerValues = `cookie; log-bufsize; log-proto; max-reuse; pool-conn-name; pool-low-conn; pool-max-conn; pool-purge-delay; redir; shard; ws`

const offServer = `no-check; no-agent-check; no-check-reuse-pool; no-check-send-proxy; no-check-sni-auto; no-check-ssl; no-send-proxy;
no-send-proxy-v2; no-send-proxy-v2-ssl; no-send-proxy-v2-ssl-cn; no-sni-auto; no-ssl; no-ssl-reuse; no-tfo; no-renegotiate;
ssl-reuse; stick; tls-tickets`
