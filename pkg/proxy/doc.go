// Package proxy is the engine of proxyd: it binds what a configuration names,
// accepts connections, picks servers, relays bytes, counts, logs and reloads.
//
// One event loop owns a session from accept to close. Frontends, backends and
// servers are shared by all loops and survive a reload under their names (see
// Engine.Reload for the list of what survives); their counters are atomic, and
// what takes part in choosing a server is guarded by the backend's lock.
//
// The package reads no file and parses no text: it is handed a config.Config. It
// is imported by cmd/proxyd only.
package proxy
