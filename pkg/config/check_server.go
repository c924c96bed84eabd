package config

import (
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// serverCheckOptions are the options of a server about its health checks
// (manual, section 5.2).
var serverCheckOptions = []Keyword{
	{Name: "check", Where: ServerOption, Default: "no-check", Help: "check the server's health",
		server: checkFlag(func(c *ServerCheck) { c.Enabled = true })},
	{Name: "no-check", Where: ServerOption, Help: "revoke 'check' of a default-server line",
		server: uncheckFlag(func(c *ServerCheck) { c.Enabled = false })},
	{Name: "inter", Where: ServerOption, Args: "<time>", Min: 1, Max: 1, Default: "2s", Help: "time between two checks",
		server: checkTime(func(c *ServerCheck) *time.Duration { return &c.Inter })},
	{Name: "fastinter", Where: ServerOption, Args: "<time>", Min: 1, Max: 1, Default: "that of inter", Help: "time between two checks while the state is in question",
		server: checkTime(func(c *ServerCheck) *time.Duration { return &c.FastInter })},
	{Name: "downinter", Where: ServerOption, Args: "<time>", Min: 1, Max: 1, Default: "that of inter", Help: "time between two checks while the server is down",
		server: checkTime(func(c *ServerCheck) *time.Duration { return &c.DownInter })},
	{Name: "rise", Where: ServerOption, Args: "<number>", Min: 1, Max: 1, Default: "2", Help: "good checks in a row that bring the server up",
		server: checkCount(func(c *ServerCheck) *int { return &c.Rise })},
	{Name: "fall", Where: ServerOption, Args: "<number>", Min: 1, Max: 1, Default: "3", Help: "bad checks in a row that take the server down",
		server: checkCount(func(c *ServerCheck) *int { return &c.Fall })},
	{Name: "addr", Where: ServerOption, Args: "<address>", Min: 1, Max: 1, Default: "that of the server", Help: "where checks go",
		server: parseServerCheckAddr},
	{Name: "port", Where: ServerOption, Args: "<port>", Min: 1, Max: 1, Default: "that of the server", Help: "port that checks go to",
		server: checkPort(func(c *ServerCheck) *int { return &c.Port })},
	{Name: "check-alpn", Where: ServerOption, Args: "<names>", Min: 1, Max: 1, State: Pending, Help: "protocols offered by the TLS of checks, parted by commas",
		server: parseServerCheckALPN},
	{Name: "check-proto", Where: ServerOption, Args: "<name>", Min: 1, Max: 1, State: Pending, Help: "multiplexer of checks: h1, h2, fcgi, none", server: parseServerCheckProto},
	{Name: "check-sni", Where: ServerOption, Args: "<name>", Min: 1, Max: 1, State: Pending, Help: "server name sent by the TLS of checks",
		server: checkText(func(c *ServerCheck) *string { return &c.SNI })},
	{Name: "check-ssl", Where: ServerOption, State: Pending, Default: "like the server's traffic", Help: "check over TLS",
		server: checkFlag(func(c *ServerCheck) { c.SSL, c.NoSSL = true, false })},
	{Name: "no-check-ssl", Where: ServerOption, Help: "revoke 'check-ssl' of a default-server line",
		server: uncheckFlag(func(c *ServerCheck) { c.SSL, c.NoSSL = false, true })},
	{Name: "check-send-proxy", Where: ServerOption, State: Pending, Default: "like the server's traffic", Help: "begin checks with a PROXY header",
		server: checkFlag(func(c *ServerCheck) { c.SendProxy = true })},
	{Name: "no-check-send-proxy", Where: ServerOption, Help: "revoke 'check-send-proxy' of a default-server line",
		server: uncheckFlag(func(c *ServerCheck) { c.SendProxy = false })},
	{Name: "check-via-socks4", Where: ServerOption, State: Pending, Help: "check through the proxy of 'socks4'",
		server: checkFlag(func(c *ServerCheck) { c.ViaSOCKS4 = true })},
}

// agentOptions are those about the agent on a server (manual, section 5.2).
var agentOptions = []Keyword{
	{Name: "agent-check", Where: ServerOption, State: Pending, Default: "no-agent-check", Help: "ask an agent at 'agent-port' for state and weight",
		server: checkFlag(func(c *ServerCheck) { c.Agent.Enabled = true })},
	{Name: "no-agent-check", Where: ServerOption, Help: "revoke 'agent-check' of a default-server line",
		server: uncheckFlag(func(c *ServerCheck) { c.Agent.Enabled = false })},
	{Name: "agent-addr", Where: ServerOption, Args: "<address>", Min: 1, Max: 1, State: Pending, Default: "that of the server", Help: "address of the agent, without a port",
		server: parseAgentAddr},
	{Name: "agent-port", Where: ServerOption, Args: "<port>", Min: 1, Max: 1, State: Pending, Help: "port of the agent",
		server: checkPort(func(c *ServerCheck) *int { return &c.Agent.Port })},
	{Name: "agent-inter", Where: ServerOption, Args: "<time>", Min: 1, Max: 1, State: Pending, Default: "2s", Help: "time between two questions to the agent",
		server: checkTime(func(c *ServerCheck) *time.Duration { return &c.Agent.Inter })},
	{Name: "agent-send", Where: ServerOption, Args: "<text>", Min: 1, Max: 1, State: Pending, Help: "text sent to the agent",
		server: checkText(func(c *ServerCheck) *string { return &c.Agent.Send })},
}

// serverStateOptions are those about what follows from a server's state, and
// about other ways to learn it (manual, section 5.2).
var serverStateOptions = []Keyword{
	{Name: "track", Where: ServerOption, Args: "[<proxy>/]<server>", Min: 1, Max: 1, Help: "share the state of another server",
		server: checkText(func(c *ServerCheck) *string { return &c.Track })},
	{Name: "observe", Where: ServerOption, Args: "none|layer4|layer7", Min: 1, Max: 1, State: Pending, Default: "none", Help: "judge the server by its traffic too",
		server: parseObserve},
	{Name: "on-error", Where: ServerOption, Args: strings.Join(onErrors, "|"), Min: 1, Max: 1, State: Pending, Default: "fail-check", Help: "what follows when 'observe' has seen enough errors",
		server: checkChoice(func(c *ServerCheck, w string) { c.OnError = w }, onErrors...)},
	{Name: "error-limit", Where: ServerOption, Args: "<number>", Min: 1, Max: 1, State: Pending, Default: "10", Help: "errors in a row that are enough for 'on-error'",
		server: checkCount(func(c *ServerCheck) *int { return &c.ErrorLimit })},
	{Name: "on-marked-down", Where: ServerOption, Args: "shutdown-sessions", Min: 1, Max: 1, Default: "sessions go on", Help: "what happens to its sessions when the server goes down",
		server: checkChoice(func(c *ServerCheck, _ string) { c.ShutDown = true }, "shutdown-sessions")},
	{Name: "on-marked-up", Where: ServerOption, Args: "shutdown-backup-sessions", Min: 1, Max: 1, Default: "sessions go on", Help: "what happens to the sessions of backup servers when the server comes up",
		server: checkChoice(func(c *ServerCheck, _ string) { c.ShutBackups = true }, "shutdown-backup-sessions")},
	{Name: "slowstart", Where: ServerOption, Args: "<time>", Min: 1, Max: 1, Default: "0", Help: "time from coming up to the full weight and maxconn",
		server: parseSlowStart},
}

var onErrors = []string{"fastinter", "fail-check", "sudden-death", "mark-down"}

// checks returns the check settings of the line for a change: a copy of those
// that it shares with a default-server line.
func (s *serverLine) checks() *ServerCheck {
	switch {
	case s.ownCheck:
	case s.Check == nil:
		s.Check = newServerCheck()
	default:
		c := *s.Check
		s.Check = &c
	}
	s.ownCheck = true
	return s.Check
}

func checkFlag(set func(*ServerCheck)) func(*parser, *serverLine, option) {
	return func(_ *parser, s *serverLine, _ option) { set(s.checks()) }
}

// uncheckFlag changes a line only if something was set.
func uncheckFlag(clear func(*ServerCheck)) func(*parser, *serverLine, option) {
	return func(_ *parser, s *serverLine, _ option) {
		if s.Check != nil {
			clear(s.checks())
		}
	}
}

// filled reports an empty argument.
func (p *parser) filled(o option) bool {
	if o.arg.Text == "" {
		p.alert(o.arg, "'%s' expects an argument", o.name.Text).Accepted = o.kw.synopsis()
		return false
	}
	return true
}

func checkText(field func(*ServerCheck) *string) func(*parser, *serverLine, option) {
	return func(p *parser, s *serverLine, o option) {
		if p.filled(o) {
			*field(s.checks()) = o.arg.Text
		}
	}
}

// checkTime reads a time that is not 0.
func checkTime(field func(*ServerCheck) *time.Duration) func(*parser, *serverLine, option) {
	return func(p *parser, s *serverLine, o option) {
		if !p.filled(o) {
			return
		}
		d, ok := p.duration(o.arg, o.kw.Name)
		if ok && d == 0 {
			p.alert(o.arg, "'%s' must not be 0", o.kw.Name).Accepted = "1ms to 24d"
			return
		}
		if ok {
			*field(s.checks()) = d
		}
	}
}

// checkCount reads a number above 0.
func checkCount(field func(*ServerCheck) *int) func(*parser, *serverLine, option) {
	return func(p *parser, s *serverLine, o option) {
		if n := atol(o.arg.Text); n <= 0 || n > math.MaxInt32 {
			p.alert(o.arg, "'%s' has to be > 0, got '%s'", o.kw.Name, o.arg.Text).Accepted = "1 to 2147483647"
			return
		}
		*field(s.checks()) = p.looseInt(o.arg, o.kw.Name)
	}
}

// checkPort reads a port as HAProxy does, which keeps the low 16 bits of any
// number.
func checkPort(field func(*ServerCheck) *int) func(*parser, *serverLine, option) {
	return func(p *parser, s *serverLine, o option) {
		if !p.filled(o) {
			return
		}
		n := atol(o.arg.Text)
		port := n & math.MaxUint16
		if n != port || strings.Trim(o.arg.Text, "0123456789") != "" {
			p.remark(o.arg, "'%s' is not a port, '%s' is %d", o.arg.Text, o.kw.Name, port).Accepted = "1 to 65535"
		}
		*field(s.checks()) = port
	}
}

func checkChoice(set func(*ServerCheck, string), choices ...string) func(*parser, *serverLine, option) {
	return func(p *parser, s *serverLine, o option) {
		if !slices.Contains(choices, o.arg.Text) {
			d := p.alert(o.arg, "'%s' does not know '%s'", o.kw.Name, o.arg.Text)
			d.Accepted, d.Suggest = strings.Join(choices, ", "), nearest(o.arg.Text, choices)
			return
		}
		set(s.checks(), o.arg.Text)
	}
}

func parseServerCheckAddr(p *parser, s *serverLine, o option) {
	if addr, ok := p.checkAddress(o.arg); p.filled(o) && ok {
		s.checks().Addr = addr
	}
}

func parseServerCheckALPN(p *parser, s *serverLine, o option) {
	if p.filled(o) && p.checkALPN(o.arg) {
		s.checks().ALPN = o.arg.Text
	}
}

// parseServerCheckProto judges the name alone: whether it fits the kind of check
// is known at the end.
func parseServerCheckProto(p *parser, s *serverLine, o option) {
	if _, known := muxes[o.arg.Text]; !known {
		d := p.alert(o.arg, "unknown multiplexer '%s'", o.arg.Text)
		d.Accepted, d.Suggest = "h1, h2, fcgi, none", nearest(o.arg.Text, []string{"h1", "h2", "fcgi", "none"})
		return
	}
	if s.template {
		p.remark(o.name, "'check-proto' is ignored in a default-server line")
		return
	}
	s.checks().Proto = o.arg.Text
}

func parseAgentAddr(p *parser, s *serverLine, o option) {
	if !p.filled(o) {
		return
	}
	if _, err := netip.ParseAddr(o.arg.Text); err != nil && o.arg.Text != "*" && !isHostName(o.arg.Text) {
		p.alert(o.arg, "'%s' is neither an IP address nor a host name", o.arg.Text).Accepted = "an address without a port; the port is 'agent-port'"
		return
	}
	s.checks().Agent.Addr = o.arg.Text
}

func parseObserve(p *parser, s *serverLine, o option) {
	switch o.arg.Text {
	case "none":
		s.checks().Observe = ""
	case "layer4":
		s.checks().Observe = o.arg.Text
	case "layer7":
		if p.px.mode != "http" {
			p.remark(o.arg, "'observe layer7' is only for proxies in mode http").Accepted = "observe layer4"
			return
		}
		s.checks().Observe = o.arg.Text
	default:
		choices := []string{"none", "layer4", "layer7"}
		d := p.alert(o.arg, "'observe' does not know '%s'", o.arg.Text)
		d.Accepted, d.Suggest = strings.Join(choices, ", "), nearest(o.arg.Text, choices)
	}
}

// parseSlowStart rounds up to whole seconds.
func parseSlowStart(p *parser, s *serverLine, o option) {
	if d, ok := p.duration(o.arg, o.kw.Name); ok {
		s.checks().SlowStart = (d + time.Second - 1).Truncate(time.Second)
	}
}
