package config

import (
	"net/netip"
	"time"
)

// Config is the typed, immutable meaning of one or more configuration files.
// Nothing may change it after Parse has returned it; the proxy engine shares it
// between loops without a lock.
type Config struct {
	Global  Global
	Proxies []*Proxy // frontend, backend and listen sections, in file order

	// The other sections, in file order.
	Peers       []*Peers
	Resolvers   []*Resolvers
	Userlists   []*Userlist
	Rings       []*Ring
	LogForwards []*LogForward
	Mailers     []*Mailers
}

// Proxy returns the section called name that has all wanted roles, or nil.
// A frontend and a backend may share one name, as in HAProxy.
func (c *Config) Proxy(name string, frontend, backend bool) *Proxy {
	for _, p := range c.Proxies {
		if p.Name == name && (!frontend || p.Kind.HasFrontend()) && (!backend || p.Kind.HasBackend()) {
			return p
		}
	}
	return nil
}

// Global is the process-wide section (configuration manual, section 3).
type Global struct {
	Maxconn       int           // connections over all frontends; 0: derived from the file limit
	NbThread      int           // event loops; 0: one for each usable CPU
	ThreadGroups  int           // groups of threads; 0: one
	CPUMap        []CPUMap      // "cpu-map" lines
	MaxconnRate   int           // new connections per second over all frontends; 0: unlimited
	MaxsessRate   int           // new sessions per second over all frontends; 0: unlimited
	Maxpipes      int           // pipes of spliced flows; 0: a quarter of Maxconn
	UlimitN       int           // "ulimit-n": open files; 0: as many as are needed
	FDHardLimit   int           // "fd-hard-limit": most open files whatever the system allows; 0: 1048576
	LaxLimits     bool          // "no strict-limits": go on with what limits there are
	ClusterSecret string        // "cluster-secret"
	HardStopAfter time.Duration // longest soft stop; 0: unlimited
	Logs          []LogTarget
	LogTag        string // syslog tag; "": the program name
	LogSendHost   string // host name put into syslog headers; "": none
	Sockets       []StatsSocket
	StatsTimeout  time.Duration // idle limit of a stats socket; 0: 10 minutes
	Pidfile       string
	Chroot        string
	User, Group   string
	UID, GID      int // 0: keep
	Daemon        bool
	Quiet         bool
	NoSplice      bool // "nosplice": bytes are copied through user space
	ZeroWarning   bool // warnings refused the configuration
	TLS           TLSGlobal
	UnixBind      UnixBind
	Node          string
	LocalPeer     string // "localpeer": the name of this host in peers sections; "": the host name
	MasterWorker  bool
	StateBase     string        // "server-state-base": directory of the files of proxies
	StateFile     string        // "server-state-file": file of the whole process
	StatsFile     string        // "stats-file": statistics to start with
	Grace         time.Duration // time between a soft stop's order and its begin
	CloseSpread   time.Duration // "close-spread-time": time over which a soft stop closes idle connections; negative: infinite
	Description   string
	Vars          []GlobalVar // "set-var" and "set-var-fmt", in file order
	// SpreadChecks varies the interval of checks at random, 0 to 50 per cent.
	SpreadChecks    int
	MaxSpreadChecks time.Duration // time over which the first checks are spread; 0: unlimited
	// ExternalCheck allows checks by a program; ExternalCheckEnv leaves it the
	// environment of this process.
	ExternalCheck, ExternalCheckEnv bool
}

// StatsSocket is one "stats socket" line: where the runtime API listens.
type StatsSocket struct {
	Pos         Pos
	Path        string         // file system path of a UNIX stream socket, or ""
	Addr        netip.AddrPort // of a TCP socket
	Mode        uint32         // permission bits; 0: 600
	User, Group string
	Level       string // "user", "operator" (default), "admin"
	// ExposeListeners is "expose-fd listeners": a successor gets the listening sockets.
	ExposeListeners bool
}

// UnixBind is the "unix-bind" line: what holds for the UNIX listeners of proxies.
type UnixBind struct {
	Prefix      string // put in front of their paths
	Mode        uint32
	User, Group string
}

// Kind tells which roles a proxy section plays.
type Kind int

// The kinds of proxy sections (configuration manual, section 4).
const (
	Frontend Kind = iota
	Backend
	Listen
)

// HasFrontend reports whether the section accepts connections.
func (k Kind) HasFrontend() bool { return k == Frontend || k == Listen }

// HasBackend reports whether the section holds servers.
func (k Kind) HasBackend() bool { return k == Backend || k == Listen }

// String returns the section's keyword.
func (k Kind) String() string {
	switch k {
	case Frontend:
		return "frontend"
	case Backend:
		return "backend"
	default:
		return "listen"
	}
}

// Proxy is one frontend, backend or listen section, with the defaults that
// apply to it already merged in.
type Proxy struct {
	Pos      Pos
	Name     string
	Kind     Kind
	Disabled bool
	// ID is the numeric id of runtime-API records: explicit ("id N") or given in
	// file order from 2 on, as HAProxy does.
	ID int

	// Frontend role.
	Binds          []Bind
	Maxconn        int    // concurrent connections; 0: global maxconn
	Backlog        int    // listen(2) backlog; 0: maxconn
	DefaultBackend string // "": none
	RateSessions   int    // "rate-limit sessions" per second; 0: unlimited
	SessionConns   int    // "max-session-srv-conns": idle server connections of a session; 0: default

	// Backend role.
	Balance         Balance
	Hash            Hash
	Servers         []Server
	Retries         int          // connection attempts after the first; default 3
	Redispatch      int          // "option redispatch N": 0 not configured, -1 at the last retry, N every Nth
	AllBackups      bool         // "option allbackups"
	Fullconn        int          // "fullconn": connections at which servers reach their maxconn; 0: derived
	Check           *HealthCheck // nil: a connection is opened and closed
	LogHealthChecks bool         // "option log-health-checks"
	// RetryOn lists the events after which another server is tried ("retry-on"):
	// "conn-failure", "empty-response", ... or an HTTP status; nil: conn-failure.
	RetryOn      []string
	Source       *ConnSource    // nil: the system chooses
	Dispatch     netip.AddrPort // "dispatch": where all connections go; invalid: to servers
	DispatchPath string         // "dispatch" to a UNIX socket; "": none
	Persistence  *Persistence   // "persist rdp-cookie"; nil: none
	State        ServerState

	// Rules, in the order of their evaluation: those of a named defaults section
	// come first.
	TCPRules             []TCPRule
	InspectDelay         time.Duration // "tcp-request inspect-delay"; 0: no wait
	ResponseInspectDelay time.Duration // "tcp-response inspect-delay"; 0: no wait
	BackendRules         []BackendRule
	ServerRules          []ServerRule
	PersistRules         []PersistRule
	StickTable           *StickTable // nil: none
	StickRules           []StickRule
	Captures             []CaptureSlot
	BandwidthFilters     []BandwidthFilter

	Timeouts Timeouts
	Logs     []LogTarget
	// TCPLog is "option tcplog". DontLogNull skips sessions without a byte,
	// LogASAP writes the line when the server connection is established.
	TCPLog, DontLogNull, LogASAP bool
	// ClientKeepalive and ServerKeepalive are "option clitcpka" and "srvtcpka"
	// ("tcpka" sets both).
	ClientKeepalive, ServerKeepalive bool
	EmailAlert                       *EmailAlert // nil: none
	ClientProbes, ServerProbes       Keepalive
	Flags                            Flags
	Splice                           Splice
	LogTag                           string // "log-tag"; "": that of global
	Description                      string
	GUID                             string // "guid": a name that nothing else has; "": none
	// LogFormat is "log-format", LogFormatSD "log-format-sd", ErrorLogFormat
	// "error-log-format", UniqueIDFormat "unique-id-format"; nil: not set.
	LogFormat, LogFormatSD, ErrorLogFormat, UniqueIDFormat *LogFormat
}

// Timeouts of one section; 0 means not set, which is "never".
type Timeouts struct {
	Client, Server, Connect, Queue, Check time.Duration
	ClientFin, ServerFin, Tunnel          time.Duration
	ClientHS                              time.Duration // of PROXY header and TLS handshake; 0: Client
}

// Bind is one listening address; a line with a port range or a comma list
// becomes several Binds.
type Bind struct {
	Pos       Pos
	Addr      netip.AddrPort // invalid for a UNIX socket; "*" and "" are 0.0.0.0
	Path      string         // UNIX socket path, or ""
	V4V6      bool           // an IPv6 wildcard also accepts IPv4
	V6Only    bool
	Name      string // "name": label in logs and statistics
	Interface string // SO_BINDTODEVICE
	Maxconn   int    // 0: that of the frontend
	Backlog   int    // 0: that of the frontend
	ID        int
	Abstract  string       // name of an abstract UNIX socket, or ""
	FD        int          // inherited descriptor plus one; 0: none
	TLS       *TLS         // nil: nothing is set
	Options   *BindOptions // nil: nothing is set
}

// Balance is the "balance" line.
type Balance struct {
	Algorithm string // "roundrobin" (default), "static-rr", "leastconn", "first", "source", "random", "hash", "rdp-cookie"; of HTTP: "uri", "url_param", "hdr"; of logs: "sticky", "log-hash"
	Args      []string
	Pos       Pos
	Draws     int    // of "random": servers drawn each time, default 2
	Expr      *Expr  // of "hash": what is hashed
	Cookie    string // of "rdp-cookie": its name, "mstshash" by default
}

// Server is one "server" line with the default-server settings merged in.
type Server struct {
	Pos  Pos
	Name string
	// Host is an address literal or a host name to resolve. A line without an
	// address has the server's own name here (see docs: "server NAME"). The
	// unspecified address stands for where the client wanted to go.
	Host string
	// Port is the destination port. With PortRelative it is an offset added to
	// the port that the client connected to: "server s1" means offset 0.
	Port         int
	PortRelative bool
	Path         string // path of a UNIX socket, "@name" of an abstract one, or ""
	Weight       int    // 0 to 256, default 1
	Maxconn      int    // 0: unlimited
	Backup       bool
	Disabled     bool
	ID           int
	Check        *ServerCheck   // shared with other servers; nil: neither checks nor tracking
	TLS          *TLS           // nil: nothing is set
	Source       *ConnSource    // nil: that of the backend
	SendProxy    *SendProxy     // nil: none
	Resolve      *Resolve       // nil: nothing is set
	Options      *ServerOptions // nil: nothing is set
}

// LogTarget is one "log" line, or the expansion of "log global".
type LogTarget struct {
	Pos      Pos
	Address  string     // "stdout", "stderr", "fd@N", a socket path, or "host:port" for UDP (default port 514)
	Format   string     // "rfc3164" (default), "rfc5424", "local", "priority", "short", "timed", "iso", "raw"
	Length   int        // longest line in bytes, default 1024
	Facility string     // syslog facility name
	Level    string     // least severity that is sent; "" is all: "emerg" ... "debug"
	MinLevel string     // cap: more severe messages are sent at this level; "" is none
	Sample   *LogSample // nil: all lines
}

// LogSample tells which lines of a target are sent: those whose numbers, counted
// from 1 to Size over and over, are within one of the ranges (manual, section 4.2,
// "log").
type LogSample struct {
	Ranges [][2]int // first and last, in ascending order
	Size   int
}
