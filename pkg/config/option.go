package config

// optionKeywords are the "option" lines of proxy sections.
var optionKeywords = []Keyword{
	{Name: "option redispatch", Where: inBack, Args: "[<interval>]", Max: -1, Default: "off", No: true,
		Help: "let a retry go to another server: the last one, or every <interval>th", parse: parseRedispatch},
	{Name: "option tcplog", Where: inFront | InBackend, Default: "off",
		Help: "log sessions with all timers and counters", parse: parseTCPLog},
	{Name: "option httplog", Where: inFront | InBackend, Args: "[clf]", Max: 1, Default: "off", State: NoEffect,
		Why: "it is for HTTP, the format of 'option tcplog' is used", Help: "log HTTP requests", parse: parseTCPLog},
	{Name: "option dontlognull", Where: inFront, Default: "off", No: true, Help: "do not log sessions without a byte",
		parse: proxyFlag(func(px *Proxy) *bool { return &px.DontLogNull })},
	{Name: "option logasap", Where: inFront, Default: "off", No: true, Help: "log when the server connection is established",
		parse: proxyFlag(func(px *Proxy) *bool { return &px.LogASAP })},
	{Name: "option clitcpka", Where: inFront, Default: "off", No: true, Help: "TCP keepalive towards clients",
		parse: proxyFlag(func(px *Proxy) *bool { return &px.ClientKeepalive })},
	{Name: "option srvtcpka", Where: inBack, Default: "off", No: true, Help: "TCP keepalive towards servers",
		parse: proxyFlag(func(px *Proxy) *bool { return &px.ServerKeepalive })},
	{Name: "option tcpka", Where: inProxy, Default: "off", Help: "TCP keepalive on both sides", parse: parseTCPKeepalive},
	{Name: "option allbackups", Where: inBack, Default: "off", No: true, Help: "use all backup servers, not only the first",
		parse: proxyFlag(func(px *Proxy) *bool { return &px.AllBackups })},
}

func proxyFlag(field func(*Proxy) *bool) func(*parser, *statement) {
	return func(p *parser, st *statement) { *field(p.px.px) = !st.no && !st.reset }
}

func parseRedispatch(p *parser, st *statement) {
	px := p.px.px
	switch {
	case st.no || st.reset:
		px.Redispatch = 0
	case len(st.args) == 0:
		px.Redispatch = -1
	case st.args[0].Text == "-1":
		px.Redispatch = -1
	default:
		px.Redispatch = p.looseInt(st.args[0], "option redispatch")
	}
	p.extra(st, 1)
}

func parseTCPLog(p *parser, st *statement) {
	if p.section == InBackend {
		p.warn(st.name[0], "'%s' directive is ignored in backends", st.kw.Name)
		return
	}
	p.px.px.TCPLog = true
	p.px.tcplog = p.pos(st.name[0])
}

func parseTCPKeepalive(p *parser, _ *statement) {
	kind := p.px.px.Kind
	p.px.px.ClientKeepalive = kind.HasFrontend()
	p.px.px.ServerKeepalive = kind.HasBackend()
}
