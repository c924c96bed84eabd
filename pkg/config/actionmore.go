package config

import (
	"maps"
	"slices"
	"strings"
)

func parseSetLogLevel(a *actionLine) (ActionArgs, bool) {
	w := a.take()
	levels := append(slices.Clone(logLevels[:]), "silent")
	if !slices.Contains(levels, w.Text) {
		d := a.p.alert(w, "'%s set-log-level': unknown level '%s'", a.set, w.Text)
		d.Accepted, d.Suggest = strings.Join(levels, ", "), nearest(w.Text, levels)
		return nil, false
	}
	return LevelArgs{Level: w.Text}, true
}

func parseSetNice(a *actionLine) (ActionArgs, bool) {
	w := a.take()
	if w.Text == "" {
		return a.fault(w, "expects a number")
	}
	n := min(1024, max(-1024, atol(w.Text)))
	if got, ok := cInteger(w.Text, 10); !ok || got != int64(n) {
		a.p.warn(w, "'%s' is not a valid number for 'set-nice', %d is used", w.Text, n).Accepted = "-1024 to 1024"
	}
	return NiceArgs{Nice: n}, true
}

// parseDoResolve reads "do-resolve(<variable>,<resolvers>[,<family>...])"; what
// stands between the name and the parenthesis, or behind it, is ignored.
func parseDoResolve(a *actionLine) (ActionArgs, bool) {
	_, inner, open := strings.Cut(a.name.Text, "(")
	inner, _, closed := strings.Cut(inner, ")")
	variable, rest, two := strings.Cut(inner, ",")
	if !open || !closed || !two {
		return a.fault(a.name, "a variable and the name of a resolvers section are expected")
	}
	args := ResolveArgs{Variable: variable}
	args.Resolvers, rest, _ = strings.Cut(rest, ",")
	for option := range strings.SplitSeq(rest, ",") {
		switch {
		case option == "ipv4":
			args.Family = 4
		case option == "ipv6":
			args.Family = 6
		case rest != "":
			return a.fault(a.name, "unknown option '%s'", option)
		}
	}
	var ok bool
	if args.Expr, ok = a.expr(); !ok {
		return nil, false
	}
	p, at := a.p, a.p.pos(a.name)
	p.whenUsed(func() {
		if args.Resolvers == "default" || p.resolvers[args.Resolvers] != (Pos{}) {
			return
		}
		d := p.report(Alert, at, "resolvers section '%s' not found for do-resolve", args.Resolvers)
		d.Accepted, d.Suggest = "the name of a resolvers section, 'default'", nearest(args.Resolvers, slices.Collect(maps.Keys(p.resolvers)))
	})
	return args, true
}

// parseSetBandwidth reads "set-bandwidth-limit"; the filter may be declared
// further down.
func parseSetBandwidth(a *actionLine) (ActionArgs, bool) {
	w := a.take()
	if w.Text == "" {
		return a.fault(w, "missing name of a bwlim filter")
	}
	args := BandwidthArgs{Filter: w.Text}
	ok := true
	for ok {
		switch word := a.next(); word.Text {
		case "limit":
			a.take()
			if n, _, plain := sizeOf(a.next().Text); plain {
				a.take()
				args.Limit, args.LimitExpr = int64(n), nil
				continue
			}
			args.LimitExpr, ok = a.expr()
		case "period":
			a.take()
			if d, plain := plainDuration(a.next().Text); plain {
				a.take()
				args.Period, args.PeriodExpr = d, nil
				continue
			}
			args.PeriodExpr, ok = a.expr()
		default:
			a.p.needFilter(a.p.pos(w), args)
			return args, true
		}
	}
	return nil, false
}

func parseAttach(a *actionLine) (ActionArgs, bool) {
	args := WordArgs{Words: []string{a.take().Text}}
	if a.next().Text == "name" {
		a.take()
		if a.next().Text == "" {
			return a.fault(a.next(), "missing name value")
		}
		if _, ok := a.expr(); !ok {
			return nil, false
		}
	}
	p, s, at := a.p, a.p.px, a.p.pos(a.name)
	p.whenUsed(func() {
		if s.mode != "http" {
			p.report(Alert, at, "'attach-srv' requires mode http").Accepted = "mode http"
		}
	})
	return args, true
}

// muxProtocols are the protocols that "switch-mode http" can go on with.
var muxProtocols = []string{"h1", "h2", "quic"}

func parseSwitchMode(a *actionLine) (ActionArgs, bool) {
	if a.p.section == InBackend {
		return a.fault(a.name, "not allowed because backend '%s' has no frontend capability", a.p.sectionName)
	}
	w := a.take()
	if w.Text != "http" {
		return a.fault(w, "unknown mode '%s'", w.Text)
	}
	args := ModeArgs{Mode: w.Text}
	if a.next().Text == "proto" {
		a.take()
		w = a.take()
		if args.Proto = w.Text; !slices.Contains(muxProtocols, w.Text) {
			d := a.p.alert(w, "'%s switch-mode': unknown or unfit protocol '%s'", a.set, w.Text)
			d.Accepted, d.Suggest = strings.Join(muxProtocols, ", "), nearest(w.Text, muxProtocols)
			return nil, false
		}
	}
	return args, true
}

func parseUseService(a *actionLine) (ActionArgs, bool) {
	w := a.take()
	if w.Text == "" {
		return a.fault(w, "expects the name of a service")
	}
	a.p.alert(w, "'%s use-service': unknown service '%s'", a.set, w.Text).Accepted = "none: scripts bring services, and there are none here"
	return nil, false
}

// namedGroup builds the parser of an action that names a filter of the proxy and
// a group in the file of that.
func namedGroup(kind string) func(*actionLine) (ActionArgs, bool) {
	return func(a *actionLine) (ActionArgs, bool) {
		engine, group := a.take(), a.take()
		if engine.Text == "" || group.Text == "" || group.Text == "if" || group.Text == "unless" {
			return a.fault(engine, "two names are expected")
		}
		if w := a.next(); w.Text != "" && w.Text != "if" && w.Text != "unless" {
			return a.fault(w, "two names are expected, got '%s' too", w.Text)
		}
		p, s, at := a.p, a.p.px, a.p.pos(engine)
		p.whenUsed(func() {
			if !slices.Contains(s.rules.filters, kind) {
				p.report(Alert, at, "unable to find the %s filter '%s'", kind, engine.Text).Accepted = "a 'filter " + kind + "' line"
			}
		})
		return WordArgs{Words: []string{engine.Text, group.Text}}, true
	}
}
