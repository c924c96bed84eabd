// Package rules compiles the sample expressions, ACLs and conditions of a
// configuration and evaluates them for a session (configuration manual, section 7).
//
// A Compiler turns what pkg/config has parsed into an Expr or a Cond, once for each
// configuration; names of proxies and servers are bound to the running ones then.
// Evaluation takes a Stream that the caller owns and fills in; it does not
// allocate once the Stream's scratch memory has grown.
//
// What compiles is told by the State of the rows in pkg/config: those that are
// done, and no others; a test compares the two.
//
// The package must not know sessions, sockets or the engine: it sees addresses,
// names and numbers. It has no clock and no source of randomness of its own.
package rules
