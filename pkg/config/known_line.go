package config

// lineTables are the "bind", "server" and "stats socket" lines with their options.
func lineTables() [][]Keyword {
	return [][]Keyword{bindKeywords, bindOptions, serverKeywords, serverOptions, socketOptions, knownLineOptions()}
}

// knownLineOptions are the options that have no table of their own.
func knownLineOptions() []Keyword {
	var rows []Keyword
	rows = appendKnown(rows, pendingBindFlags, Keyword{Where: BindOption, State: Pending})
	rows = appendKnown(rows, pendingBindValues, Keyword{Where: BindOption, Args: "<value>", Min: 1, State: Pending})
	rows = appendKnown(rows, idleBindValues, Keyword{Where: BindOption, Args: "<value>", Min: 1, State: NoEffect, Why: "all loops accept from all listeners"})
	rows = appendKnown(rows, pendingServerFlags, Keyword{Where: ServerOption, State: Pending})
	rows = appendKnown(rows, pendingServerValues, Keyword{Where: ServerOption, Args: "<value>", Min: 1, State: Pending})
	rows = appendKnown(rows, httpServerValues, Keyword{Where: ServerOption, Args: "<value>", Min: 1, State: Refused, Why: "it is for HTTP"})
	return appendKnown(rows, offServer, Keyword{Where: ServerOption, State: NoEffect, Why: "it is off anyway"})
}

const pendingBindFlags = `accept-proxy; allow-0rtt; defer-accept; force-sslv3; force-tlsv10; force-tlsv11; force-tlsv12; force-tlsv13;
generate-certificates; no-alpn; no-ca-names; no-sslv3; no-tls-tickets; no-tlsv10; no-tlsv11; no-tlsv12; no-tlsv13; prefer-client-ciphers;
ssl; strict-sni; no-strict-sni; tfo; tls-tickets; transparent`

const pendingBindValues = `accept-netscaler-cip; alpn; ca-file; ca-ignore-err; ca-sign-file; ca-sign-pass; ca-verify-file; cc; ciphers;
ciphersuites; client-sigalgs; crl-file; crt; crt-ignore-err; crt-list; curves; default-crt; ecdhe; ech; expose-fd; gid; group;
guid-prefix; idle-ping; ktls; label; level; mode; mss; namespace; nbconn; npn; proto; severity-output; sigalgs; ssl-max-ver;
ssl-min-ver; tcp-md5sig; tcp-ss; tcp-ut; tls-ticket-keys; uid; user; verify`

const idleBindValues = `nice; process; shards; thread`

const pendingServerFlags = `allow-0rtt; force-sslv3; force-tlsv10; force-tlsv11; force-tlsv12; force-tlsv13; no-sslv3; no-tls-tickets; no-tlsv10;
no-tlsv11; no-tlsv12; no-tlsv13; no-verifyhost; non-stick; send-proxy; send-proxy-v2; send-proxy-v2-ssl;
send-proxy-v2-ssl-cn; sni-auto; ssl; tfo; strict-maxconn; renegotiate`

const pendingServerValues = `alpn; ca-file; cc; ciphers; ciphersuites; client-sigalgs; crl-file; crt; curves; guid; hash-key; idle-ping; init-addr;
ktls; maxqueue; minconn; namespace; npn; proto; proxy-v2-options; resolve-net; resolve-opts; resolve-prefer; resolvers;
set-proxy-v2-tlv-fmt; sigalgs; sni; socks4; source; usesrc; ssl-max-ver; ssl-min-ver; tcp-md5sig; tcp-ut; verify;
verifyhost`

const httpServerValues = `cookie; log-bufsize; log-proto; max-reuse; pool-conn-name; pool-low-conn; pool-max-conn; pool-purge-delay; redir; shard; ws`

const offServer = `no-send-proxy;
no-send-proxy-v2; no-send-proxy-v2-ssl; no-send-proxy-v2-ssl-cn; no-sni-auto; no-ssl; no-ssl-reuse; no-tfo; no-renegotiate;
ssl-reuse; stick; tls-tickets`
