package config

import (
	"slices"
	"strings"
)

// Area is one table of the reference: the rows that are written in one place.
type Area struct {
	Name  string // "global", "proxy", "bind", "fetch", ...
	Title string
	Rows  []Keyword // sorted by name
}

// Reference returns all that the language has, by area; docs/configuration.md is
// made of it.
func Reference() []Area {
	all := Keywords()
	areas := []Area{
		{Name: "directive", Title: "Directives"},
		{Name: "section", Title: "Sections"},
		{Name: "global", Title: "Section global"},
		{Name: "proxy", Title: "Sections defaults, frontend, listen and backend"},
		{Name: "bind", Title: "Options of bind and stats socket"},
		{Name: "server", Title: "Options of server, default-server and server-template"},
		{Name: "log", Title: "Options of log"},
		{Name: "peers", Title: "Section peers"},
		{Name: "resolvers", Title: "Section resolvers"},
		{Name: "userlist", Title: "Section userlist"},
		{Name: "mailers", Title: "Section mailers"},
		{Name: "ring", Title: "Section ring"},
		{Name: "log-forward", Title: "Section log-forward"},
		{Name: "crt-store", Title: "Section crt-store"},
	}
	places := map[string]Where{
		"directive": Directive, "section": SectionHeader, "global": InGlobal, "proxy": inProxy,
		"bind": BindOption, "server": ServerOption, "log": LogOption,
		"peers": InPeers, "resolvers": InResolvers, "userlist": InUserlist, "mailers": InMailers,
		"ring": InRing, "log-forward": InLogForward, "crt-store": InCrtStore,
	}
	for i := range areas {
		for _, kw := range all {
			if kw.Where&places[areas[i].Name] != 0 {
				areas[i].Rows = append(areas[i].Rows, kw)
			}
		}
	}
	return areas
}

// Find returns the row of the area for a name, or nil. A name of several words is
// also found under its first one: "http-check expect" under "http-check".
func (a Area) Find(name string) *Keyword {
	first, _, _ := strings.Cut(name, " ")
	for _, n := range []string{name, first} {
		i, ok := slices.BinarySearchFunc(a.Rows, n, func(kw Keyword, n string) int { return strings.Compare(kw.Name, n) })
		if ok {
			return &a.Rows[i]
		}
	}
	return nil
}
