package config

import (
	"regexp/syntax"
	"strings"
)

// The sections of this file are refused, but their lines are judged: whoever
// brings a file along learns at once what else is wrong with it.

const (
	whyProgram = "programs are started by unit files"
	whyHTTP    = "this is a TCP proxy"
)

// foreign is a row of a refused section.
func foreign(where Where, why, name, args string, least, most int, help string, parse func(*parser, *statement)) Keyword {
	return Keyword{Name: name, Where: where, Args: args, Min: least, Max: most, State: Refused, Why: why, Help: help, parse: parse}
}

// programKeywords are the lines of section program (manual, section 3.5).
var programKeywords = []Keyword{
	foreign(InProgram, whyProgram, "command", "<command> [<argument>...]", 1, -1, "what is started",
		func(p *parser, _ *statement) { p.px.done = true }),
	foreign(InProgram, whyProgram, "user", "<name>", 1, 1, "user that it runs as", nil),
	foreign(InProgram, whyProgram, "group", "<name>", 1, 1, "group that it runs as", nil),
	withNo(foreign(InProgram, whyProgram, "option", "start-on-reload", 1, 2, "start it anew at a reload", parseProgramOption)),
}

func withNo(kw Keyword) Keyword {
	kw.No = true
	return kw
}

// beginNeeding starts a section that must have a certain line, which sets
// section.done; missing is the alert about its absence.
func (p *parser) beginNeeding(name Word, missing, accepted string) {
	at := p.pos(name)
	p.pseudoProxy(name)
	s := p.px
	p.atEnd(func() {
		if !s.done {
			p.report(Alert, at, missing, name.Text).Accepted = accepted
		}
	})
}

func beginProgram(p *parser, name Word) {
	p.beginNeeding(name, "program '%s' has no command", "command <command> [<argument>...]")
	at := p.pos(name)
	p.atEnd(func() {
		if !p.cfg.Global.MasterWorker {
			p.report(Alert, at, "section 'program' needs the master-worker mode").Accepted = "'master-worker' in section global"
		}
	})
}

func parseProgramOption(p *parser, st *statement) {
	if !p.oneOf(st.args[0], "option", []string{"start-on-reload"}) {
		return
	}
	if len(st.args) > 1 {
		p.alert(st.args[1], "'option start-on-reload' cannot handle unexpected argument '%s'", st.args[1].Text).Accepted = "option start-on-reload"
	}
}

// cacheKeywords are the lines of section cache (manual, section 6.2).
var cacheKeywords = []Keyword{
	foreign(InCache, whyHTTP, "total-max-size", "<megabytes>", 0, 1, "size of the cache", parseCacheSize),
	foreign(InCache, whyHTTP, "max-age", "<seconds>", 0, 1, "longest time that an object is kept", nil),
	foreign(InCache, whyHTTP, "max-object-size", "<bytes>", 0, 1, "largest object", parsePositive),
	foreign(InCache, whyHTTP, "process-vary", "on|off", 0, 1, "heed the header Vary", nil),
	foreign(InCache, whyHTTP, "max-secondary-entries", "<number>", 0, 1, "variants of an object", parsePositive),
}

func beginCache(p *parser, name Word) {
	p.beginNeeding(name, "cache '%s' has no size", "total-max-size 1 to 4095")
}

func parseCacheSize(p *parser, st *statement) {
	w := st.arg(0)
	n := atol(w.Text)
	if !wholeNumber(w.Text) || n < 1 || n > 4095 {
		p.alert(w, "'total-max-size' must be between 1 and 4095 (was '%s')", w.Text).Accepted = "1 to 4095"
	}
	p.px.done = true
}

func parsePositive(p *parser, st *statement) {
	if w := st.arg(0); !wholeNumber(w.Text) || w.Text[0] == '-' || atol(w.Text) == 0 && st.kw.Name != "max-object-size" {
		p.alert(w, "'%s' expects a number, got '%s'", st.kw.Name, w.Text).Accepted = "1 to 2147483647"
	}
}

// httpErrorsKeywords are the lines of section http-errors (manual, section 3.6).
var httpErrorsKeywords = []Keyword{
	foreign(InHTTPErrors, whyHTTP, "errorfile", "<code> <file>", 2, -1, "file of an error page", parseErrorStatus),
}

// fcgiKeywords are the lines of section fcgi-app (manual, section 10.1).
var fcgiKeywords = []Keyword{
	foreign(InFcgiApp, whyHTTP, "docroot", "<path>", 1, -1, "root of the scripts", func(p *parser, _ *statement) { p.px.done = true }),
	foreign(InFcgiApp, whyHTTP, "index", "<file>", 1, -1, "script of a directory", nil),
	foreign(InFcgiApp, whyHTTP, "log-stderr", "global | <address> <facility>", 1, -1, "where error output goes", parseLog),
	withNo(foreign(InFcgiApp, whyHTTP, "option", "<option>", 1, -1, "a setting", parseFcgiOption)),
	foreign(InFcgiApp, whyHTTP, "path-info", "<regex>", 1, -1, "how a path is taken apart", parsePathInfo),
	foreign(InFcgiApp, whyHTTP, "pass-header", "<name> [if|unless <condition>]", 1, -1, "a header to pass on", nil),
	foreign(InFcgiApp, whyHTTP, "set-param", "<name> <format> [if|unless <condition>]", 2, -1, "a parameter", nil),
	foreign(InFcgiApp, whyHTTP, "acl", "<name> <criterion> [<value>...]", 2, -1, "a named condition", nil),
}

func beginFcgiApp(p *parser, name Word) {
	p.beginNeeding(name, "fcgi-app '%s' has no docroot", "docroot <path>")
}

func parseFcgiOption(p *parser, st *statement) {
	w := st.args[0]
	if !p.oneOf(w, "option", []string{"keep-conn", "get-values", "mpxs-conns", "max-reqs"}) || w.Text != "max-reqs" {
		return
	}
	if n := st.arg(1); atol(n.Text) <= 0 {
		p.alert(n, "'option max-reqs' expects a positive number, got '%s'", n.Text).Accepted = "1 to 2147483647"
	}
}

func parsePathInfo(p *parser, st *statement) {
	if _, err := syntax.Parse(st.args[0].Text, syntax.Perl); err != nil && strings.Contains(err.Error(), "missing") {
		p.alert(st.args[0], "'%s' is not a regular expression: %v", st.args[0].Text, err).Accepted = "a regular expression"
	}
}
