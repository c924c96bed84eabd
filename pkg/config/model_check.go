package config

import "time"

// CheckKind is the conversation that the health checks of a backend hold: the
// name of the "option" line that chose it.
type CheckKind string

// The kinds of checks (configuration manual, section 4.2). The zero value opens
// a connection and closes it again.
const (
	CheckConnection CheckKind = ""
	CheckTCP        CheckKind = "tcp-check"
	CheckHTTP       CheckKind = "httpchk"
	CheckMySQL      CheckKind = "mysql-check"
	CheckPostgreSQL CheckKind = "pgsql-check"
	CheckRedis      CheckKind = "redis-check"
	CheckLDAP       CheckKind = "ldap-check"
	CheckSMTP       CheckKind = "smtpchk"
	CheckSSLHello   CheckKind = "ssl-hello-chk"
	CheckSPOP       CheckKind = "spop-check"
	CheckExternal   CheckKind = "external-check"
)

// HealthCheck is what a backend does to learn whether its servers work.
type HealthCheck struct {
	Kind         CheckKind
	Rules        []CheckRule // steps in order, of CheckTCP and CheckHTTP
	User         string      // of MySQL and PostgreSQL; "": MySQL's greeting alone
	PreMySQL41   bool        // log in as clients before MySQL 4.1 did
	Hello        string      // of SMTP: the line that is sent, "HELO localhost" by default
	DisableOn404 bool        // "http-check disable-on-404": 404 takes a server out softly
	SendState    bool        // "http-check send-state": tell the server how it is judged
	Command      string      // "external-check command"
	Path         string      // "external-check path": PATH of the command; "": the minimal one
}

// CheckRule is one "tcp-check" or "http-check" line. At most one of the pointers
// is set; a comment line has none.
type CheckRule struct {
	Pos     Pos
	Comment string // shown when this step fails
	Connect *CheckConnect
	Send    *CheckSend
	Request *CheckRequest
	Expect  *CheckExpect
	Var     *CheckVar
}

// CheckConnect opens a connection; what is not set is taken from the server line.
type CheckConnect struct {
	Default   bool // start from the server's own settings
	Addr      CheckAddr
	Port      int   // 1 to 65535; 0: not set
	PortExpr  *Expr // the port is what this yields; nil: not set
	SendProxy bool
	ViaSOCKS4 bool
	SSL       bool
	SNI       string
	ALPN      string // names parted by commas
	Proto     string // multiplexer: "h1", "h2", "none", ...
	Linger    bool   // close in order instead of with a reset
}

// CheckAddr is an address for checks; all zero when it is not set.
type CheckAddr struct {
	Host string // IP address or name; "*" is the unspecified address
	Port int    // 0: not set
	Path string // UNIX socket
}

// CheckSend sends bytes: exactly one of the fields is set.
type CheckSend struct {
	Data   []byte
	Format *LogFormat
	Hex    *LogFormat // yields hexadecimal digits
}

// CheckRequest is an HTTP request; what is not set is as in CheckHTTP's line.
type CheckRequest struct {
	Method, URI, Version string
	URIFormat            *LogFormat
	Headers              []CheckHeader
	Body                 string
	BodyFormat           *LogFormat
	Implied              bool // it comes from "option httpchk" alone
}

// CheckHeader is a header field of a request.
type CheckHeader struct {
	Name  string
	Value *LogFormat
}

// CheckExpect judges what the server answers (manual, "tcp-check expect").
type CheckExpect struct {
	Not     bool   // the pattern must not be found
	What    string // "string", "rstring", "binary", "rbinary", "string-lf", "binary-lf", "custom", "status", "rstatus", "hdr", "fhdr"
	Pattern string // as written; of "binary" in hexadecimal
	Format  *LogFormat
	Name    CheckMatch    // of "hdr" and "fhdr": the header's name
	Value   CheckMatch    // of "hdr" and "fhdr"
	Codes   []StatusRange // of "status"
	// MinRecv is the number of bytes to wait for before the judgement; -1: no limit.
	MinRecv            int
	OK, Error, Timeout string // statuses such as "L7OK"; "": the usual one
	OnSuccess, OnError *LogFormat
	StatusCode         *Expr // yields the code shown; nil: none
}

// CheckMatch compares a header's name or value.
type CheckMatch struct {
	Method  string // "str", "beg", "end", "sub", "reg"; "": str, of a name that is not set anything
	Pattern string
	Format  *LogFormat // instead of Pattern
}

// StatusRange is a range of HTTP status codes, both ends included.
type StatusRange struct{ First, Last int }

// CheckVar sets or unsets a variable.
type CheckVar struct {
	Name   string // with its scope: "check.port"
	Conds  []string
	Unset  bool
	Expr   *Expr
	Format *LogFormat
}

// ServerCheck is what a server line says about its checks (configuration manual,
// section 5.2). Servers that take it over from a default-server line share it.
type ServerCheck struct {
	Enabled   bool
	Inter     time.Duration // between two checks, 2 s by default
	FastInter time.Duration // while the state is in question; 0: Inter
	DownInter time.Duration // while the server is down; 0: Inter
	Rise      int           // good checks that bring it up, 2 by default
	Fall      int           // bad checks that take it down, 3 by default
	Addr      CheckAddr     // not set: that of the server
	Port      int           // 0: that of Addr or of the server

	SSL, NoSSL bool // neither: like the server's traffic, if Addr and Port are not set
	SNI        string
	ALPN       string // names parted by commas
	Proto      string // multiplexer; "": derived from the kind of check
	SendProxy  bool
	ViaSOCKS4  bool

	Agent AgentCheck

	Track       string        // "[<proxy>/]<server>" whose state it shares; "": none
	Observe     string        // "layer4", "layer7": judge the traffic too; "": no
	OnError     string        // "fastinter", "fail-check", "sudden-death", "mark-down"; "": fail-check
	ErrorLimit  int           // errors until OnError, 10 by default
	ShutDown    bool          // "on-marked-down shutdown-sessions"
	ShutBackups bool          // "on-marked-up shutdown-backup-sessions"
	SlowStart   time.Duration // time to full load after coming up, whole seconds; 0: none
}

// AgentCheck asks an agent on the server for its state and weight.
type AgentCheck struct {
	Enabled bool
	Addr    string // IP address or name; "": that of the server
	Port    int
	Inter   time.Duration // 2 s by default
	Send    string        // what is sent first
}

// newServerCheck holds the defaults of a server line.
func newServerCheck() *ServerCheck {
	const inter = 2 * time.Second
	return &ServerCheck{Inter: inter, Rise: 2, Fall: 3, ErrorLimit: 10, Agent: AgentCheck{Inter: inter}}
}

// EmailAlert is the "email-alert" lines of a proxy. It is in force when From, To
// and Mailers are set.
type EmailAlert struct {
	From, To   string
	Mailers    string // name of a section
	Level      string // least severity that is mailed, "alert" by default
	MyHostname string // greeting to mail servers; "": the system's name
}

// Mailers is one "mailers" section (configuration manual, section 3.6).
type Mailers struct {
	Pos     Pos
	Name    string
	Timeout time.Duration // for a mail, 10 s by default
	Servers []Mailer
}

// Mailer is one mail server.
type Mailer struct {
	Pos  Pos
	Name string
	Host string // IP address or name
	Port int
}
