package config

import "time"

// RuleSet is a list of TCP rules; the four lists are evaluated at different
// moments of a session (manual, section 4.2, "tcp-request" and "tcp-response").
type RuleSet uint8

// The rule sets. One bit each: an action is valid in several of them.
const (
	RequestConnection RuleSet = 1 << iota // when a connection has been accepted
	RequestSession                        // when TLS and PROXY handshakes are done
	RequestContent                        // when the client has sent something
	ResponseContent                       // when the server has sent something
)

// String returns the words that start a line of the rule set; several sets are
// parted by ", ".
func (s RuleSet) String() string {
	text := ""
	for i, name := range []string{"tcp-request connection", "tcp-request session", "tcp-request content", "tcp-response content"} {
		if s&(1<<i) == 0 {
			continue
		}
		if text != "" {
			text += ", "
		}
		text += name
	}
	return text
}

// TCPRule is one "tcp-request" or "tcp-response" rule.
type TCPRule struct {
	Pos    Pos
	Set    RuleSet
	Action string     // name of its ActionRow, without arguments: "accept", "track-sc"
	Args   ActionArgs // nil: the action has none
	Cond   *Condition // nil: always
}

// ActionArgs are the arguments of an action, one type for each kind of action.
type ActionArgs interface{ actionArgs() }

// TrackArgs belong to "track-sc".
type TrackArgs struct {
	Counter int // 0 to tune.stick-counters - 1
	Key     *Expr
	Table   string // name of a table; "": that of the proxy itself
}

// CounterArgs belong to the actions that change an element of a tracked entry:
// "sc-add-gpc", "sc-inc-gpc", "sc-set-gpt" and their relatives with a digit.
type CounterArgs struct {
	Element string // "gpc", "gpc0", "gpc1", "gpt", "gpt0"
	Index   uint32 // of an element of the arrays "gpc" and "gpt"
	Counter int    // number of the tracked counter
	Value   int64  // without Expr
	Expr    *Expr
}

// VariableArgs belong to "set-var", "set-var-fmt" and "unset-var".
type VariableArgs struct {
	Name   string   // with its scope: "sess.seen"
	If     []string // "ifset", "ifgt" ...: all must hold
	Expr   *Expr    // of "set-var"
	Format *LogFormat
}

// ValueArgs belong to the actions that set a property of a connection: marks,
// TOS, addresses, ports, priorities.
type ValueArgs struct {
	Number int64 // without Expr
	Expr   *Expr
}

// CaptureArgs belong to "capture".
type CaptureArgs struct {
	Expr   *Expr
	Length int // bytes
}

// DropArgs belong to "silent-drop".
type DropArgs struct {
	ResetTTL int // 1 to 255: send a reset that lives so many hops; 0: send none
}

// ResolveArgs belong to "do-resolve".
type ResolveArgs struct {
	Variable  string
	Resolvers string // name of a "resolvers" section
	Family    int    // 4 or 6 is asked for first; 0: as the section prefers
	Expr      *Expr
}

// BandwidthArgs belong to "set-bandwidth-limit".
type BandwidthArgs struct {
	Filter     string
	Limit      int64 // bytes in Period; 0: that of the filter
	LimitExpr  *Expr
	Period     time.Duration // 0: that of the filter
	PeriodExpr *Expr
}

// LevelArgs belong to "set-log-level".
type LevelArgs struct {
	Level string // a syslog level, or "silent"
}

// NiceArgs belong to "set-nice".
type NiceArgs struct {
	Nice int // -1024 to 1024
}

// ModeArgs belong to "switch-mode".
type ModeArgs struct {
	Mode, Proto string
}

// WordArgs belong to the actions that only name things: "use-service",
// "send-spoe-group", "ot-group", "attach-srv".
type WordArgs struct {
	Words []string
}

func (TrackArgs) actionArgs()     {}
func (CounterArgs) actionArgs()   {}
func (VariableArgs) actionArgs()  {}
func (ValueArgs) actionArgs()     {}
func (CaptureArgs) actionArgs()   {}
func (DropArgs) actionArgs()      {}
func (ResolveArgs) actionArgs()   {}
func (BandwidthArgs) actionArgs() {}
func (LevelArgs) actionArgs()     {}
func (NiceArgs) actionArgs()      {}
func (ModeArgs) actionArgs()      {}
func (WordArgs) actionArgs()      {}

// StickTable is a "stick-table" line of a proxy, or a "table" line of a peers
// section (manual, section 11.1).
type StickTable struct {
	Pos     Pos
	Name    string        // of the proxy, or "<peers>/<table>"
	Type    SampleType    // TypeIPv4, TypeIPv6, TypeInt, TypeString or TypeBinary
	Length  int           // longest key of a string or binary table in bytes
	Size    int           // most entries
	Expire  time.Duration // of an entry that nothing touches; 0: never
	NoPurge bool          // refuse new entries when full
	Peers   string        // name of the peers section that shares it
	WriteTo string        // name of a table that gets a copy of updates
	SrvKey  string        // "name" (default) or "addr": what stands for a server
	Store   []StoredData
}

// StoredData is one element of the entries of a stick table.
type StoredData struct {
	Name   string        // "conn_rate", "gpc" ...
	Count  int           // elements of an array; 0: not an array
	Period time.Duration // of a rate; 0: not a rate
}

// StickRule is one "stick" line.
type StickRule struct {
	Pos   Pos
	Kind  string // "on", "match", "store-request" or "store-response"
	Expr  *Expr
	Table string // "": that of the proxy itself
	Cond  *Condition
}

// BackendRule is one "use_backend" line.
type BackendRule struct {
	Pos     Pos
	Backend string     // name; with Format, its text
	Format  *LogFormat // the name is computed for each session
	Cond    *Condition // nil: always
}

// ServerRule is one "use-server" line.
type ServerRule struct {
	Pos    Pos
	Server string     // name; with Format, its text
	Format *LogFormat // the name is computed for each session
	Cond   *Condition
}

// PersistRule is one "force-persist" or "ignore-persist" line.
type PersistRule struct {
	Pos    Pos
	Ignore bool // "ignore-persist"
	Cond   *Condition
}

// CaptureSlot is one "declare capture" line: a place for a captured sample.
type CaptureSlot struct {
	Pos      Pos
	Response bool
	Length   int // bytes
}

// BandwidthFilter is one "filter bwlim-in" or "bwlim-out" line. With a Key all
// streams of one key share the limit, else each stream has its own.
type BandwidthFilter struct {
	Pos     Pos
	Name    string
	Out     bool          // towards the client
	Limit   int64         // bytes in each period
	Period  time.Duration // 0 with a Key: the table tells it
	Key     *Expr
	Table   string // "": that of the proxy itself
	MinSize int64  // bytes that are always forwarded at once
}
