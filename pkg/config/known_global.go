package config

// globalTables are the keywords of section global.
func globalTables() [][]Keyword {
	return [][]Keyword{globalKeywords, processKeywords, tuneKeywords, httpGlobals, statsKeywords, environKeywords, knownGlobal()}
}

// knownGlobal are the keywords of section global that have no table of their own.
func knownGlobal() []Keyword {
	var rows []Keyword
	rows = appendKnown(rows, refusedGlobal, Keyword{Where: InGlobal, State: Refused, Why: "HAProxy knows it only when built with a library for device detection"})
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
