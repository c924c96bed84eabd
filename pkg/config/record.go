package config

// Record holds the lines of a configuration as the parser understood them. Parse
// fills it in when Options.Record names it; its words share the sources' memory.
type Record struct {
	// Lines are all lines that hold words, in the order in which they were read;
	// those that no branch of ".if" keeps are among them.
	Lines []RecordLine

	sections []*recordSection
}

// RecordLine is one line cut into words: quotes and variables are resolved,
// comments gone.
type RecordLine struct {
	Pos    Pos // of the first word
	Words  []string
	Header bool // it starts a section
}

// recordSection is a section with the lines that it understood.
type recordSection struct {
	head     RecordLine
	where    Where
	px       *Proxy         // nil: not a proxy section
	base     *recordSection // the defaults section that it starts from
	lines    []recordStatement
	binds    int // how many listeners the lines so far have made
	servers  int // likewise
	defaults string
}

// recordStatement is a line that was taken without an alert.
type recordStatement struct {
	RecordLine
	kw     *Keyword
	bind   int // index of the listener that the line made; -1: none or several
	server int // index of the server that it made; -1: none or several
}

// texts copies words, which the parser uses again for the next line.
func texts(words []Word) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = w.Text
	}
	return out
}

// line notes what was read.
func (r *Record) line(p *parser, words []Word) {
	header := false
	for i := range sectionRows {
		header = header || sectionRows[i].name == words[0].Text
	}
	r.Lines = append(r.Lines, RecordLine{Pos: p.pos(words[0]), Words: texts(words), Header: header})
}

// section notes that a section was opened without an alert.
func (r *Record) section(p *parser, words []Word) {
	s := &recordSection{head: RecordLine{Pos: p.pos(words[0]), Words: texts(words), Header: true}, where: p.section}
	rest := words[1:]
	switch {
	case s.where == InDefaults:
		if len(rest) > 0 && rest[0].Text != "from" {
			s.defaults, rest = rest[0].Text, rest[1:]
		}
	case s.where&inProxy != 0:
		s.px = p.px.px
		s.base = r.latestDefaults("")
		rest = rest[1:]
	}
	if s.where&inProxy != 0 && len(rest) > 1 && rest[0].Text == "from" {
		s.base = r.latestDefaults(rest[1].Text)
	}
	r.sections = append(r.sections, s)
}

// latestDefaults finds the last defaults section of a name, or of any for "".
func (r *Record) latestDefaults(name string) *recordSection {
	for i := len(r.sections) - 1; i >= 0; i-- {
		if s := r.sections[i]; s.where == InDefaults && (name == "" || s.defaults == name) {
			return s
		}
	}
	return nil
}

// statement notes a line that was taken without an alert.
func (r *Record) statement(p *parser, kw *Keyword, words []Word) {
	if len(r.sections) == 0 {
		return
	}
	s := r.sections[len(r.sections)-1]
	st := recordStatement{RecordLine: RecordLine{Pos: p.pos(words[0]), Words: texts(words)}, kw: kw, bind: -1, server: -1}
	if s.px != nil {
		if binds := len(s.px.Binds); binds == s.binds+1 {
			st.bind = s.binds
		}
		if servers := len(s.px.Servers); servers == s.servers+1 {
			st.server = s.servers
		}
		s.binds, s.servers = len(s.px.Binds), len(s.px.Servers)
	}
	s.lines = append(s.lines, st)
}
