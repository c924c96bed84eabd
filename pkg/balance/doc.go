// Package balance answers one question: which server gets the next connection. An
// algorithm sees servers as indexes with weights and numbers of connections; one
// file holds one algorithm, and table.go the list of them.
//
// It is pure: no clock, no lock, no knowledge of addresses, health or sessions.
// The caller serialises calls.
package balance
