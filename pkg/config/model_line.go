package config

import "time"

// TLS holds the TLS settings of a "bind" or "server" line (manual, sections 5.1
// and 5.2). Names of files are as written; relative ones are below the directories
// of TLSGlobal.
type TLS struct {
	Enabled             bool     // "ssl"
	Certificates        []string // "crt": files, directories or "@store/name", in order; of a server the last one counts
	DefaultCertificates []string // "default-crt"
	CertificateLists    []string // "crt-list"
	CAFile              string   // certificates that sign those of the other side; "@system-ca": those of the system
	CAVerifyFile        string   // more of them that are not sent to clients
	CRLFile             string   // revoked certificates
	Verify              string   // "none", "optional" (clients only), "required"; "": none of a client, required of a server
	VerifyHost          string   // name that a server's certificate must bear
	SNI                 *Expr    // server name that is asked for; nil: none
	ALPN, NPN           string   // protocols parted by commas
	NoALPN              bool
	Ciphers             string   // of TLS 1.2 and before, in OpenSSL's notation
	Ciphersuites        string   // of TLS 1.3
	Curves, ECDHE       string   // elliptic curves
	Sigalgs             string   // signature algorithms
	ClientSigalgs       string   // those asked of clients
	Versions            Versions // protocol versions
	TicketKeys          string   // file with keys of session tickets
	NoTickets           bool
	NoReuse             bool   // of a server: no session is resumed
	NoCANames           bool   // clients are not told whose certificates are wanted
	StrictSNI           bool   // without a certificate for the name there is no connection
	PreferClientCiphers bool   // the client's order counts
	EarlyData           bool   // "allow-0rtt"
	CAIgnoreErrors      string // "all", or numbers and names of what does not fail a chain
	CertIgnoreErrors    string // the same of the client's own certificate
	GenerateCerts       bool   // certificates are made for the name asked for
	CASignFile          string // CA that signs them
	CASignPass          string // password of its key
}

// Versions are the TLS versions allowed: "SSLv3", "TLSv1.0" ... "TLSv1.3".
type Versions struct {
	Min, Max string   // "": not limited
	No       []string // "no-..." of single versions; they count without Min and Max only
}

// TLSGlobal holds the TLS settings of section global (manual, section 3.1).
type TLSGlobal struct {
	CABase, CertBase, KeyBase string // directories of relative names
	Bind, Server              TLS    // "ssl-default-bind-...", "ssl-default-server-..."
	ServerVerify              string // "ssl-server-verify"; "" is "required"
	DHParamFile               string
	DefaultDH                 int           // bits; 0: 2048
	CacheSize                 int           // sessions kept; 0: default
	Lifetime                  time.Duration // of a session; 0: 300 s
	MaxRecord                 int           // bytes sent in one record; 0: default
	Maxconn                   int           // "maxsslconn"; 0: unlimited
	Rate                      int           // "maxsslrate": handshakes per second; 0: unlimited
}

// BindOptions are the rarely set options of a "bind" line (manual, section 5.1).
type BindOptions struct {
	AcceptProxy     bool          // a PROXY header comes first
	NetscalerCIP    int           // magic number of a NetScaler client IP header that comes first; 0: none
	DeferAccept     bool          // accept when data has come
	TFO             bool          // TCP fast open
	Transparent     bool          // addresses that are not the machine's own
	MSS             int           // greatest segment in bytes, negative: what the kernel finds minus this; 0: default
	TCPUserTimeout  time.Duration // unacknowledged data; 0: default
	Namespace       string
	Nice            int    // -1024 to 1024: priority of sessions
	Shards          int    // listeners on the same address; 0: "by-thread" or "by-group" or 1
	ShardsBy        string // "thread", "group" or ""
	Threads         []string
	Mode            uint32 // permission bits of a UNIX socket; 0: as the umask makes them
	User, Group     string // owner of a UNIX socket
	Level           string // rights of the runtime API: "user", "operator", "admin"; "": operator
	SeverityOutput  string // "none", "number", "string"
	ExposeListeners bool   // "expose-fd listeners"
	GUIDPrefix      string
	Proto           string // "none" or ""
}

// ServerOptions are the rarely set options of a "server" line (manual, section 5.2).
type ServerOptions struct {
	Minconn        int // connections at low load, see "fullconn"; 0: Maxconn
	Maxqueue       int // waiting connections; 0: unlimited
	GUID           string
	Namespace      string        // "*": that of the client's connection
	TCPUserTimeout time.Duration // unacknowledged data; 0: default
	TFO            bool          // TCP fast open
	NonStick       bool          // not entered into stick tables
	Socks4         string        // address of a SOCKS4 proxy
	Shard          int           // part of a stick table that a peer gets; 0: all
	HashKey        string        // "id" (default), "addr", "addr-port"
	Cookie         string
	Redir          string
	Proto          string // "none" or ""
	WebSocket      string // "auto", "h1", "h2"
	LogProto       string // "legacy", "octet-count"
	LogBufSize     int    // bytes
	Pool           Pool
}

// Pool holds what HAProxy does with idle connections to a server.
type Pool struct {
	Name       *Expr         // "pool-conn-name"
	LowConn    int           // "pool-low-conn"
	MaxConn    int           // "pool-max-conn"; -1: unlimited
	PurgeDelay time.Duration // "pool-purge-delay"
	MaxReuse   int           // "max-reuse"; -1: unlimited
}

// SendProxy is the PROXY header that a server gets (manual, section 5.2).
type SendProxy struct {
	Version int      // 1, 2; 0: none
	SSL     bool     // with facts about the client's TLS
	CN      bool     // and the name in its certificate
	Options []string // "proxy-v2-options"
	TLVs    []TLV
}

// TLV is a field of one's own in a PROXY header ("set-proxy-v2-tlv-fmt").
type TLV struct {
	ID     int // 0 to 255
	Format *LogFormat
}

// Resolve tells how the name of a server becomes an address (manual, section 5.3).
type Resolve struct {
	Resolvers    string   // the section; "": the system's resolver
	InitAddr     []string // "last", "libc", "none" or an address, in order; nil: last,libc
	Prefer       string   // "ipv4", "ipv6"; "": ipv6
	Nets         []string // networks whose addresses come first
	AllowDupIP   bool     // servers may share an address
	IgnoreWeight bool     // the weight in SRV records does not count
}
