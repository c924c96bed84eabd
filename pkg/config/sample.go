package config

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

// Expr is a sample expression: a fetch and the converters behind it.
type Expr struct {
	Pos  Pos
	Text string // as written, words joined by blanks
	Type SampleType
}

// Condition is what stands behind "if" or "unless".
type Condition struct {
	Pos    Pos
	Unless bool
}

// LogFormat is a log-format string taken apart.
type LogFormat struct {
	Pos  Pos
	Text string
}

// parseExpr reads a sample expression at the start of words and returns the words
// behind it. After an alert ok is false.
func (p *parser) parseExpr(words []Word, place Place) (e *Expr, rest []Word, ok bool) {
	return &Expr{Pos: p.pos(words[0]), Text: words[0].Text}, words[1:], true
}

// parseCondition reads the condition at words[0], which is "if" or "unless", to
// the end of the line.
func (p *parser) parseCondition(words []Word, place Place) (*Condition, bool) {
	return &Condition{Pos: p.pos(words[0]), Unless: words[0].Text == "unless"}, true
}

// parseLogFormat reads a log-format string (manual, section 8.2.6).
func (p *parser) parseLogFormat(w Word, place Place) (*LogFormat, bool) {
	return &LogFormat{Pos: p.pos(w), Text: w.Text}, true
}
