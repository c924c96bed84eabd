package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/go-multierror"
)

// Options are what Parse needs besides the text.
type Options struct {
	// Getenv resolves environment variables, as os.LookupEnv does; nil: none is set.
	Getenv func(name string) (string, bool)
	// Hostname stands in for a "log-send-hostname" line without a name; "": unknown.
	Hostname string
	// ZeroWarning makes a warning refuse the configuration, as "zero-warning" does.
	ZeroWarning bool
	// Diag is diagnostic mode: ".diag" lines are passed on.
	Diag bool
	// Maxconn is the limit of frontends that set none; 0: that of global.
	Maxconn int
	// LocalPeer is the name of this process in peers sections; "": Hostname.
	LocalPeer string
	// ReadFile and ReadDir give access to the files that lines name, as os.ReadFile
	// and the names of os.ReadDir do; nil: what is in files is not judged.
	ReadFile func(name string) ([]byte, error)
	ReadDir  func(name string) ([]string, error)
	// Record, unless nil, receives the lines as they were understood; see Dump.
	Record *Record
}

// Parse reads sources in order as one configuration. It goes through to the end
// whatever it finds: err is a *multierror.Error whose errors are *Diagnostic
// alerts sorted by position (errors.As reaches them), and the warnings are
// returned even then. The Config is nil exactly when err is not.
func Parse(sources []Source, opt Options) (*Config, []*Diagnostic, error) {
	p := newParser(sources, opt)
	for i, src := range sources {
		p.order[src.Name] = i
		p.parseSource(src)
	}
	for _, s := range p.sections {
		if !s.px.Disabled {
			p.checkFormats(s)
		}
	}
	for _, judge := range p.later {
		judge()
	}
	p.check()
	p.checkZeroWarning()
	alerts, warnings := p.sorted()
	if len(alerts) == 0 {
		return p.cfg, warnings, nil
	}
	err := &multierror.Error{ErrorFormat: listErrors}
	for _, d := range alerts {
		err.Errors = append(err.Errors, d)
	}
	return nil, warnings, err
}

// listErrors puts one diagnostic on each line.
func listErrors(errs []error) string {
	lines := make([]string, len(errs))
	for i, err := range errs {
		lines[i] = err.Error()
	}
	return strings.Join(lines, "\n")
}

// parser holds everything that a run of Parse accumulates. One goroutine owns it.
type parser struct {
	index      *index
	env        *environ
	order      map[string]int // file -> place among the sources
	host       string         // Options.Hostname
	opt        Options
	cfg        *Config
	diags      []*Diagnostic
	alertCount int
	// pendingCount are those about what is merely not supported.
	pendingCount int

	// Place of the line being parsed.
	file  string
	line  int
	width int    // bytes of the line
	words []Word // reused from line to line
	// lineState is that of the line's keyword.
	lineState State
	ifs       []conditional

	// The section being parsed.
	section      Where // 0: none yet
	sectionName  string
	sectionState State
	broken       bool // the section header was faulty: skip silently to the next
	px           *section

	defaults map[string]*section // by name; "" is the latest one
	sections []*section          // proxies in file order
	frontend map[string]*section
	backend  map[string]*section
	proxyIDs map[int]*section  // explicit ids
	guids    map[string]string // guid -> whose it is
	backends []string          // names for suggestions, made on first use

	stickCounters int                    // "tune.stick-counters"
	tables        map[string]*StickTable // by name; one without a type was refused
	store         certStore              // the crt-store section being parsed
	stored        map[string]bool        // certificates of crt-store sections
	ocspDelays    [2]int                 // least and greatest, in seconds

	later []func() // what is judged when all lines are known, in file order

	samples        *samples            // fetches and converters by name
	patterns       map[string]bool     // files of patterns that were named
	aclIDs         map[int]bool        // "-u" of ACLs
	badForms       map[*savedLine]bool // formats that were reported
	mailers        map[string]*Mailers
	mailersSection *Mailers // the "mailers" section being parsed

	exposed    bool            // "expose-experimental-directives" was read
	headerCase map[string]bool // names of "h1-case-adjust"

	once     map[string]Pos // global keywords that count only once
	badModes map[Pos]bool   // "mode" lines that were refused already
	judged   map[Pos]bool   // "balance hash" lines whose expression was judged

	// Sections by name, with the place of the name.
	peers, resolvers, userlists, rings map[string]Pos
	logForwards, programs, caches      map[string]Pos
	httpErrors, fcgiApps               map[string]Pos
}

func newParser(sources []Source, opt Options) *parser {
	return &parser{
		index:    sharedIndex(),
		env:      newEnviron(opt.Getenv),
		host:     opt.Hostname,
		opt:      opt,
		order:    make(map[string]int, len(sources)),
		cfg:      &Config{},
		defaults: map[string]*section{},
		frontend: map[string]*section{},
		backend:  map[string]*section{},
		proxyIDs: map[int]*section{},
		mailers:  map[string]*Mailers{},
		guids:    map[string]string{},
		samples:  sharedSamples(),
		patterns: map[string]bool{},
		aclIDs:   map[int]bool{},
		badForms: map[*savedLine]bool{},
		once:     map[string]Pos{},
		badModes: map[Pos]bool{},
		judged:   map[Pos]bool{},

		peers: map[string]Pos{}, resolvers: map[string]Pos{}, userlists: map[string]Pos{}, rings: builtinRings(),
		logForwards: map[string]Pos{}, programs: map[string]Pos{}, caches: map[string]Pos{},
		httpErrors: map[string]Pos{}, fcgiApps: map[string]Pos{},
		stickCounters: 3, tables: map[string]*StickTable{},
		stored: map[string]bool{}, ocspDelays: [2]int{300, 3600},
	}
}

// statement is one line that starts with a known keyword.
type statement struct {
	kw    *Keyword
	name  []Word // the words of the keyword itself
	args  []Word
	no    bool // "no" stood in front
	reset bool // "default" stood in front
}

// arg returns argument i, or an empty word placed behind the last one.
func (st *statement) arg(i int) Word {
	if i < len(st.args) {
		return st.args[i]
	}
	last := st.name[len(st.name)-1]
	if len(st.args) > 0 {
		last = st.args[len(st.args)-1]
	}
	return Word{Col: last.Col + len(last.Text)}
}

// pos places a word. A part of an expanded variable counts from where the
// variable stands, but not beyond the line.
func (p *parser) pos(w Word) Pos {
	return Pos{File: p.file, Line: p.line, Col: min(w.Col, p.width+1)}
}

// placed has f report about a word of another line; it serves what atEnd runs.
func (p *parser) placed(pos Pos, f func(w Word)) {
	file, line, width := p.file, p.line, p.width
	p.file, p.line, p.width = pos.File, pos.Line, pos.Col
	f(Word{Col: pos.Col})
	p.file, p.line, p.width = file, line, width
}

func (p *parser) report(sev Severity, pos Pos, format string, a ...any) *Diagnostic {
	d := &Diagnostic{Pos: pos, Severity: sev, Message: fmt.Sprintf(format, a...)}
	p.diags = append(p.diags, d)
	if sev == Alert {
		p.alertCount++
	}
	return d
}

func (p *parser) alert(w Word, format string, a ...any) *Diagnostic {
	return p.report(Alert, p.pos(w), format, a...)
}

func (p *parser) alertAt(pos Pos, format string, a ...any) *Diagnostic {
	return p.report(Alert, pos, format, a...)
}

func (p *parser) warn(w Word, format string, a ...any) *Diagnostic {
	return p.report(Warning, p.pos(w), format, a...)
}

func (p *parser) unsupported(w Word, format string, a ...any) {
	p.alert(w, format, a...).Unsupported = true
	p.pendingCount++
}

// remark is a warning about what HAProxy passes over in silence.
func (p *parser) remark(w Word, format string, a ...any) *Diagnostic {
	d := p.warn(w, format, a...)
	d.Own = true
	return d
}

// faults counts the alerts about the language itself.
func (p *parser) faults() int { return p.alertCount - p.pendingCount }

// atEnd has f run when all lines are known, for what one line says about others.
// Functions run in the order of their lines, before the proxies are checked.
func (p *parser) atEnd(f func()) { p.later = append(p.later, f) }

// sorted parts the findings by severity, each list ordered by place.
func (p *parser) sorted() (alerts, warnings []*Diagnostic) {
	slices.SortStableFunc(p.diags, func(a, b *Diagnostic) int {
		if c := p.order[a.Pos.File] - p.order[b.Pos.File]; c != 0 {
			return c
		}
		if c := a.Pos.Line - b.Pos.Line; c != 0 {
			return c
		}
		return a.Pos.Col - b.Pos.Col
	})
	for _, d := range p.diags {
		if d.Severity == Alert {
			alerts = append(alerts, d)
		} else {
			warnings = append(warnings, d)
		}
	}
	return alerts, warnings
}

func (p *parser) parseSource(src Source) {
	p.file, p.line = src.Name, 0
	p.leaveSection()
	for _, l := range Lines(src) {
		p.line = l.Num
		p.parseLine(l.Text)
	}
	p.closeConditionals()
	p.checkLineEnd(src.Text)
}

// checkLineEnd refuses a file whose last line has no line feed: it may have been
// cut off in transport.
func (p *parser) checkLineEnd(text []byte) {
	if len(text) == 0 || text[len(text)-1] == '\n' {
		return
	}
	last := text[strings.LastIndexByte(string(text), '\n')+1:]
	p.alert(Word{Col: len(last) + 1}, "missing LF on last line, file might have been truncated").Accepted = "a line feed"
}

func (p *parser) parseLine(text string) {
	p.width = len(text)
	words, fault := splitWords(text, p.lookup, p.words[:0])
	p.words = words
	if fault != nil {
		p.alert(Word{Col: fault.col}, "%s", fault.msg).Accepted = fault.accepted
		return
	}
	if i := strings.IndexByte(text, '\r'); i >= 0 && strings.TrimRight(text[i:], "\r\n") != "" {
		p.warn(Word{Col: i + 1}, "text after a carriage return is ignored")
	}
	if len(words) == 0 || words[0].Text == "" {
		return
	}
	if p.opt.Record != nil {
		p.opt.Record.line(p, words)
	}
	if strings.HasPrefix(words[0].Text, ".") {
		p.parseDirective(words)
		return
	}
	if p.skipping() || p.openSection(words) {
		return
	}
	p.parseStatement(words)
}

// lookup resolves the variables of a line, pseudo-variables included.
func (p *parser) lookup(name string) (string, bool) {
	switch name {
	case ".FILE":
		return p.file, true
	case ".LINE":
		return strconv.Itoa(p.line), true
	case ".SECTION":
		return p.sectionName, true
	}
	return p.env.get(name)
}

// parseStatement handles a line that does not start a section.
func (p *parser) parseStatement(words []Word) {
	if p.broken {
		return
	}
	if p.section == 0 {
		d := p.alert(words[0], "unknown keyword '%s' out of section", words[0].Text)
		d.Suggest = nearest(words[0].Text, sectionNames())
		d.Accepted = strings.Join(sectionNames(), ", ")
		return
	}
	st := statement{}
	prefix, all := words[0], words
	switch prefix.Text {
	case "no":
		st.no, words = true, words[1:]
	case "default":
		st.reset, words = true, words[1:]
	}
	if len(words) == 0 {
		p.alert(prefix, "'%s' needs a keyword behind it", prefix.Text).Accepted = "no option <name>, no log"
		return
	}
	before := p.alertCount
	if !p.findKeyword(&st, words) {
		return
	}
	defer func() {
		if p.alertCount > before && p.px != nil && strings.HasPrefix(st.kw.Name, "timeout ") {
			p.px.lostTimeouts = append(slices.Clip(p.px.lostTimeouts), st.kw.Name)
		}
	}()
	if !p.admit(&st, prefix) {
		return
	}
	p.lineState = st.kw.State
	if st.kw.parse != nil {
		st.kw.parse(p, &st)
	}
	if st.kw.State == Pending && p.alertCount == before && p.sectionState == Done {
		p.unsupported(st.name[0], "'%s' is not supported by this version yet", st.kw.Name)
	}
	if p.opt.Record != nil && p.alertCount == before {
		p.opt.Record.statement(p, st.kw, all)
	}
}

// findKeyword fills in the row and cuts words into name and arguments.
func (p *parser) findKeyword(st *statement, words []Word) bool {
	second := Word{Col: words[0].Col + len(words[0].Text)}
	if len(words) > 1 {
		second = words[1]
	}
	kw, family := p.index.find(p.section, words[0].Text, second.Text)
	if kw == nil && family != nil {
		d := p.alert(second, "'%s' does not support '%s'", words[0].Text, second.Text)
		d.Suggest = nearest(second.Text, keys(family))
		d.Accepted = strings.Join(doneKeys(family), ", ")
		return false
	}
	if kw == nil {
		p.unknownKeyword(words[0])
		return false
	}
	n := 1 + strings.Count(kw.Name, " ")
	st.kw, st.name, st.args = kw, words[:n], words[n:]
	return true
}

// doneKeys lists the names of the rows that are supported, but for those that only
// revoke others; when there is none, those that are understood.
func doneKeys(family map[string]*Keyword) []string {
	names := keys(family)
	done := slices.DeleteFunc(slices.Clone(names), func(n string) bool {
		return family[n].State != Done || strings.HasPrefix(family[n].Help, "revoke ")
	})
	if len(done) == 0 {
		return slices.DeleteFunc(names, func(n string) bool { return family[n].State == Refused })
	}
	return done
}

func (p *parser) unknownKeyword(w Word) {
	d := p.alert(w, "unknown keyword '%s' in '%s' section", w.Text, p.section)
	if where := p.index.elsewhere(w.Text); where != 0 {
		d.Accepted = fmt.Sprintf("'%s' in section %s", w.Text, where)
		return
	}
	if d.Accepted = p.index.done[p.section]; d.Accepted == "" {
		d.Accepted = strings.Join(p.index.names(p.section), ", ")
	}
	if d.Suggest = nearest(w.Text, p.index.names(p.section)); d.Suggest != "" {
		if kw, _ := p.index.find(p.section, d.Suggest, ""); kw != nil {
			if d.Accepted = kw.synopsis(); kw.Where&p.section == 0 {
				d.Accepted += ", in section " + kw.Where.String()
			}
		}
	}
}
