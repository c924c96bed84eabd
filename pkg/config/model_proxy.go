package config

import (
	"net/netip"
	"time"
)

// Flags are the switches of "option" lines that are plain flags (manual,
// section 4.2). The defaults section presets each; those of a role that a proxy
// does not have are off.
type Flags struct {
	// Of the frontend role.
	ContStats         bool // "contstats": counters move while a session lasts
	DontLogNormal     bool // "dontlog-normal": only sessions that went wrong are logged
	LogSeparateErrors bool // "log-separate-errors": those at level err
	SocketStats       bool // "socket-stats": counters for each listener
	SmartAccept       bool // "tcp-smart-accept": no acknowledgement before the answer

	// Of the backend role.
	AbortOnClose bool // "abortonclose": a client that closed leaves the queue
	Persist      bool // "persist": a server that is down keeps its clients
	SmartConnect bool // "tcp-smart-connect": no acknowledgement before the request
	Transparent  bool // "transparent": connect to where the client wanted to go

	// Of both roles.
	IndependentStreams bool // "independent-streams": what is sent does not refresh the read timeout
	NoLinger           bool // "nolinger": close with a reset
}

// Switch is an option that is on, off by "no option", or not mentioned.
type Switch int8

// The positions of a Switch.
const (
	SwitchUnset Switch = iota
	SwitchOn
	SwitchOff
)

// Splice tells whether the kernel moves data between sockets ("option splice-auto",
// "splice-request", "splice-response").
type Splice struct{ Auto, Request, Response Switch }

// Keepalive tells how TCP keepalive probes are sent; 0 is the system's value
// (manual, "clitcpka-cnt" and its relatives).
type Keepalive struct {
	Count    int           // probes that may stay unanswered
	Idle     time.Duration // silence before the first probe, whole seconds
	Interval time.Duration // between two probes, whole seconds
}

// Hash is the "hash-type" line and what belongs to it (manual, section 4.2).
type Hash struct {
	Consistent    bool   // "consistent": a change of servers moves few clients
	Function      string // "sdbm", "djb2", "wt6", "crc32", "none"; "": sdbm
	Avalanche     bool   // mix the bits of the result
	BalanceFactor int    // "hash-balance-factor": per cent of the mean load a server may have, over 100; 0: any
}

// ConnSource is the "source" line: where connections to servers come from.
type ConnSource struct {
	Pos       Pos
	Addr      netip.AddrPort // port 0: any; the unspecified address: any
	LastPort  int            // end of the range that starts at Addr's port; 0: no range
	Path      string         // a UNIX socket path, which HAProxy accepts too
	Interface string         // SO_BINDTODEVICE; "": any
	// UseSrc is the address that the server gets to see: "client" (address and
	// port), "clientip", "hdr_ip" or "addr"; "": Addr.
	UseSrc     string
	UseSrcAddr netip.AddrPort // of "addr"
	Header     string         // of "hdr_ip"
}

// Persistence is "persist rdp-cookie": the cookie names the server's address.
type Persistence struct {
	Pos    Pos
	Cookie string // "msts" unless named
}

// ServerState tells where the state of the servers is read from at start
// ("load-server-state-from-file", "server-state-file-name").
type ServerState struct {
	From string // "none", "global", "local"; "": none
	File string // of "local"; "": the name of the backend
}
