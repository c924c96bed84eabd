package config

import (
	"fmt"
	"strings"
)

// Pos is a place in a configuration file; line and column count from 1, the
// column in bytes.
type Pos struct {
	File      string
	Line, Col int
}

// String returns file:line:column, the form that editors understand.
func (p Pos) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col) }

// Severity ranks a diagnostic.
type Severity int

// Only alerts keep a configuration from loading. A Notice is the text of a
// ".notice" line, a Diag one that is said in diagnostic mode only.
const (
	Warning Severity = iota
	Alert
	Notice
	Diag
)

// String returns HAProxy's word for the severity.
func (s Severity) String() string {
	return [...]string{"WARNING", "ALERT", "NOTICE", "DIAG"}[s]
}

// Diagnostic is one finding about a configuration.
type Diagnostic struct {
	Pos      Pos
	Severity Severity
	Message  string // what is wrong
	Accepted string // what would be accepted here; may be empty
	Suggest  string // the nearest known word to a misspelt one; may be empty
	// Unsupported marks an alert about a line that HAProxy accepts and this
	// version cannot honour.
	Unsupported bool
	// Own marks a warning about what HAProxy passes over in silence: it does not
	// count for "zero-warning".
	Own bool
}

// Error renders the finding on one line: place, fault, accepted form, suggestion.
func (d *Diagnostic) Error() string {
	return d.Pos.String() + ": " + d.text()
}

// text is the finding without its place.
func (d *Diagnostic) text() string {
	var b strings.Builder
	b.WriteString(d.Message)
	if d.Suggest != "" {
		fmt.Fprintf(&b, " (did you mean %q?)", d.Suggest)
	}
	if d.Accepted != "" {
		b.WriteString("; accepted: ")
		b.WriteString(d.Accepted)
	}
	return b.String()
}
