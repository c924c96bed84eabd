package proxy

import (
	"strings"

	"github.com/sluice-lb/sluice/pkg/ctl"
)

// missingCommands are the commands of HAProxy's runtime API (management guide,
// section 9.3) that are not served, each with the reason. A name leaves its list
// when the command is built.
func missingCommands() []ctl.Command {
	var rows []ctl.Command
	for _, group := range []struct{ why, names string }{
		{"not supported by this version yet", pendingCommands},
		{"not supported: there is no master process: reloads happen inside the one that serves", masterCommands},
		{"not supported: no command needs it", expertCommands},
		{"not supported: it looks into HAProxy's internals", internalCommands},
		{"not supported: it is for HTTP", httpCommands},
	} {
		for _, name := range strings.FieldsFunc(group.names, func(r rune) bool { return r == ';' || r == '\n' }) {
			rows = append(rows, ctl.Command{Name: strings.TrimSpace(name), Missing: group.why})
		}
	}
	return rows
}

const pendingCommands = `show table; abort ssl cert;
add acl; add map; add server; add ssl crt-list; clear acl; clear map; clear table;
commit acl; commit map; commit ssl cert; del acl; del map; del server; del ssl cert; del ssl crt-list;
disable agent; dump stats-file; enable agent; 
get acl; get map; get var; new ssl cert; operator; prepare acl; prepare map;
set map; set ssl cert;
set ssl ocsp-response; set table; set timeout; set var; show acl; show cli level;
show cli sockets; show env; show errors; show map; show peers; show resolvers; show schema json;
show ssl ca-file; show ssl cert; show ssl crt-list; show ssl ocsp-response;
show startup-logs; show tls-keys; user; wait;
abort ssl ca-file; abort ssl crl-file; add backend; add ssl ca-file; commit ssl ca-file; commit ssl crl-file;
del backend; del ssl ca-file; del ssl crl-file; dump ssl cert; echo; new ssl ca-file; new ssl crl-file;
publish backend; set ssl ca-file; set ssl crl-file; set ssl tls-key; show default-server; show defaults;
show ssl crl-file; show ssl ocsp-updates; show ssl providers; show ssl sni; unpublish backend;
update ssl ocsp-response`

const masterCommands = `@!<pid>; @<relative pid>; @master; _loadstatus; _send_status; show proc; hard-reload`

const expertCommands = `experimental-mode; expert-mode`

const internalCommands = `show activity; show events; show fd; show pools; show threads; debug counters; debug dev abort;
debug dev bug; debug dev check; debug dev close; debug dev deadlock; debug dev delay; debug dev exit;
debug dev fd; debug dev hash; debug dev hex; debug dev log; debug dev loop; debug dev panic; debug dev sched;
debug dev stream; debug dev sym; debug dev task; debug dev tkill; debug dev warn; debug dev write;
mcli-debug-mode; set anon global-key; set anon off; set anon on; set profiling; show anon; show dev;
show libs; show profiling; show tasks; show trace; trace`

const httpCommands = `acme challenge_ready; acme renew; acme status; add ssl jwt; del ssl jwt; disable dynamic-cookie backend;
enable dynamic-cookie backend; httpclient; set dynamic-cookie-key backend; show cache; show ssl jwt`
