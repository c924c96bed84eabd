package config

// httpOptions are the "option" lines and the "stats" lines that are for HTTP.
var httpOptions = []Keyword{
	httpFlag("accept-invalid-http-request", inFront), httpFlag("disable-h2-upgrade", inFront), httpFlag("h1-case-adjust-bogus-client", inFront),
	httpFlag("http-ignore-probes", inFront), httpFlag("http-use-proxy-header", inFront), httpFlag("idle-close-on-response", inFront),
	httpFlag("accept-invalid-http-response", inBack), httpFlag("checkcache", inBack), httpFlag("h1-case-adjust-bogus-server", inBack),
	httpFlag("http-pretend-keepalive", inBack), httpFlag("http-buffer-request", inProxy), httpFlag("http-no-delay", inProxy),
	httpFlag("httpclose", inProxy), httpFlag("http-server-close", inProxy), httpFlag("http-keep-alive", inProxy),
	forHTTP(Keyword{Name: "option forwardfor", Where: inProxy, Args: "[except <network>] [header <name>] [if-none]", Max: -1,
		Help: "header with the address of the client", parse: parseForwardFor}),
	forHTTP(Keyword{Name: "option originalto", Where: inProxy, Args: "[except <network>] [header <name>]", Max: -1,
		Help: "header with the address that the client asked for", parse: parseForwardFor}),
	forHTTP(Keyword{Name: "option forwarded", Where: inBack, Args: "[proto] [host | host-expr <expression>] [by ...] [for ...]", Max: -1, No: true,
		Help: "header of RFC 7239", parse: parseForwarded}),
	forHTTP(Keyword{Name: "option http-restrict-req-hdr-names", Where: inProxy, Args: "preserve | delete | reject", Min: 1, Max: 1,
		Help: "headers with unusual names", parse: choice("preserve", "delete", "reject")}),

	statsPage("admin", inProxy&^InDefaults, "if | unless <condition>", 0, "who may change servers", parseStatsAdmin),
	statsPage("auth", inProxy, "<user>[:<password>]", 1, "an account", parseStatsAuth),
	statsPage("enable", inProxy, "", 0, "serve the page", nil),
	statsPage("hide-version", inProxy, "", 0, "do not show the version", nil),
	statsPage("http-request", inProxy&^InDefaults, "allow | deny | auth [realm <realm>] [if | unless <condition>]", 0, "who may see the page", parseStatsRule),
	statsPage("realm", inProxy, "<realm>", 1, "realm of the accounts", parseStatsAuth),
	statsPage("refresh", inProxy, "<time>", 1, "time between updates", parseStatsRefresh),
	statsPage("scope", inProxy, "<proxy>", 1, "proxies that are shown", nil),
	statsPage("show-desc", inProxy, "[<text>]", 0, "show a description", nil),
	statsPage("show-legends", inProxy, "", 0, "show more about each proxy", nil),
	statsPage("show-modules", inProxy, "", 0, "show counters of modules", nil),
	statsPage("show-node", inProxy, "[<name>]", 0, "show the name of the node", nil),
	statsPage("uri", inProxy, "<prefix>", 1, "path of the page", nil),
	{Name: "stats show-version", Where: inProxy, Max: -1, State: Refused, Since: "3.3", Help: "show the version"},
}

func httpFlag(name string, where Where) Keyword {
	return idleFlag(name, where, "it is for HTTP", "a switch of HTTP processing")
}

const noStatsPage = "the statistics page is not served by this version yet"

// statsPage builds the row of a line about the statistics page.
func statsPage(name string, where Where, args string, least int, help string, parse func(*parser, *statement)) Keyword {
	return Keyword{
		Name: "stats " + name, Where: where, Args: args, Min: least, Max: -1, Help: "statistics page: " + help,
		State: NoEffect, Why: noStatsPage,
		parse: func(p *parser, st *statement) {
			p.px.stats = true
			if parse != nil {
				parse(p, st)
			}
		},
	}
}

func parseStatsAdmin(p *parser, st *statement) { p.requireCondition(st.args, st, PlaceFrontHeader) }

func parseStatsRefresh(p *parser, st *statement) { p.duration(st.args[0], st.kw.Name) }

func parseStatsAuth(p *parser, _ *statement) { p.px.statsAuth = true }

func parseStatsRule(p *parser, st *statement) {
	p.px.statsRule = p.pos(st.name[1])
	p.httpAction(st, requestActions)
}

// parseForwardFor reads "option forwardfor" and "option originalto".
func parseForwardFor(p *parser, st *statement) {
	for i := 0; i < len(st.args); i++ {
		switch w := st.args[i]; {
		case w.Text == "":
			return
		case w.Text == "except":
			if i++; !p.exceptArgument(st.arg(i), st.kw.Name) {
				return
			}
		case w.Text == "header":
			if i++; i >= len(st.args) || st.args[i].Text == "" {
				p.alert(st.arg(i), "'%s header' expects a name", st.kw.Name).Accepted = st.kw.synopsis()
				return
			}
		case w.Text == "if-none" && st.kw.Name == "option forwardfor":
		default:
			p.alert(w, "'%s' does not take '%s'", st.kw.Name, w.Text).Accepted = st.kw.synopsis()
			return
		}
	}
}

// parseForwarded reads "option forwarded"; a word that ends in "-expr" takes a
// sample expression.
func parseForwarded(p *parser, st *statement) {
	if st.reset {
		p.alert(st.name[0], "negation/default is not supported for '%s'", st.kw.Name).Accepted = "no option forwarded"
		return
	}
	if p.section == InFrontend || st.no {
		return
	}
	for words := st.args; len(words) > 0 && words[0].Text != ""; {
		w := words[0]
		words = words[1:]
		switch w.Text {
		case "proto", "host", "by", "by_port", "for", "for_port":
		case "host-expr", "by-expr", "by_port-expr", "for-expr", "for_port-expr":
			if len(words) == 0 || words[0].Text == "" {
				p.alert(wordAfter(w), "'%s' expects an expression", w.Text).Accepted = st.kw.synopsis()
				return
			}
			words = words[1:]
		default:
			p.alert(w, "'option forwarded' does not take '%s'", w.Text).Accepted = st.kw.synopsis()
			return
		}
	}
}
