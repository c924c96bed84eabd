package rules

import "net/netip"

// Detail is something that only the session itself knows.
type Detail uint8

// The details, by the variables and fetches that tell them (manual, sections 8.2.6
// and 7.3).
const (
	// Numbers.
	Accepted      Detail = iota // nanoseconds since 1970
	ConnectTime                 // %Tc, ms; -1: no connection yet
	DataTime                    // %Td, ms; -1: likewise
	HandshakeTime               // %Th, ms
	TotalTime                   // %Tt, ms
	QueueTime                   // %Tw, ms; -1: no server yet
	BytesOut                    // %B: from server to client
	BytesIn                     // %U: from client to server
	Partial                     // 1: the line comes before the end, its sums may grow
	ProcessConns                // %ac
	OwnFrontend                 // %fc: connections there
	OwnBackend                  // %bc: likewise
	OwnServer                   // %sc: likewise
	BackendQueued               // %bq: sessions that were served before this one
	ServerQueued                // %sq: likewise
	LogLines                    // %lc: of the frontend, before this one
	SessionNumber               // %rt
	Retries                     // %rc
	Redispatched                // 1: %rc has a plus sign
	ServerID                    // srv_id; -1: no server
	Introduced                  // 1: the client came with a PROXY header

	// Texts.
	ServerName  // %s, srv_name; "": no server
	UniqueID    // %ID
	Termination // %ts
	// Of the PROXY header; "": not there.
	ProxyAuthority
	ProxyUniqueID

	// Ends.
	ClientEnd // %ci, %cp
	LocalEnd  // %fi, %fp: what the client connected to
	SourceEnd // %bi, %bp: where the connection to the server comes from
	ServerEnd // %si, %sp
)

// End is one end of a connection. The zero End is none.
type End struct {
	Addr netip.AddrPort // invalid: none, or a UNIX socket
	Unix bool
	ID   int // of the bind line, what a UNIX socket of ours has for a port
}

// Session is asked for its details. It may answer questions about itself with the
// zero value where nothing asked for them when it began, see Compiler.Needs.
type Session interface {
	Number(d Detail) int64
	AppendText(b []byte, d Detail) []byte
	End(d Detail) End
}

// note remembers that a detail is asked for.
func (c *Compiler) note(d Detail) { c.details |= 1 << d }

// Needs reports whether something compiled so far asks a session for d.
func (c *Compiler) Needs(d Detail) bool { return c.details>>d&1 != 0 }
