package ctl

import (
	"bufio"
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// StatType says what a record of "show stat" is about.
type StatType int64

// The types as HAProxy numbers them (management guide, section 9.1, "type").
const (
	StatFrontend StatType = 0
	StatBackend  StatType = 1
	StatServer   StatType = 2
)

// Stat is one record of "show stat" (management guide, section 9.1): a frontend,
// a backend or a server with its counters since the start of the process.
type Stat struct {
	Proxy, Service             string // Service is FRONTEND, BACKEND or the server's name
	Type                       StatType
	QueueCur, QueueMax         int64
	QueueLimit                 int64 // "maxqueue"
	SessionsCur, SessionsMax   int64
	SessionsLimit              int64
	SessionsTotal              int64
	BytesIn, BytesOut          int64 // from and to clients
	RequestErrors              int64 // connections that did not begin as they must
	ConnsTotal, DeniedConns    int64 // connections accepted, and of these refused by "tcp-request connection"
	ConnectErrors              int64
	Retries, Redispatches      int64
	Status                     string
	Weight, Active, Backup     int64
	ProcessID, ProxyID, ServID int64
	Mode, Algorithm, Address   string
	Rate, RateMax              int64 // new sessions in the last second, and in any
	RateLimit                  int64 // "rate-limit sessions"; 0: none

	SinceChange int64 // seconds since the last change of up and down
	// Of servers with health checks; Downtime of backends too.
	CheckFails, CheckDowns *int64 // bad checks while it was up, times it went down
	Downtime               *int64 // seconds
	CheckStatus            string // of the last check: "L4OK", "L4CON", ...
	CheckDuration          *int64 // milliseconds
	LastCheck, CheckDesc   string // what the last check has found: details, and in words
	CheckRise, CheckFall   *int64
	CheckHealth            *int64 // 0 to rise+fall-1
	Tracked                string // the server whose state it shares
	Throttle               *int64 // percent of its weight, of a server that warms up
}

// statColumn is one column of the CSV form. field returns a pointer to what it
// shows; a column that does not apply to a record's type stays empty.
type statColumn struct {
	name  string
	types string // of "f", "b" and "s"; "": known to HAProxy, always empty here
	field func(*Stat) any
}

// statColumns are in HAProxy's order: its place is what many clients know a
// column by.
var statColumns = []statColumn{
	{"pxname", "fbs", func(s *Stat) any { return &s.Proxy }},
	{"svname", "fbs", func(s *Stat) any { return &s.Service }},
	{"qcur", "bs", func(s *Stat) any { return &s.QueueCur }},
	{"qmax", "bs", func(s *Stat) any { return &s.QueueMax }},
	{"scur", "fbs", func(s *Stat) any { return &s.SessionsCur }},
	{"smax", "fbs", func(s *Stat) any { return &s.SessionsMax }},
	{"slim", "fbs", func(s *Stat) any { return &s.SessionsLimit }},
	{"stot", "fbs", func(s *Stat) any { return &s.SessionsTotal }},
	{"bin", "fbs", func(s *Stat) any { return &s.BytesIn }},
	{"bout", "fbs", func(s *Stat) any { return &s.BytesOut }},
	{name: "dreq"}, {name: "dresp"},
	{"ereq", "f", func(s *Stat) any { return &s.RequestErrors }},
	{"econ", "bs", func(s *Stat) any { return &s.ConnectErrors }},
	{name: "eresp"},
	{"wretr", "bs", func(s *Stat) any { return &s.Retries }},
	{"wredis", "bs", func(s *Stat) any { return &s.Redispatches }},
	{"status", "fbs", func(s *Stat) any { return &s.Status }},
	{"weight", "bs", func(s *Stat) any { return &s.Weight }},
	{"act", "bs", func(s *Stat) any { return &s.Active }},
	{"bck", "bs", func(s *Stat) any { return &s.Backup }},
	{"chkfail", "s", func(s *Stat) any { return &s.CheckFails }},
	{"chkdown", "bs", func(s *Stat) any { return &s.CheckDowns }},
	{"lastchg", "bs", func(s *Stat) any { return &s.SinceChange }},
	{"downtime", "bs", func(s *Stat) any { return &s.Downtime }},
	{"qlimit", "s", func(s *Stat) any { return &s.QueueLimit }},
	{"pid", "fbs", func(s *Stat) any { return &s.ProcessID }},
	{"iid", "fbs", func(s *Stat) any { return &s.ProxyID }},
	{"sid", "s", func(s *Stat) any { return &s.ServID }},
	{"throttle", "s", func(s *Stat) any { return &s.Throttle }},
	{name: "lbtot"},
	{"tracked", "s", func(s *Stat) any { return &s.Tracked }},
	{"type", "fbs", func(s *Stat) any { return &s.Type }},
	{"rate", "fbs", func(s *Stat) any { return &s.Rate }},
	{"rate_lim", "f", func(s *Stat) any { return &s.RateLimit }},
	{"rate_max", "fbs", func(s *Stat) any { return &s.RateMax }},
	{"check_status", "s", func(s *Stat) any { return &s.CheckStatus }},
	{name: "check_code"},
	{"check_duration", "s", func(s *Stat) any { return &s.CheckDuration }},
	{name: "hrsp_1xx"}, {name: "hrsp_2xx"}, {name: "hrsp_3xx"}, {name: "hrsp_4xx"}, {name: "hrsp_5xx"}, {name: "hrsp_other"},
	{name: "hanafail"}, {name: "req_rate"}, {name: "req_rate_max"}, {name: "req_tot"}, {name: "cli_abrt"}, {name: "srv_abrt"},
	{name: "comp_in"}, {name: "comp_out"}, {name: "comp_byp"}, {name: "comp_rsp"}, {name: "lastsess"},
	{"last_chk", "s", func(s *Stat) any { return &s.LastCheck }},
	{name: "last_agt"}, {name: "qtime"}, {name: "ctime"}, {name: "rtime"}, {name: "ttime"},
	{name: "agent_status"}, {name: "agent_code"}, {name: "agent_duration"},
	{"check_desc", "s", func(s *Stat) any { return &s.CheckDesc }},
	{name: "agent_desc"},
	{"check_rise", "s", func(s *Stat) any { return &s.CheckRise }},
	{"check_fall", "s", func(s *Stat) any { return &s.CheckFall }},
	{"check_health", "s", func(s *Stat) any { return &s.CheckHealth }},
	{name: "agent_rise"}, {name: "agent_fall"}, {name: "agent_health"},
	{"addr", "s", func(s *Stat) any { return &s.Address }},
	{name: "cookie"},
	{"mode", "fbs", func(s *Stat) any { return &s.Mode }},
	{"algo", "b", func(s *Stat) any { return &s.Algorithm }},
	{name: "conn_rate"}, {name: "conn_rate_max"},
	{"conn_tot", "f", func(s *Stat) any { return &s.ConnsTotal }},
	{name: "intercepted"},
	{"dcon", "f", func(s *Stat) any { return &s.DeniedConns }},
	{name: "dses"},
}

// WriteStats writes records in the CSV form of "show stat".
func WriteStats(w io.Writer, stats []Stat) error {
	out := bufio.NewWriter(w)
	out.WriteString("# ")
	for _, c := range statColumns {
		out.WriteString(c.name + ",")
	}
	out.WriteByte('\n')
	for i := range stats {
		s := &stats[i]
		for _, c := range statColumns {
			if strings.ContainsRune(c.types, s.Type.letter()) {
				writeField(out, c.field(s))
			}
			out.WriteByte(',')
		}
		out.WriteByte('\n')
	}
	return out.Flush()
}

func (t StatType) letter() rune {
	switch t {
	case StatFrontend:
		return 'f'
	case StatBackend:
		return 'b'
	}
	return 's'
}

func writeField(out *bufio.Writer, field any) {
	switch v := field.(type) {
	case *string:
		if strings.ContainsAny(*v, ",\"\n") {
			fmt.Fprintf(out, `"%s"`, strings.ReplaceAll(*v, `"`, `""`))
			return
		}
		out.WriteString(*v)
	case *int64:
		out.WriteString(strconv.FormatInt(*v, 10))
	case **int64:
		if *v != nil {
			out.WriteString(strconv.FormatInt(**v, 10))
		}
	case *StatType:
		out.WriteString(strconv.FormatInt(int64(*v), 10))
	}
}

// ParseStats reads the CSV form. Columns are found by name, so the output of any
// HAProxy is understood; unknown columns are passed over.
func ParseStats(r io.Reader) ([]Stat, error) {
	in := csv.NewReader(r)
	in.FieldsPerRecord = -1
	in.LazyQuotes = true
	header, err := in.Read()
	if err != nil {
		return nil, fmt.Errorf("read statistics: %w", err)
	}
	header[0] = strings.TrimPrefix(header[0], "# ")
	byName := map[string]*statColumn{}
	for i := range statColumns {
		byName[statColumns[i].name] = &statColumns[i]
	}
	var stats []Stat
	for {
		record, err := in.Read()
		if err == io.EOF {
			return stats, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read statistics: %w", err)
		}
		var s Stat
		for i, text := range record[:min(len(record), len(header))] {
			c := byName[header[i]]
			if c == nil || c.field == nil || text == "" {
				continue
			}
			if err := readField(c.field(&s), text); err != nil {
				return nil, fmt.Errorf("read statistics: line %d, column %s: %w", len(stats)+2, c.name, err)
			}
		}
		stats = append(stats, s)
	}
}

func readField(field any, text string) error {
	if v, ok := field.(*string); ok {
		*v = text
		return nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return err
	}
	switch v := field.(type) {
	case *int64:
		*v = n
	case **int64:
		*v = &n
	case *StatType:
		*v = StatType(n)
	}
	return nil
}
