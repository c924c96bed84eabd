// Package config turns HAProxy configuration text into an immutable typed
// model: text -> lines (comments kept) -> words -> Config. It finds every fault
// at once and gives each a place, what is accepted there and a suggestion.
//
// One table row describes each keyword (Keyword); the parser, the help text,
// completion and "did you mean" all read the same rows, see Keywords. The rows
// live beside their parse functions: global.go, proxy.go, option.go, timeout.go,
// bind.go, server.go, log.go, stats.go; known.go names what HAProxy understands
// and this version refuses.
//
// A line has one of three outcomes: it is done, it is kept without effect (a
// warning says why), or it is refused by name. The words of HAProxy's manual are
// the identifiers; section numbers in comments refer to configuration.txt.
//
// Where HAProxy silently reads a malformed number as zero, the verdict follows
// HAProxy but a warning names the value.
//
// # A server without an address
//
// "server NAME" is valid here although HAProxy refuses it: the host is the
// server's name and the port is the one that the client connected to. The word
// after the name is taken as an address unless it spells an option of "server":
// "server s1 weight 3" has no address. A host that is called like an option
// needs a port to be told apart: "server s1 weight:0".
//
// The package must not open sockets, resolve names or read anything but the
// text and what the functions in Options give it. Only ReadFiles and ReadNames
// touch the file system, and what judges the pattern and map files that a line
// names: HAProxy refuses a configuration for what is wrong in them.
package config
