package config

// checkTables are the lines about health checks and alerts.
func checkTables() [][]Keyword { return [][]Keyword{knownChecks()} }

// knownChecks are those that have no table of their own.
func knownChecks() []Keyword {
	var rows []Keyword
	rows = appendKnown(rows, pendingCheck, Keyword{Where: inBack, State: Pending})
	rows = appendKnown(rows, pendingMail, Keyword{Where: inProxy, State: Pending})
	rows = appendKnown(rows, pendingServerCheckFlags, Keyword{Where: ServerOption, State: Pending})
	return appendKnown(rows, pendingServerCheckValues, Keyword{Where: ServerOption, Args: "<value>", Min: 1, State: Pending})
}

const pendingCheck = `external-check command; external-check path; option external-check; option ldap-check; option log-health-checks;
option mysql-check; option pgsql-check; option redis-check; option smtpchk; option ssl-hello-chk; option tcp-check;
option spop-check; option httpchk; tcp-check connect; tcp-check expect; tcp-check send; tcp-check send-binary;
tcp-check send-binary-lf; tcp-check send-lf; tcp-check comment; tcp-check set-var; tcp-check set-var-fmt;
tcp-check unset-var; http-check comment; http-check connect; http-check disable-on-404; http-check expect;
http-check send; http-check send-state; http-check set-var; http-check set-var-fmt; http-check unset-var`

const pendingMail = `email-alert from; email-alert level; email-alert mailers; email-alert myhostname; email-alert to`

const pendingServerCheckFlags = `check; agent-check; check-send-proxy; check-ssl; check-via-socks4; check-reuse-pool; check-sni-auto`

const pendingServerCheckValues = `addr; agent-addr; agent-inter; agent-port; agent-send; check-alpn; check-pool-conn-name; check-proto; check-sni;
downinter; error-limit; fall; fastinter; healthcheck; init-state; inter; observe; on-error; on-marked-down;
on-marked-up; port; rise; slowstart; track`
