package config

// savedLine is a line that is judged when all lines are known: of several lines
// about one format the last one counts, and a defaults section has its formats
// judged by the proxies that use them.
type savedLine struct {
	file        string
	line, width int
	word        Word
	state       State // of the keyword
}

// formatLines are the format lines of a section.
type formatLines struct {
	log, logSD, errorLog, uniqueID *savedLine
}

var logFormatKeywords = []Keyword{
	{Name: "log-format", Where: inFront, Args: "<format>", Max: -1, Default: "that of 'option tcplog'",
		Help: "what a log line holds", parse: formatLine(func(f *formatLines) **savedLine { return &f.log }, false)},
	{Name: "log-format-sd", Where: inFront, Args: "<format>", Max: -1, Default: "none", State: Pending,
		Help: "structured data of a log line of rfc5424", parse: formatLine(func(f *formatLines) **savedLine { return &f.logSD }, false)},
	{Name: "error-log-format", Where: inFront, Args: "<format>", Max: -1, Default: "a short line", State: Pending,
		Help: "what the log line of a failed connection holds", parse: formatLine(func(f *formatLines) **savedLine { return &f.errorLog }, true)},
	{Name: "unique-id-format", Where: inProxy, Args: "<format>", Max: -1, Default: "none",
		Help: "how the unique id of a session is made", parse: formatLine(func(f *formatLines) **savedLine { return &f.uniqueID }, true)},
	{Name: "set-var", Where: InGlobal, Args: "<variable> <expression>", Max: -1, State: Pending,
		Help: "set a variable of the process", parse: parseGlobalVar},
	{Name: "set-var-fmt", Where: InGlobal, Args: "<variable> <format>", Max: -1, State: Pending,
		Help: "set a variable of the process to a formatted text", parse: parseGlobalVar},
}

// formatLine saves a format line. In a backend most of them mean nothing.
func formatLine(field func(*formatLines) **savedLine, inBackends bool) func(*parser, *statement) {
	return func(p *parser, st *statement) {
		w := st.arg(0)
		if w.Text == "" || len(st.args) == 0 {
			p.alert(w, "'%s' expects an argument", st.kw.Name).Accepted = st.kw.synopsis()
			return
		}
		if len(st.args) > 1 && st.args[1].Text != "" {
			p.alert(st.args[1], "'%s' expects only one argument: blanks must be escaped or quoted", st.kw.Name).Accepted = st.kw.synopsis()
			return
		}
		if p.section == InBackend && !inBackends {
			return
		}
		*field(&p.px.formats) = &savedLine{p.file, p.line, p.width, w, st.kw.State}
	}
}

// checkFormats judges the formats that a proxy uses.
func (p *parser) checkFormats(s *section) {
	px := s.px
	if s.px.Kind.HasFrontend() {
		px.LogFormat = p.checkFormat(s, s.formats.log, PlaceLog)
		px.LogFormatSD = p.checkFormat(s, s.formats.logSD, PlaceLog)
		px.ErrorLogFormat = p.checkFormat(s, s.formats.errorLog, PlaceLog)
	} else if s.formats.errorLog != nil {
		p.checkFormat(s, s.formats.errorLog, PlaceLog)
	}
	place := PlaceFrontHeader
	if !s.px.Kind.HasFrontend() {
		place = PlaceBackHeader
	}
	px.UniqueIDFormat = p.checkFormat(s, s.formats.uniqueID, place)
}

// checkFormat parses a saved line on behalf of a proxy, once if it is at fault.
func (p *parser) checkFormat(s *section, l *savedLine, place Place) *LogFormat {
	if l == nil || p.badForms[l] {
		return nil
	}
	p.file, p.line, p.width, p.px, p.section, p.lineState = l.file, l.line, l.width, s, InListen, l.state
	before := p.alertCount
	f, _ := p.parseLogFormat(l.word, place)
	p.badForms[l] = p.alertCount > before
	return f
}

// GlobalVar is a "set-var" or "set-var-fmt" line of the global section. Exactly
// one of Expr and Format is set.
type GlobalVar struct {
	Pos    Pos
	Name   string // with its scope: "proc.x"
	Expr   *Expr
	Format *LogFormat
}

func parseGlobalVar(p *parser, st *statement) {
	name, value := st.arg(0), st.arg(1)
	if name.Text == "" || len(st.args) < 2 || value.Text == "" {
		p.alert(value, "'%s' expects the name of a process variable and a value", st.kw.Name).Accepted = st.kw.synopsis()
		return
	}
	v := GlobalVar{Pos: p.pos(name), Name: name.Text}
	if st.kw.Name == "set-var" {
		e, rest, ok := p.parseExpr(st.args[1:], PlaceConfig)
		if !ok {
			return
		}
		if len(rest) > 0 {
			p.warn(rest[0], "'%s' behind the expression is ignored", rest[0].Text)
		}
		v.Expr = e
	} else {
		f, ok := p.parseLogFormat(value, PlaceConfig)
		if !ok {
			return
		}
		v.Format = f
	}
	if fault := varFault(name.Text); fault != "" {
		p.alert(name, "%s", fault).Accepted = varForm
		return
	}
	if scope := name.Text[:5]; scope != "proc." {
		p.alert(name, "cannot set variable '%s': the global section has only those of the process", name.Text).Accepted = "proc.<name>"
		return
	}
	p.cfg.Global.Vars = append(p.cfg.Global.Vars, v)
}
