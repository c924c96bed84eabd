package config

import (
	"slices"
	"strings"
)

// Area is one table of the reference: what is written in one place.
type Area struct {
	Name  string // "global", "proxy", "bind", "fetch", ...
	Title string
	Rows  []Row // sorted by name
}

// Row is what the reference tells of a keyword, fetch, converter, action or
// variable.
type Row struct {
	Name    string
	Where   string // the sections or rule sets that take it, where that differs within the area
	Args    string // synopsis; for fetches and converters with the types of what goes in and out
	Default string
	No      bool // takes the prefix "no"
	Reset   bool // takes the prefix "default"
	State   State
	Why     string // reason for NoEffect and Refused
	Since   string // version of HAProxy that brought it, if later than the one spoken here
	Help    string
}

// keywordAreas are the areas that the keyword tables fill.
var keywordAreas = []struct {
	name, title string
	where       Where
	mixed       bool // rows differ in where they are valid
}{
	{"directive", "Directives", Directive, false},
	{"section", "Sections", SectionHeader, false},
	{"global", "Section global", InGlobal, false},
	{"proxy", "Sections defaults, frontend, listen and backend", inProxy, true},
	{"bind", "Options of bind", BindOption, false},
	{"stats socket", "Options of stats socket that differ from those of bind", SocketOption, false},
	{"server", "Options of server, default-server and server-template", ServerOption, false},
	{"log", "Options of log", LogOption, false},
	{"peers", "Section peers", InPeers, false},
	{"resolvers", "Section resolvers", InResolvers, false},
	{"userlist", "Section userlist", InUserlist, false},
	{"mailers", "Section mailers", InMailers, false},
	{"ring", "Section ring", InRing, false},
	{"log-forward", "Section log-forward", InLogForward, false},
	{"crt-store", "Section crt-store", InCrtStore, false},
}

// Reference returns all that the language has, by area; docs/configuration.md is
// made of it.
func Reference() []Area {
	all := Keywords()
	var areas []Area
	for _, a := range keywordAreas {
		area := Area{Name: a.name, Title: a.title}
		for _, kw := range all {
			if kw.Where&a.where != 0 {
				area.Rows = append(area.Rows, kw.row(a.mixed))
			}
		}
		areas = append(areas, area)
	}
	areas = append(areas, actionArea(),
		sampleArea("fetch", "Sample fetches", Fetches()), sampleArea("converter", "Converters", Converters()), variableArea())
	for _, a := range areas {
		slices.SortStableFunc(a.Rows, func(x, y Row) int { return strings.Compare(x.Name, y.Name) })
	}
	return areas
}

func (kw *Keyword) row(mixed bool) Row {
	r := Row{Name: kw.Name, Args: kw.Args, Default: kw.Default, No: kw.No, Reset: kw.No && kw.Max != 0, State: kw.State, Why: kw.Why, Since: kw.Since, Help: kw.Help}
	if mixed {
		r.Where = (kw.Where & sectionKeyword).String()
		if kw.Named {
			r.Where = strings.Replace(r.Where, "defaults", "named defaults", 1)
		}
	}
	return r
}

func actionArea() Area {
	area := Area{Name: "action", Title: "Actions of tcp-request and tcp-response"}
	for _, a := range Actions() {
		names, args := []string{a.Name}, a.Args
		switch {
		case args == "layer4": // the manual's name of the action
			names, args = []string{a.Name + " layer4"}, ""
		case a.Name == "track-sc":
			names, args = []string{"track-sc0", "track-sc1", "track-sc2"}, strings.TrimPrefix(args, "<number> ")
		}
		for _, name := range names {
			area.Rows = append(area.Rows, Row{Name: name, Where: a.Sets.String(), Args: args, State: a.State, Why: a.Why, Since: a.Since, Help: a.Help})
		}
	}
	return area
}

func sampleArea(name, title string, rows []SampleRow) Area {
	area := Area{Name: name, Title: title}
	for _, s := range rows {
		args := s.Out.String()
		if s.Converter {
			args = s.In.String() + " -> " + args
		}
		if s.Args != "" {
			args = "(" + s.Args + ") " + args
		}
		area.Rows = append(area.Rows, Row{Name: s.Name, Args: args, State: s.State, Why: s.Why, Since: s.Since, Help: s.Help})
	}
	return area
}

func variableArea() Area {
	area := Area{Name: "log variable", Title: "Log variables"}
	for _, v := range LogVariables() {
		area.Rows = append(area.Rows, Row{Name: "%" + v.Name, State: v.State, Why: v.Why, Help: v.Help})
	}
	return area
}
