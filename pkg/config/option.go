package config

// optionKeywords are the "option" lines of proxy sections.
var optionKeywords = []Keyword{
	{Name: "option redispatch", Where: inBack, Args: "[<interval>]", Max: -1, Default: "off", No: true,
		Help: "let a retry go to another server: the last one, or every <interval>th", parse: parseRedispatch},
	{Name: "option tcplog", Where: inFront | InBackend, Default: "off",
		Help: "log sessions with all timers and counters", parse: parseTCPLog},
	{Name: "option httplog", Where: inFront | InBackend, Args: "[clf]", Max: 1, Default: "off", State: NoEffect,
		Why: "it is for HTTP, the format of 'option tcplog' is used", Help: "log HTTP requests", parse: parseHTTPLog},
	{Name: "option httpslog", Where: inFront | InBackend, Max: -1, Default: "off", State: NoEffect,
		Why: "it is for HTTP, the format of 'option tcplog' is used", Help: "log HTTPS requests", parse: parseTCPLog},
	{Name: "option tcpka", Where: inProxy, Default: "off", Help: "TCP keepalive on both sides", parse: parseTCPKeepalive},

	onOff("dontlognull", inFront, "do not log sessions without a byte", func(px *Proxy) *bool { return &px.DontLogNull }),
	onOff("logasap", inFront, "log when the server connection is established", func(px *Proxy) *bool { return &px.LogASAP }),
	onOff("clitcpka", inFront, "TCP keepalive towards clients", func(px *Proxy) *bool { return &px.ClientKeepalive }),
	onOff("srvtcpka", inBack, "TCP keepalive towards servers", func(px *Proxy) *bool { return &px.ServerKeepalive }),
	onOff("allbackups", inBack, "use all backup servers, not only the first", func(px *Proxy) *bool { return &px.AllBackups }),

	flagOption("contstats", inFront, "update counters while a session lasts", func(f *Flags) *bool { return &f.ContStats }),
	flagOption("dontlog-normal", inFront, "log only sessions that went wrong", func(f *Flags) *bool { return &f.DontLogNormal }),
	flagOption("log-separate-errors", inFront, "log sessions that went wrong at level err", func(f *Flags) *bool { return &f.LogSeparateErrors }),
	pendingFlag("socket-stats", inFront, "count for each listener", func(f *Flags) *bool { return &f.SocketStats }),
	flagOption("tcp-smart-accept", inFront, "spare the acknowledgement of a client's first bytes", func(f *Flags) *bool { return &f.SmartAccept }),
	flagOption("abortonclose", inBack, "drop a waiting client that has closed its side", func(f *Flags) *bool { return &f.AbortOnClose }),
	pendingFlag("persist", inBack, "keep clients at a server that is down", func(f *Flags) *bool { return &f.Persist }),
	flagOption("tcp-smart-connect", inBack, "spare the acknowledgement when a server accepts", func(f *Flags) *bool { return &f.SmartConnect }),
	{Name: "option transparent", Where: inBack, Default: "off", No: true,
		Help: "connect to the address that the client asked for", parse: parseTransparent},
	flagOption("independent-streams", inProxy, "do not count what is sent as activity of the receiver", func(f *Flags) *bool { return &f.IndependentStreams }),
	flagOption("nolinger", inProxy, "close connections with a reset", func(f *Flags) *bool { return &f.NoLinger }),

	spliceOption("auto", "let the kernel move the data of large flows; 'no' has all data copied", func(s *Splice) *Switch { return &s.Auto }),
	spliceOption("request", "let the kernel move data from clients to servers", func(s *Splice) *Switch { return &s.Request }),
	spliceOption("response", "let the kernel move data from servers to clients", func(s *Splice) *Switch { return &s.Response }),
	idleFlag("prefer-last-server", inBack, "it is for HTTP", "stay with a server between requests"),

	laterOption("use-small-buffers", "3.4"), laterOption("http-drop-request-trailers", "3.2"), laterOption("http-drop-response-trailers", "3.2"),
	laterOption("accept-unsafe-violations-in-http-request", "3.1"), laterOption("accept-unsafe-violations-in-http-response", "3.1"),

	goneOption("http-tunnel", "no line at all"), goneOption("forceclose", "option httpclose"), goneOption("http_proxy", "no line at all"),
}

// spliceOption builds the row of an option about splice(2). Unlike HAProxy's it
// tells "no option" from no line at all.
func spliceOption(name, help string, field func(*Splice) *Switch) Keyword {
	return Keyword{
		Name: "option splice-" + name, Where: inProxy, Default: "large flows are spliced", No: true, Help: help,
		parse: func(p *parser, st *statement) {
			value := field(&p.px.px.Splice)
			switch *value = SwitchOn; {
			case st.no:
				*value = SwitchOff
			case st.reset:
				*value = SwitchUnset
			}
		},
	}
}

// onOff builds the row of an option that is on or off.
func onOff(name string, where Where, help string, field func(*Proxy) *bool) Keyword {
	return Keyword{Name: "option " + name, Where: where, Default: "off", No: true, Help: help, parse: proxyFlag(field)}
}

// flagOption builds the row of an option that is one of Flags.
func flagOption(name string, where Where, help string, field func(*Flags) *bool) Keyword {
	return onOff(name, where, help, func(px *Proxy) *bool { return field(&px.Flags) })
}

// pendingFlag builds the row of an option that is not acted on yet.
func pendingFlag(name string, where Where, help string, field func(*Flags) *bool) Keyword {
	kw := flagOption(name, where, help, field)
	kw.State = Pending
	return kw
}

// idleFlag builds the row of an option without effect.
func idleFlag(name string, where Where, why, help string) Keyword {
	return Keyword{Name: "option " + name, Where: where, Default: "off", No: true, State: NoEffect, Why: why, Help: help}
}

func laterOption(name, since string) Keyword {
	return Keyword{Name: "option " + name, Where: inProxy, Max: -1, State: Refused, Since: since, Help: "an option of later versions"}
}

// goneOption builds the row of an option that HAProxy has dropped.
func goneOption(name, successor string) Keyword {
	kw := gone("option "+name, successor)
	kw.No = true
	return kw
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
	p.px.px.TCPLog, p.px.formats.log = true, nil
	p.px.tcplog = p.pos(st.name[0])
}

func parseTCPKeepalive(p *parser, _ *statement) {
	kind := p.px.px.Kind
	p.px.px.ClientKeepalive = kind.HasFrontend()
	p.px.px.ServerKeepalive = kind.HasBackend()
}

func parseHTTPLog(p *parser, st *statement) {
	if len(st.args) > 0 && st.args[0].Text != "clf" {
		p.alert(st.args[0], "'option httplog' does not take '%s'", st.args[0].Text).Accepted = st.kw.synopsis()
		return
	}
	parseTCPLog(p, st)
}
