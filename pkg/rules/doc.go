// Package rules compiles the sample expressions, ACLs, conditions and log formats of
// a configuration and evaluates them for a session (configuration manual, sections 7
// and 8.2.6).
//
// A Compiler turns what pkg/config has parsed into an Expr, a Cond or a Format, once
// for each configuration; names of proxies and servers are bound to the running ones
// then.
// Evaluation takes a Stream that the caller owns and fills in; it does not
// allocate once the Stream's scratch memory has grown.
//
// What compiles is told by the State of the rows in pkg/config: those that are
// done, and no others; a test compares the two.
//
// The package must not know sessions, sockets or the engine: it sees addresses,
// names and numbers. It has no clock and no source of randomness of its own.
package rules
