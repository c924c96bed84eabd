package config

import (
	"net"
	"slices"
	"strconv"
	"strings"
)

// logKeywords is the "log" line of global and proxy sections.
var logKeywords = []Keyword{
	{Name: "log", Where: InGlobal | inProxy, Args: logForm, Max: -1, No: true,
		Help: "where log lines go; 'log global' repeats the targets of global, 'no log' forgets the targets so far", parse: parseLog},
}

const logForm = "global | <address> [len <bytes>] [format <format>] [sample <ranges>:<size>] <facility> [<level> [<minlevel>]]"

// logOptions are the words between the address and the facility.
var logOptions = []Keyword{
	{Name: "len", Where: LogOption, Args: "<bytes>", Min: 1, Max: 1, Default: "1024", Help: "longest line, 80 to 65535 bytes"},
	{Name: "format", Where: LogOption, Args: "<format>", Min: 1, Max: 1, Default: "rfc3164", Help: "framing of the line: " + strings.Join(logFormats, ", ")},
	{Name: "sample", Where: LogOption, Args: "<ranges>:<size>", Min: 1, Max: 1, State: Pending, Help: "send only some of <size> lines, those of <low>[-<high>][,...]"},
	{Name: "profile", Where: LogOption, Args: "<name>", Min: 1, Max: 1, State: Refused, Since: "3.1", Why: "it is of a later version", Help: "log profile to use"},
}

var (
	logFormats    = []string{"rfc3164", "rfc5424", "local", "priority", "short", "timed", "iso", "raw"}
	logLevels     = []string{"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"}
	logFacilities = []string{
		"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "auth2", "ftp",
		"ntp", "audit", "alert", "cron2", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
	}
)

const (
	defaultLogLength = 1024
	defaultLogPort   = 514
)

func parseLog(p *parser, st *statement) {
	targets := &p.cfg.Global.Logs
	if p.section != InGlobal {
		targets = &p.px.px.Logs
	}
	switch {
	case st.no && len(st.args) > 0:
		p.alert(st.args[0], "'no log' does not expect arguments").Accepted = "no log"
	case st.no:
		*targets = nil
	case len(st.args) == 1 && st.args[0].Text == "global":
		if p.section == InGlobal {
			p.alert(st.args[0], "'log global' is not supported in section global").Accepted = st.kw.synopsis()
			return
		}
		*targets = append(*targets, p.cfg.Global.Logs...)
	case len(st.args) > 1 && st.args[0].Text == "global":
		p.alert(st.args[1], "'log global' does not expect arguments").Accepted = "log global"
	default:
		if t, ok := p.logTarget(st); ok {
			*targets = append(*targets, t)
		}
	}
}

// logTarget reads a "log" line word by word.
func (p *parser) logTarget(st *statement) (LogTarget, bool) {
	if len(st.args) < 2 {
		p.alert(st.arg(len(st.args)), "'log' expects an address and a facility").Accepted = st.kw.synopsis()
		return LogTarget{}, false
	}
	t := LogTarget{Pos: p.pos(st.args[0]), Format: "rfc3164", Length: defaultLogLength}
	var ok bool
	if t.Address, ok = p.logAddress(st.args[0]); !ok {
		return t, false
	}
	words, ok := p.logSettings(&t, st)
	if !ok {
		return t, false
	}
	fields := []struct {
		what   string
		into   *string
		values []string
	}{
		{"log facility", &t.Facility, logFacilities},
		{"optional log level", &t.Level, logLevels},
		{"optional minimum log level", &t.MinLevel, logLevels},
	}
	for i, w := range words {
		if i == len(fields) {
			p.alert(w, "'log' cannot handle unexpected argument '%s'", w.Text).Accepted = st.kw.synopsis()
			return t, false
		}
		if !p.oneOf(w, fields[i].what, fields[i].values) {
			return t, false
		}
		*fields[i].into = w.Text
	}
	return t, true
}

// oneOf checks that w is one of the values.
func (p *parser) oneOf(w Word, what string, values []string) bool {
	if slices.Contains(values, w.Text) {
		return true
	}
	d := p.alert(w, "unknown %s '%s'", what, w.Text)
	d.Accepted, d.Suggest = strings.Join(values, ", "), nearest(w.Text, values)
	return false
}

// logSettings reads the options, which have a fixed order, and returns the words
// from the facility on.
func (p *parser) logSettings(t *LogTarget, st *statement) ([]Word, bool) {
	words := st.args[1:]
	before := p.alertCount
	for _, name := range []string{"len", "format", "sample"} {
		if len(words) < 2 || words[0].Text != name {
			continue
		}
		value := words[1]
		switch name {
		case "len":
			if t.Length = atol(value.Text); t.Length < 80 || t.Length > 65535 {
				p.alert(value, "invalid log length '%s'", value.Text).Accepted = "80 to 65535"
				return nil, false
			}
		case "format":
			if !p.oneOf(value, "log format", logFormats) {
				return nil, false
			}
			t.Format = value.Text
		case "sample":
			if t.Sample = p.logSample(value); t.Sample == nil {
				return nil, false
			}
			p.unsupported(words[0], "'log ... sample' is not supported by this version yet")
		}
		words = words[2:]
	}
	if len(words) == 0 {
		p.alert(st.arg(len(st.args)), "'log' expects a facility").Accepted = strings.Join(logFacilities, ", ")
		return nil, false
	}
	if words[0].Text == "profile" && p.alertCount == before {
		p.tooNew(words[0], &Keyword{Name: "log ... profile", Since: "3.1"})
		return nil, false
	}
	return words, true
}

const sampleForm = "<low>[-<high>][,...]:<size>, numbers from 1 up to <size> that do not overlap"

// logSample reads which lines out of how many are sent; nil after an alert.
func (p *parser) logSample(w Word) *LogSample {
	list, size, ok := strings.Cut(w.Text, ":")
	s := &LogSample{Size: atol(size)}
	if !ok || !digitsOnly(size) || s.Size < 1 {
		p.alert(w, "the sample '%s' has no size", w.Text).Accepted = sampleForm
		return nil
	}
	for _, part := range splitCommas(Word{Text: list, Col: w.Col}) {
		low, high, ranged := cutRange(part.Text)
		r := [2]int{atol(low), atol(high)}
		if !digitsOnly(low) || !digitsOnly(high) || r[0] < 1 || r[1] > s.Size || ranged && r[0] >= r[1] {
			p.alert(part, "wrong sample range '%s'", part.Text).Accepted = sampleForm
			return nil
		}
		s.Ranges = append(s.Ranges, r)
	}
	slices.SortFunc(s.Ranges, func(a, b [2]int) int { return a[0] - b[0] })
	for i := range s.Ranges {
		if i > 0 && s.Ranges[i][0] <= s.Ranges[i-1][1] {
			p.alert(w, "the ranges of the sample '%s' overlap", w.Text).Accepted = sampleForm
			return nil
		}
	}
	return s
}

// logAddress brings a log address into the form of LogTarget.Address.
func (p *parser) logAddress(w Word) (string, bool) {
	if w.Text == "stdout" || w.Text == "stderr" {
		return w.Text, true
	}
	if fd, ok := strings.CutPrefix(w.Text, "fd@"); ok {
		if _, err := strconv.ParseUint(fd, 10, 31); err != nil {
			p.alert(w, "file descriptor '%s' is not a valid integer in '%s'", fd, w.Text).Accepted = "fd@<number>"
			return "", false
		}
		return w.Text, true
	}
	for _, prefix := range []string{"ring@", "backend@"} {
		if name, ok := strings.CutPrefix(w.Text, prefix); ok {
			p.logThrough(w, prefix, name)
			return w.Text, true
		}
	}
	plain := w
	for _, unix := range []string{"dgram+unix@", "stream+unix@"} {
		if path, ok := strings.CutPrefix(w.Text, unix); ok {
			plain.Text = "unix@" + path
		}
	}
	stream := streamPrefixed(w.Text)
	ep, ok := p.parseEndpoint(plain, true)
	if !ok {
		return "", false
	}
	address := ep.path
	if address == "" {
		address, ok = p.logHost(ep, w)
	}
	if ok && stream {
		p.unsupported(w, "log over a connection ('%s') is not supported by this version yet", w.Text)
	}
	return address, ok
}

// logThrough judges a target that is a section: HAProxy does not miss the section
// when it only checks a file.
func (p *parser) logThrough(w Word, prefix, name string) {
	at := p.pos(w)
	p.unsupported(w, "logging to '%s' is not supported by this version yet", w.Text)
	p.atEnd(func() {
		_, known := p.rings[name]
		if prefix == "backend@" {
			known = p.backend[name] != nil
		}
		if !known {
			p.report(Warning, at, "there is no %s '%s'", strings.TrimSuffix(prefix, "@"), name).Accepted = "the name of such a section"
		}
	})
}

func (p *parser) logHost(ep endpoint, w Word) (string, bool) {
	port := defaultLogPort
	if strings.Trim(ep.port, "0") != "" {
		if strings.Contains(ep.port, "-") || ep.port[0] == '+' {
			p.alert(w, "port range not permitted here in '%s'", w.Text).Accepted = "<address>[:<port>]"
			return "", false
		}
		lo, _, ok := p.portRange(w, ep.port)
		if !ok {
			return "", false
		}
		port = lo
	}
	host := ep.host
	if addr, ok := ep.literal(); ok {
		host = addr.String()
	} else if ep.family != 0 || !isHostName(host) {
		p.alert(w, "invalid address: '%s' in '%s'", ep.host, w.Text).Accepted = "<address>[:<port>], <path>, stdout, stderr, fd@<number>"
		return "", false
	}
	return net.JoinHostPort(host, strconv.Itoa(port)), true
}
