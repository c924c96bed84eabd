package config

import (
	"maps"
	"slices"
	"strings"
	"sync"
)

// Where tells in which places a keyword is valid.
type Where uint

// The places. A section keyword combines those that start with In; an option of
// another keyword has exactly one of the rest.
const (
	InGlobal Where = 1 << iota
	InDefaults
	InFrontend
	InListen
	InBackend
	InPeers
	InResolvers
	InUserlist
	InMailers
	InRing
	InLogForward
	InCrtStore
	InProgram
	InCache
	InHTTPErrors
	InFcgiApp
	BindOption
	ServerOption
	SocketOption // of "stats socket"
	LogOption
	Directive     // ".if" and its relatives: valid everywhere
	SectionHeader // starts a section

	inFront = InDefaults | InFrontend | InListen
	inBack  = InDefaults | InListen | InBackend
	inProxy = inFront | inBack

	// sectionKeyword are the places of lines, as opposed to options on a line.
	sectionKeyword = InGlobal | inProxy | InPeers | InResolvers | InUserlist | InMailers | InRing | InLogForward | InCrtStore |
		InProgram | InCache | InHTTPErrors | InFcgiApp
)

var whereNames = []string{
	"global", "defaults", "frontend", "listen", "backend",
	"peers", "resolvers", "userlist", "mailers", "ring", "log-forward", "crt-store",
	"program", "cache", "http-errors", "fcgi-app",
	"bind", "server", "stats socket", "log", "anywhere", "between sections",
}

// String lists the places, parted by ", ".
func (w Where) String() string {
	var names []string
	for i, name := range whereNames {
		if w&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// State tells what this version does with a keyword.
type State int

// The states.
const (
	Done     State = iota
	NoEffect       // accepted with a warning, Why says why it does nothing
	Pending        // judged and kept like the others, but not acted on yet: an alert
	Refused        // will not be supported, Why says why: an alert
)

// String returns the word used in the reference.
func (s State) String() string {
	return [...]string{"done", "no effect", "not supported yet", "refused"}[s]
}

// Keyword is one row of the keyword tables: everything that parser, help,
// completion and reference need to know.
type Keyword struct {
	Name    string // one or two words: "maxconn", "timeout client"
	Where   Where
	Args    string // synopsis: "<number>", "[<text>]", empty when there are none
	Min     int    // fewest arguments
	Max     int    // most arguments; -1: any number
	Default string // what holds when the keyword is absent
	State   State
	Why     string // reason for NoEffect and Refused
	No      bool   // accepts the prefixes "no" and "default"
	Named   bool   // in defaults sections it needs one with a name
	Strict  bool   // in a section without the needed role it is an alert, not a warning
	Since   string // version of HAProxy's language that brought it, if later than the one spoken here
	Help    string // one sentence without a full stop

	parse   func(*parser, *statement)
	bind    func(*parser, *bindLine, option)   // of a BindOption or SocketOption
	server  func(*parser, *serverLine, option) // of a ServerOption
	paren   bool                               // its second word has an argument in parentheses
	takes   func(words []Word) int             // of an option: how many of the words behind it are its own, nil: as many as Max allows
	instead string                             // what to write in place of a Refused keyword
}

// Keywords returns the rows of all tables, sorted by name, then by place.
func Keywords() []Keyword {
	all := slices.Concat(tables()...)
	slices.SortStableFunc(all, func(a, b Keyword) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return int(a.Where) - int(b.Where)
	})
	return all
}

// index finds the row of a keyword.
type index struct {
	spaces map[Where]*names // what can stand in sections that share their keywords
	bind   map[string]*Keyword
	server map[string]*Keyword
	socket map[string]*Keyword
	starts map[Where][]string // what can start a line of a section, section keywords included
	done   map[Where]string   // the supported keywords of a section, for messages
}

// names are the keywords of one kind of section.
type names struct {
	single map[string]*Keyword            // of one word
	double map[string]map[string]*Keyword // first word -> second word -> row
}

// spaces lists the sections that share their keywords: one name may mean different
// things in global, in the proxy sections and in each of the others.
var spaces = []Where{InGlobal, inProxy, InPeers, InResolvers, InUserlist, InMailers, InRing, InLogForward, InCrtStore,
	InProgram, InCache, InHTTPErrors, InFcgiApp}

// sharedIndex builds the index once; nothing changes it afterwards.
var sharedIndex = sync.OnceValue(newIndex)

func newIndex() *index {
	x := &index{
		spaces: map[Where]*names{}, bind: map[string]*Keyword{}, server: map[string]*Keyword{}, socket: map[string]*Keyword{},
		starts: map[Where][]string{}, done: map[Where]string{},
	}
	for _, space := range spaces {
		x.spaces[space] = &names{single: map[string]*Keyword{}, double: map[string]map[string]*Keyword{}}
	}
	for _, table := range tables() {
		for i := range table {
			x.add(&table[i])
		}
	}
	for name, kw := range x.bind {
		if x.socket[name] == nil {
			x.socket[name] = kw // a stats socket is a listener too
		}
	}
	for bit := InGlobal; bit <= InFcgiApp; bit <<= 1 {
		x.starts[bit] = append(x.collect(bit), sectionNames()...)
		names := doneNames(bit)
		if len(names) == 0 {
			names = slices.Sorted(slices.Values(x.collect(bit)))
		}
		x.done[bit] = strings.Join(names, ", ")
	}
	return x
}

func (x *index) add(kw *Keyword) {
	switch {
	case kw.Where&BindOption != 0:
		x.bind[kw.Name] = kw
	case kw.Where&ServerOption != 0:
		x.server[kw.Name] = kw
	case kw.Where&SocketOption != 0:
		x.socket[kw.Name] = kw
	}
	for _, space := range spaces {
		if kw.Where&space != 0 {
			x.spaces[space].add(kw)
		}
	}
}

func (n *names) add(kw *Keyword) {
	first, second, two := strings.Cut(kw.Name, " ")
	if !two {
		n.single[first] = kw
		return
	}
	if n.double[first] == nil {
		n.double[first] = map[string]*Keyword{}
	}
	n.double[first][second] = kw
}

// space returns the keywords of a section.
func (x *index) space(section Where) *names {
	for _, space := range spaces {
		if section&space != 0 {
			return x.spaces[space]
		}
	}
	return &names{}
}

// find returns the row for a line that starts with first and second in the
// given section. family reports that first begins keywords of two words.
func (x *index) find(section Where, first, second string) (kw *Keyword, family map[string]*Keyword) {
	n := x.space(section)
	if family = n.double[first]; family != nil {
		if kw = family[second]; kw != nil {
			return kw, family
		}
		if kw = family[optionName(second)]; kw != nil && kw.paren {
			return kw, family
		}
	}
	return n.single[first], family
}

// elsewhere tells in which sections a keyword is known.
func (x *index) elsewhere(name string) (where Where) {
	for _, space := range spaces {
		n := x.spaces[space]
		if kw := n.single[name]; kw != nil {
			where |= kw.Where & sectionKeyword
		}
		for _, kw := range n.double[name] {
			where |= kw.Where & sectionKeyword
		}
	}
	return where
}

// names returns the words that can start a line while a section is open.
func (x *index) names(section Where) []string { return x.starts[section] }

// doneNames lists the first words of what a section supports; if there is nothing
// yet, of what it will.
func doneNames(section Where) []string {
	var done, pending []string
	for _, table := range tables() {
		for i := range table {
			kw := &table[i]
			first, _, _ := strings.Cut(kw.Name, " ")
			switch {
			case kw.Where&section == 0:
			case kw.State == Done:
				done = append(done, first)
			case kw.State == Pending:
				pending = append(pending, first)
			}
		}
	}
	if done == nil {
		done = pending
	}
	slices.Sort(done)
	return slices.Compact(done)
}

// collect lists the keywords of a section, the first word of those with two.
func (x *index) collect(section Where) []string {
	n := x.space(section)
	return slices.AppendSeq(slices.Collect(maps.Keys(n.single)), maps.Keys(n.double))
}

func keys(m map[string]*Keyword) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
