package config

import (
	"slices"
	"strings"
)

// SampleType is the type of a sample: what a fetch yields, and what a converter
// takes and makes of it (manual, section 7.1).
type SampleType uint8

// The types.
const (
	TypeAny SampleType = iota
	TypeSame
	TypeBool
	TypeInt
	TypeAddr
	TypeIPv4
	TypeIPv6
	TypeString
	TypeBinary
	TypeMethod
)

// Place is where a sample expression is evaluated: not every sample can be
// fetched everywhere (manual, section 7.3). One bit each; a fetch has several.
type Place uint32

// The places, in the order of haproxy's "-dKsmp" listing.
const (
	PlaceConnection    Place = 1 << iota // frontend tcp-request connection
	PlaceSession                         // frontend tcp-request session
	PlaceFrontContent                    // frontend tcp-request content
	PlaceFrontHeader                     // frontend http-request header
	PlaceFrontBody                       // frontend http-request body
	PlaceUseBackend                      // use_backend
	PlaceBackContent                     // backend tcp-request content
	PlaceBackHeader                      // backend http-request header
	PlaceBackBody                        // backend http-request body
	PlaceSetServer                       // use-server, balance, stick match
	PlaceServer                          // source of a server connection
	PlaceBackResponse                    // backend tcp-response content
	PlaceBackRespHead                    // backend http-response header
	PlaceBackRespBody                    // backend http-response body
	PlaceStoreResponse                   // stick store-response
	PlaceFrontResponse                   // frontend tcp-response content
	PlaceFrontRespHead                   // frontend http-response header
	PlaceFrontRespBody                   // frontend http-response body
	PlaceLog                             // log formats
	PlaceCheck                           // tcp-check
	PlaceConfig                          // while the configuration is read
	PlaceCLI                             // runtime API
)

// Groups of places; each fetch has one of them.
const (
	anywhere       = PlaceCLI<<1 - 1
	atRuntime      = anywhere &^ PlaceConfig
	sinceAccept    = atRuntime &^ PlaceCLI
	inFrontSession = sinceAccept &^ PlaceCheck
	sinceSession   = inFrontSession &^ PlaceConnection
	sinceRequest   = sinceSession &^ PlaceSession
	atRequest      = PlaceBackResponse - PlaceFrontContent
	onServer       = PlaceConfig - PlaceBackResponse
	atResponse     = onServer &^ PlaceLog
	atContent      = sinceRequest&^PlaceLog | PlaceCheck
	inBackend      = PlaceConfig - PlaceBackContent
	withServer     = PlaceConfig - PlaceServer
	atLog          = PlaceLog
)

// placeNames are places in words, the narrowest first.
var placeNames = []struct {
	places Place
	name   string
}{
	{PlaceConnection, "tcp-request connection"},
	{PlaceSession, "tcp-request session"},
	{PlaceLog, "logs"},
	{PlaceCheck, "tcp-check"},
	{PlaceConfig, "reading the configuration"},
	{PlaceCLI, "the runtime API"},
	{atRequest, "the request"},
	{atResponse | PlaceLog, "the response"},
	{withServer, "the server connection"},
	{inBackend, "the backend"},
	{sinceRequest, "the session's content"},
	{sinceSession, "the session"},
}

// String tells in words where a sample is to be had.
func (p Place) String() string {
	for _, n := range placeNames {
		if p&^n.places == 0 {
			return n.name
		}
	}
	return "the connection"
}

// Expr is a sample expression: a fetch and the converters behind it (manual,
// section 7.1).
type Expr struct {
	Pos        Pos
	Text       string // as written, words joined by blanks
	Fetch      string // name of the fetch
	Args       []Arg
	Converters []Converter
	Type       SampleType // of the result; TypeAny: known at run time only
	Places     Place      // where the fetch has its sample
}

// Converter is one step of an expression.
type Converter struct {
	Name string
	Args []Arg
	In   SampleType // what the input is turned into before
	Out  SampleType // TypeSame: the type of the input
}

// casts are the types that a sample of each type can be turned into.
var casts = map[SampleType][]SampleType{
	TypeBool:   {TypeBool, TypeInt, TypeString, TypeBinary},
	TypeInt:    {TypeBool, TypeInt, TypeAddr, TypeIPv4, TypeIPv6, TypeString, TypeBinary},
	TypeAddr:   {TypeAddr, TypeIPv4, TypeIPv6, TypeString, TypeBinary},
	TypeIPv4:   {TypeInt, TypeAddr, TypeIPv4, TypeIPv6, TypeString, TypeBinary},
	TypeIPv6:   {TypeAddr, TypeIPv4, TypeIPv6, TypeString, TypeBinary},
	TypeString: {TypeBool, TypeInt, TypeAddr, TypeIPv4, TypeIPv6, TypeString, TypeBinary, TypeMethod},
	TypeBinary: {TypeString, TypeBinary, TypeMethod},
	TypeMethod: {TypeString, TypeBinary, TypeMethod},
}

// castable reports whether a sample of type t can be used as one of type to.
func (t SampleType) castable(to SampleType) bool {
	return t == TypeAny || to == TypeAny || to == TypeSame || slices.Contains(casts[t], to)
}

// String returns the word used in the reference.
func (t SampleType) String() string {
	return [...]string{"any", "same", "boolean", "integer", "address", "IPv4 address", "IPv6 address", "string", "binary", "method"}[t]
}

const exprForm = "<fetch>[(<arguments>)][,<converter>[(<arguments>)]]..."

// parseExpr reads a sample expression at the start of words and returns the words
// behind it: converters may stand in words of their own. After an alert ok is
// false. place has one bit or several, of which one must do; 0 leaves it to the
// caller to judge where the sample is to be had.
func (p *parser) parseExpr(words []Word, place Place) (e *Expr, rest []Word, ok bool) {
	if len(words) == 0 || words[0].Text == "" {
		at := Word{Col: p.width + 1}
		if len(words) > 0 {
			at = words[0]
		}
		p.alert(at, "missing fetch method").Accepted = exprForm
		return nil, nil, false
	}
	x := exprParser{p: p, words: words, text: words[0].Text}
	if !x.fetch("") || !x.converters() || !x.admitPlace(place) || !x.admitState() {
		return nil, nil, false
	}
	return x.expr(), x.words[x.at:], true
}

// exprParser goes through the words of one expression.
type exprParser struct {
	p      *parser
	words  []Word
	at     int    // the word being read
	text   string // what is left of it
	out    Expr
	steps  []exprStep
	closer byte // ends the expression: "]" of a log format; 0: none
}

// exprStep is a fetch or converter that was read.
type exprStep struct {
	row      *SampleRow
	at       Word
	variable bool // an operand is a variable
}

// here is the place of the next byte.
func (x *exprParser) here() Word {
	if x.at >= len(x.words) {
		return wordAfter(x.words[len(x.words)-1])
	}
	w := x.words[x.at]
	return Word{Text: x.text, Col: w.Col + len(w.Text) - len(x.text)}
}

// expr returns what was read.
func (x *exprParser) expr() *Expr {
	e := x.out
	text := make([]string, 0, len(x.words[:x.at]))
	for _, w := range x.words[:x.at] {
		text = append(text, w.Text)
	}
	e.Text, e.Pos = strings.Join(text, " "), x.p.pos(x.words[0])
	return &e
}

// fetch reads the fetch. An ACL keyword names the one that it stands for.
func (x *exprParser) fetch(standsFor string) bool {
	name := sampleName(x.text)
	if standsFor == "" {
		standsFor = name
	}
	row := x.p.samples.fetches[standsFor]
	if row == nil {
		d := x.p.alert(x.here(), "unknown fetch method '%s'", name)
		d.Suggest, d.Accepted = nearest(name, x.p.samples.fetchNames), exprForm
		return false
	}
	args, ok := x.step(row, name, "fetch method")
	x.out.Fetch, x.out.Args, x.out.Type, x.out.Places = row.Name, args, row.Out, row.Places
	return ok
}

// sampleName returns the name of a fetch or converter that s starts with.
func sampleName(s string) string {
	n := 0
	for n < len(s) && (isAlnum(s[n]) || strings.IndexByte("_-.:+", s[n]) >= 0) {
		n++
	}
	return s[:n]
}

// step reads one fetch or converter with its arguments.
func (x *exprParser) step(row *SampleRow, name, what string) ([]Arg, bool) {
	at := x.here()
	at.Text = name
	x.text = x.text[len(name):]
	x.steps = append(x.steps, exprStep{row: row, at: at})
	if row.Since != "" {
		x.p.alert(at, "'%s' is not supported: it came with HAProxy %s, the language spoken here is that of %s",
			name, row.Since, CompatVersion).Accepted = exprForm
		return nil, false
	}
	what += " '" + name + "'"
	args, places, ok := x.arguments(row, what)
	if !ok {
		return nil, false
	}
	x.steps[len(x.steps)-1].variable = row.In == TypeInt && len(args) == 1 && args[0].Type == ArgString && varFault(args[0].Text) == ""
	if check := row.check; check != nil && (row.Converter || len(args) > 0) {
		if f := check(&checker{p: x.p, name: row.Name, args: args}); f != nil {
			if f.arg < len(places) {
				at = places[f.arg]
			}
			d := x.p.alert(at, "invalid args in %s: %s", what, f.msg)
			d.Accepted, d.Unsupported = f.accepted, f.unsupported
			if d.Accepted == "" {
				d.Accepted = row.synopsis()
			}
			return nil, false
		}
	}
	return args, true
}

// converters reads those behind the fetch, parted by commas or blanks. A word
// that does not start with a converter ends the expression.
func (x *exprParser) converters() bool {
	for {
		if x.closer != 0 && (x.text == "" || x.text[0] != ',') {
			return true
		}
		if x.text != "" && x.text[0] != ',' {
			last := x.steps[len(x.steps)-1].at
			x.p.alert(x.here(), "missing comma after '%s'", last.Text).Accepted = exprForm
			return false
		}
		x.text = strings.TrimLeft(x.text, ",")
		first := x.text == "" && x.closer == 0
		if first {
			if x.at++; x.at >= len(x.words) {
				return true
			}
			x.text = x.words[x.at].Text
		}
		name := sampleName(x.text)
		row := x.p.samples.converters[name]
		if row == nil && first {
			return true
		}
		if row == nil {
			d := x.p.alert(x.here(), "unknown converter '%s'", name)
			d.Suggest, d.Accepted = nearest(name, x.p.samples.converterNames), exprForm
			return false
		}
		at := x.here()
		args, ok := x.step(row, name, "converter")
		if !ok {
			return false
		}
		if !x.out.Type.castable(row.In) {
			x.p.alert(at, "converter '%s' cannot be applied to a sample of type %s", name, x.out.Type).Accepted = "a sample of type " + row.In.String()
			return false
		}
		x.out.Converters = append(x.out.Converters, Converter{Name: row.Name, Args: args, In: row.In, Out: row.Out})
		if row.Out != TypeSame {
			x.out.Type = row.Out
		}
	}
}

// admitPlace judges whether the sample is to be had at place.
func (x *exprParser) admitPlace(place Place) bool {
	if place == 0 || x.out.Places&place != 0 {
		return true
	}
	x.p.alert(x.steps[0].at, "fetch method '%s' takes its sample from %s, which is not available here",
		x.steps[0].at.Text, x.out.Places).Accepted = "a sample that is available in " + place.String()
	return false
}

// admitState refuses what the language has and this version has not. What is merely
// not there yet is reported unless the whole line is.
func (x *exprParser) admitState() bool {
	for _, s := range x.steps {
		if s.row.State == Refused {
			x.p.unsupported(s.at, "'%s' is not supported: %s", s.at.Text, s.row.Why)
			return false
		}
	}
	if x.p.lineState != Done {
		return true
	}
	for _, s := range x.steps {
		switch {
		case s.row.State == Pending:
			x.p.unsupported(s.at, "'%s' is not supported by this version yet", s.at.Text)
			return true
		case s.variable:
			x.p.unsupported(s.at, "'%s' with a variable is not supported by this version yet", s.at.Text)
			return true
		}
	}
	return true
}
