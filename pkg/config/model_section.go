package config

import (
	"net/netip"
	"time"
)

// Peers is one "peers" section (manual, section 3.9.6): hosts that share stick
// tables, or tables without a proxy.
type Peers struct {
	Pos      Pos
	Name     string
	Disabled bool
	Shards   int // parts that tables are cut into; 0: not cut
	Binds    []Bind
	Servers  []Server // "server" and "peer" lines; the local one may lack an address
	Logs     []LogTarget
}

// Resolvers is one "resolvers" section (manual, section 5.3.2). A time of 0
// stands for HAProxy's own: resolve and retry 1 s, hold valid 10 s, hold of
// errors 30 s, hold obsolete 0.
type Resolvers struct {
	Pos             Pos
	Name            string
	Nameservers     []Nameserver
	ParseResolvConf bool // also the servers of /etc/resolv.conf
	Retries         int  // questions after the first; 0: 3
	PayloadSize     int  // longest UDP answer in bytes, 12 to 65535; 0: 512
	Resolve, Retry  time.Duration
	Hold            Hold
}

// Hold tells how long the answers of a name server are kept, by their kind.
type Hold struct {
	Valid, NX, Refused, Timeout, Other, Obsolete time.Duration
}

// Nameserver is one "nameserver" line.
type Nameserver struct {
	Pos  Pos
	Name string
	Addr netip.AddrPort
	TCP  bool // ask over TCP, not UDP
}

// Userlist is one "userlist" section (manual, section 3.4). Who belongs
// to a group may be written on either side.
type Userlist struct {
	Pos    Pos
	Name   string
	Users  []User
	Groups []Group
}

// User is one "user" line.
type User struct {
	Name     string
	Password string
	Plain    bool // the password is not a hash
	Groups   []string
}

// Group is one "group" line with its "users".
type Group struct {
	Name  string
	Users []string
}

// Ring is one "ring" section (manual, section 3.7): a buffer that keeps log
// lines and sends them on.
type Ring struct {
	Pos             Pos
	Name            string
	Description     string
	Format          string // as of LogTarget; "": raw
	Size            int    // bytes of the buffer; 0: 16384
	MaxLength       int    // longest line in bytes; 0: 1024
	BackingFile     string
	Connect, Server time.Duration // "timeout connect" and "timeout server"
	Servers         []Server
}

// LogForward is one "log-forward" section (manual, section 3.8): it passes on
// the syslog lines that it receives.
type LogForward struct {
	Pos           Pos
	Name          string
	Binds         []Bind
	DgramBinds    []Bind
	Logs          []LogTarget
	Maxconn       int // 0: 10
	Backlog       int // 0: maxconn
	TimeoutClient time.Duration
}
