package config

import "strings"

// The names of this file are known so that a line with one of them is refused for
// the right reason: later versions of HAProxy brought them, or they need a library
// that is not there.

// appendKnown adds one row for each name of a list parted by semicolons.
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

// later is the row of a keyword that a later version brought.
func later(name string, where Where, since, help string) Keyword {
	return Keyword{Name: name, Where: where, Max: -1, State: Refused, Since: since, Why: "it is of a later version", Help: help}
}

// knownChecks are those that later versions brought.
func knownChecks() []Keyword {
	var rows []Keyword
	rows = appendKnown(rows, "check-reuse-pool; no-check-reuse-pool", Keyword{Where: ServerOption, State: Refused, Since: "3.2", Why: "it is for HTTP", Help: "health checks use idle connections", instead: "a line without it"})
	rows = appendKnown(rows, "check-pool-conn-name", Keyword{Where: ServerOption, Args: "<name>", Min: 1, State: Refused, Since: "3.2", Why: "it is for HTTP", Help: "name of the idle connections for health checks", instead: "a line without it"})
	rows = appendKnown(rows, "check-sni-auto; no-check-sni-auto", Keyword{Where: ServerOption, State: Refused, Since: "3.3", Why: "the name is given by 'check-sni'", Help: "server name of a health check by itself", instead: "check-sni <name>"})
	rows = appendKnown(rows, "init-state", Keyword{Where: ServerOption, Args: "<state>", Min: 1, State: Refused, Since: "3.1", Why: "servers start up", Help: "state of a server at the start", instead: "a line without it"})
	return appendKnown(rows, "healthcheck", Keyword{Where: ServerOption, Args: "<section>", Min: 1, State: Refused, Since: "3.4", Why: "checks belong to their backend", Help: "section with the health check", instead: "a line without it"})
}

// knownGlobal are the keywords of section global that have no table of their own.
func knownGlobal() []Keyword {
	var rows []Keyword
	rows = appendKnown(rows, refusedGlobal, Keyword{Where: InGlobal, State: Refused, Why: "Debian's HAProxy is built without what it is for", Help: "a setting of an optional library"})
	for since, names := range laterGlobal {
		rows = appendKnown(rows, names, Keyword{Where: InGlobal, State: Refused, Since: since, Why: "it is of a later version", Help: "a setting of a later version"})
	}
	return rows
}

// laterGlobal are the names that later versions of HAProxy brought.
var laterGlobal = map[string]string{
	"3.1": `force-cfg-parser-pause; tune.quic.frontend.max-tx-mem; tune.bufsize.small; tune.notsent-lowat.client; tune.notsent-lowat.server; stress-level; tune.renice.startup; tune.renice.runtime; tune.quic.disable-udp-gso`,
	"3.2": `cpu-policy; cpu-set; dns-accept-family; max-threads-per-group; tune.glitches.kill.cpu-usage; tune.takeover-other-tg-connections; tune.lua.bool-sample-conversion; tune.max-rules-at-once; tune.quic.disable-tx-pacing; tune.cli.max-payload-size; acme.scheduler`,
	"3.3": `cpu-affinity; debug.counters; shm-stats-file; shm-stats-file-max-objects; tune.defaults.purge; tune.fd.tables; tune.streams-elasticity; tune.bufsize.large`,
}

const refusedGlobal = `51degrees-cache-size; 51degrees-data-file; 51degrees-property-name-list; 51degrees-property-separator; deviceatlas-json-file;
deviceatlas-log-level; deviceatlas-properties-cookie; deviceatlas-separator; wurfl-cache-size; wurfl-data-file; wurfl-information-list;
wurfl-information-list-separator; profiling.memory; tune.zlib.memlevel; tune.zlib.windowsize`
