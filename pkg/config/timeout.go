package config

import "time"

// timeoutKeywords are the "timeout" lines of proxy sections.
var timeoutKeywords = []Keyword{
	timeout("client", inFront, "longest silence of a client", func(t *Timeouts) *time.Duration { return &t.Client }),
	timeout("server", inBack, "longest silence of a server", func(t *Timeouts) *time.Duration { return &t.Server }),
	timeout("connect", inBack, "longest wait for a connection to a server", func(t *Timeouts) *time.Duration { return &t.Connect }),
	timeout("queue", inBack, "longest wait for a free place on a server", func(t *Timeouts) *time.Duration { return &t.Queue }),
	timeout("check", inBack, "longest wait for the answer to a health check", func(t *Timeouts) *time.Duration { return &t.Check }),
	timeout("client-fin", inFront, "longest silence of a client after one side has closed", func(t *Timeouts) *time.Duration { return &t.ClientFin }),
	timeout("server-fin", inBack, "longest silence of a server after one side has closed", func(t *Timeouts) *time.Duration { return &t.ServerFin }),
	timeout("tunnel", inBack, "longest silence of both sides of an established session", func(t *Timeouts) *time.Duration { return &t.Tunnel }),
	timeout("client-hs", inFront, "longest wait for the PROXY header and the TLS handshake of a client", func(t *Timeouts) *time.Duration { return &t.ClientHS }),
	httpTimeout("http-request"),
	httpTimeout("http-keep-alive"),
	httpTimeout("tarpit"),
	gone("timeout clitimeout", "timeout client"), gone("timeout contimeout", "timeout connect"), gone("timeout srvtimeout", "timeout server"),
}

// timeout builds the row of a timeout that is a field of the model.
func timeout(name string, where Where, help string, field func(*Timeouts) *time.Duration) Keyword {
	return Keyword{
		Name: "timeout " + name, Where: where, Args: "<time>", Min: 1, Max: -1, Default: "0, never", Help: help,
		parse: func(p *parser, st *statement) {
			if d, ok := p.timeoutValue(st); ok {
				*field(&p.px.px.Timeouts) = d
			}
		},
	}
}

// httpTimeout builds the row of a timeout that a TCP proxy only checks.
func httpTimeout(name string) Keyword {
	return Keyword{
		Name: "timeout " + name, Where: inProxy, Args: "<time>", Min: 1, Max: -1, Default: "0, never",
		State: NoEffect, Why: "it is for HTTP", Help: "a limit of HTTP processing",
		parse: func(p *parser, st *statement) { p.timeoutValue(st) },
	}
}

func (p *parser) timeoutValue(st *statement) (time.Duration, bool) {
	if len(st.args) > 1 && st.args[1].Text != "" {
		d := p.alert(st.args[1], "'%s': unexpected extra argument '%s' after value '%s'", st.kw.Name, st.args[1].Text, st.args[0].Text)
		d.Accepted = st.kw.synopsis()
		if _, rest, ok := timeUnit(st.args[1].Text, 0); ok && rest == "" {
			d.Suggest = st.args[0].Text + st.args[1].Text
		}
		return 0, false
	}
	return p.duration(st.args[0], st.kw.Name)
}
