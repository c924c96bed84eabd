package netcfg

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/go-multierror"
	"github.com/sluice-lb/sluice/pkg/slip"
)

// Diagnostic is one fault in a file; line and column count from 1, the column in
// bytes. Line 0 means the whole file.
type Diagnostic struct {
	File      string
	Line, Col int
	Message   string // what is wrong
	Accepted  string // what would be accepted; may be empty
	Suggest   string // the nearest known word; may be empty
}

// Error renders the fault on one line.
func (d *Diagnostic) Error() string {
	var b strings.Builder
	b.WriteString(d.File)
	if d.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", d.Line, d.Col)
	}
	b.WriteString(": " + d.Message)
	if d.Suggest != "" {
		fmt.Fprintf(&b, " (did you mean %q?)", d.Suggest)
	}
	if d.Accepted != "" {
		b.WriteString("; accepted: " + d.Accepted)
	}
	return b.String()
}

// Diagnostics returns the single faults of an error from Load.
func Diagnostics(err error) []*Diagnostic {
	var all *multierror.Error
	if !errors.As(err, &all) {
		return nil
	}
	var out []*Diagnostic
	for _, e := range all.Errors {
		var d *Diagnostic
		if errors.As(e, &d) {
			out = append(out, d)
		}
	}
	return out
}

// oneALine formats aggregated errors without multierror's headline.
func oneALine(errs []error) string {
	lines := make([]string, len(errs))
	for i, e := range errs {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// nearest returns the word closest to got when it is a plausible slip, or "".
func nearest(got string, words []string) string {
	return slip.Nearest(got, words, max(1, min(3, len(got)/3)))
}
