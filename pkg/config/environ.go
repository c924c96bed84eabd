package config

import "strings"

// environKeywords change the environment of the lines below them.
var environKeywords = []Keyword{
	{Name: "setenv", Where: InGlobal, Args: "<name> <value>", Min: 2, Max: 2, Help: "set an environment variable",
		parse: func(p *parser, st *statement) { p.setVariable(st, true) }},
	{Name: "presetenv", Where: InGlobal, Args: "<name> <value>", Min: 2, Max: 2, Help: "set an environment variable unless it is set",
		parse: func(p *parser, st *statement) { p.setVariable(st, false) }},
	{Name: "unsetenv", Where: InGlobal, Args: "<name>...", Min: 1, Max: -1, Help: "forget environment variables",
		parse: func(p *parser, st *statement) {
			for _, w := range st.args {
				p.env.unset(w.Text)
			}
		}},
	{Name: "resetenv", Where: InGlobal, Args: "[<name>...]", Max: -1, Help: "forget all environment variables but these",
		parse: func(p *parser, st *statement) { p.env.reset(st.args) }},
}

// setVariable sets a variable; unless again is true, only if it is not set.
func (p *parser) setVariable(st *statement, again bool) {
	name, value := st.args[0], st.args[1]
	if value.Text == "" {
		p.alert(value, "'%s' expects a name and a value", st.kw.Name).Accepted = st.kw.synopsis()
		return
	}
	if strings.Contains(name.Text, "=") {
		p.alert(name, "'%s' is no name of a variable", name.Text).Accepted = "a name without '='"
		return
	}
	if _, set := p.env.get(name.Text); again || !set {
		p.env.set(name.Text, value.Text)
	}
}

// environ is the environment as the configuration changes it; the process's own
// stays as it is.
type environ struct {
	outer   func(string) (string, bool)
	changed map[string]*string // nil: unset
}

func newEnviron(outer func(string) (string, bool)) *environ {
	if outer == nil {
		outer = func(string) (string, bool) { return "", false }
	}
	return &environ{outer: outer, changed: map[string]*string{}}
}

func (e *environ) get(name string) (string, bool) {
	if v, ok := e.changed[name]; ok {
		if v == nil {
			return "", false
		}
		return *v, true
	}
	return e.outer(name)
}

func (e *environ) set(name, value string) { e.changed[name] = &value }
func (e *environ) unset(name string)      { e.changed[name] = nil }

// reset hides everything but the names to keep.
func (e *environ) reset(keep []Word) {
	kept := map[string]*string{}
	for _, w := range keep {
		if v, ok := e.get(w.Text); ok {
			kept[w.Text] = &v
		}
	}
	e.outer = func(string) (string, bool) { return "", false }
	e.changed = kept
}
