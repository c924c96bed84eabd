package config

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// refer has a reference to another section judged when all lines are known.
func (p *parser) refer(arg Arg, at Word, what string) {
	if arg.Type == ArgString || arg.Type == ArgRegex || p.px == nil || p.section == InDefaults {
		return
	}
	pos, from := p.pos(at), p.px
	p.atEnd(func() {
		if from.px.Disabled {
			return
		}
		msg, names := "", map[string]*section(nil)
		switch arg.Type {
		case ArgFrontend:
			msg, names = p.findProxy(arg.Text, from, p.frontend, Kind.HasFrontend, "frontend"), p.frontend
		case ArgBackend:
			msg, names = p.findProxy(arg.Text, from, p.backend, Kind.HasBackend, "backend"), p.backend
		case ArgServer:
			msg, names = p.findServer(arg.Text, from), p.backend
		case ArgUserlist:
			if _, ok := p.userlists[arg.Text]; !ok {
				msg = "unable to find userlist '" + arg.Text + "'"
			}
		case ArgTable:
			if p.tables[cmp.Or(arg.Text, from.px.Name)] == nil {
				msg = "unable to find stick-table '" + cmp.Or(arg.Text, from.px.Name) + "'"
			}
		default:
			return
		}
		if msg == "" {
			return
		}
		d := p.report(Alert, pos, "%s: %s", what, msg)
		d.Accepted = "the name of " + article(string(arg.Type))
		if len(names) < maxCandidates {
			d.Suggest = nearest(arg.Text, slices.Collect(maps.Keys(names)))
		}
	})
}

func article(noun string) string {
	switch noun {
	case "server":
		return "a server, or <backend>/<server>"
	case "table":
		return "a section with a 'stick-table' line, or a table of a peers section"
	}
	return "a " + noun + " section"
}

// findProxy looks for a section by name; without a name it is the one of the line.
func (p *parser) findProxy(name string, from *section, named map[string]*section, role func(Kind) bool, what string) string {
	if name == "" && role(from.px.Kind) || name != "" && named[name] != nil {
		return ""
	}
	if name == "" {
		name = from.px.Name
	}
	return "unable to find " + what + " '" + name + "'"
}

// findServer looks for "server" or "backend/server".
func (p *parser) findServer(name string, from *section) string {
	backend, server, split := strings.Cut(name, "/")
	if !split {
		backend, server = "", name
	}
	px := from
	if split {
		if px = p.backend[backend]; px == nil {
			return "unable to find proxy '" + backend + "'"
		}
	}
	if server == "" {
		return "missing server name"
	}
	if _, ok := px.serverLines[server]; !ok {
		return "unable to find server '" + server + "' in proxy '" + px.px.Name + "'"
	}
	return ""
}
