// Package balance answers one question: which server gets the next connection. An
// algorithm sees servers as indexes with weights and numbers of connections; one
// file holds one algorithm, and table.go the list of them. Sequences and mappings
// are those of HAProxy 3.0, so that a farm can be moved without its clients
// meeting other servers; haproxy_test.go compares them with the real program.
//
// It is pure: no clock, no lock, no source of randomness, no knowledge of health or
// sessions; an address is nothing but bytes to hash. The caller serialises calls.
package balance
