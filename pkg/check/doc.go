// Package check decides whether a server is up: a state machine that counts good
// and bad results (Health), and probers that produce them (tcp.go).
//
// The state machine is pure: it has no clock and starts nothing. A prober makes
// one attempt and returns; when the next one is due, and what a change of state
// means for traffic, is the caller's business.
package check
