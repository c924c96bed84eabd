package config

import (
	"slices"
	"strings"
	"sync"
)

// Where tells in which places a keyword is valid.
type Where uint

// The places. A section keyword combines the first five; an option of another
// keyword has exactly one of the rest.
const (
	InGlobal Where = 1 << iota
	InDefaults
	InFrontend
	InListen
	InBackend
	BindOption
	ServerOption
	SocketOption // of "stats socket"
	LogOption
	Directive     // ".if" and its relatives: valid everywhere
	SectionHeader // starts a section

	inFront = InDefaults | InFrontend | InListen
	inBack  = InDefaults | InListen | InBackend
	inProxy = inFront | inBack
)

var whereNames = []string{
	"global", "defaults", "frontend", "listen", "backend",
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
	Pending        // HAProxy knows it, this version does not yet: an alert
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
	Help    string // one sentence without a full stop

	parse   func(*parser, *statement)
	bind    func(*parser, *bindLine, Word)
	server  func(*parser, *serverLine, Word)
	socket  func(*parser, *StatsSocket, Word)
	instead string // what to write in place of a Refused keyword
}

// Keywords returns the rows of all tables, sorted by name, then by place.
func Keywords() []Keyword {
	all := sectionKeywords()
	for _, table := range tables() {
		all = append(all, table...)
	}
	slices.SortStableFunc(all, func(a, b Keyword) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return int(a.Where) - int(b.Where)
	})
	return all
}

func tables() [][]Keyword {
	return [][]Keyword{
		globalKeywords, statsKeywords, environKeywords, proxyKeywords, optionKeywords,
		timeoutKeywords, logKeywords, bindKeywords, bindOptions, serverKeywords,
		serverOptions, socketOptions, logOptions, directives, knownKeywords(),
	}
}

// index finds the row of a keyword.
type index struct {
	single map[string]*Keyword            // section keywords of one word
	double map[string]map[string]*Keyword // first word -> second word -> row
	bind   map[string]*Keyword
	server map[string]*Keyword
	socket map[string]*Keyword
	starts map[Where][]string // what can start a line of a section, section keywords included
	done   map[Where]string   // the supported keywords of a section, for messages
}

const sectionKeyword = InGlobal | inProxy

// sharedIndex builds the index once; nothing changes it afterwards.
var sharedIndex = sync.OnceValue(newIndex)

func newIndex() *index {
	x := &index{
		single: map[string]*Keyword{}, double: map[string]map[string]*Keyword{},
		bind: map[string]*Keyword{}, server: map[string]*Keyword{}, socket: map[string]*Keyword{},
	}
	for _, table := range tables() {
		for i := range table {
			x.add(&table[i])
		}
	}
	x.starts, x.done = map[Where][]string{}, map[Where]string{}
	for _, section := range []Where{InGlobal, InDefaults, InFrontend, InListen, InBackend} {
		x.starts[section] = append(x.collect(section), sectionNames()...)
		x.done[section] = strings.Join(doneNames(section), ", ")
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
	case kw.Where&sectionKeyword != 0:
		x.addSection(kw)
	}
}

// addSection enters a section keyword. One name may have two rows (global and
// proxy sections): the key of the global one is marked.
func (x *index) addSection(kw *Keyword) {
	name := kw.Name
	if kw.Where&InGlobal != 0 {
		x.addName(globalMark+name, kw)
	}
	if kw.Where&inProxy != 0 {
		x.addName(name, kw)
	}
}

const globalMark = "global "

func (x *index) addName(name string, kw *Keyword) {
	mark := ""
	if strings.HasPrefix(name, globalMark) {
		mark, name = globalMark, name[len(globalMark):]
	}
	first, second, two := strings.Cut(name, " ")
	if !two {
		x.single[mark+name] = kw
		return
	}
	if x.double[mark+first] == nil {
		x.double[mark+first] = map[string]*Keyword{}
	}
	x.double[mark+first][second] = kw
}

// find returns the row for a line that starts with first and second in the
// given section. family reports that first begins keywords of two words.
func (x *index) find(section Where, first, second string) (kw *Keyword, family map[string]*Keyword) {
	if section == InGlobal {
		first = globalMark + first
	}
	if family = x.double[first]; family != nil {
		if kw = family[second]; kw != nil {
			return kw, family
		}
	}
	return x.single[first], family
}

// names returns the words that can start a line while a section is open.
func (x *index) names(section Where) []string { return x.starts[section] }

// doneNames lists the first words of what a section supports.
func doneNames(section Where) []string {
	var names []string
	for _, table := range tables() {
		for i := range table {
			if kw := &table[i]; kw.Where&section != 0 && kw.State == Done {
				first, _, _ := strings.Cut(kw.Name, " ")
				names = append(names, first)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// collect lists the keywords of a section, the first word of those with two.
func (x *index) collect(section Where) []string {
	var names []string
	take := func(key string) {
		name, global := strings.CutPrefix(key, globalMark)
		if global == (section == InGlobal) {
			names = append(names, name)
		}
	}
	for key := range x.single {
		take(key)
	}
	for key := range x.double {
		take(key)
	}
	return names
}

func keys(m map[string]*Keyword) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// maxCandidates bounds the work for one suggestion.
const maxCandidates = 2000

// nearest returns the candidate with the smallest edit distance to word, or ""
// when none is near enough to be a slip of the fingers.
func nearest(word string, candidates []string) string {
	best, limit := "", min(2, len(word)/2)
	if len(candidates) > maxCandidates {
		return ""
	}
	for _, c := range candidates {
		d := distance(word, c, limit)
		if d < 0 || d == limit && best != "" && best < c {
			continue
		}
		best, limit = c, d
	}
	return best
}

// distance counts the insertions, deletions, replacements and swaps of
// neighbours that turn a into b; -1 when there are more than limit.
func distance(a, b string, limit int) int {
	if diff := len(a) - len(b); diff > limit || -diff > limit {
		return -1
	}
	var rows [3][64]int
	before, prev, row := &rows[0], &rows[1], &rows[2]
	if len(b) >= len(row) {
		return -1
	}
	for j := range len(b) + 1 {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, prev, row = prev, row, before
	}
	if d := prev[len(b)]; d <= limit {
		return d
	}
	return -1
}
