package netcfg

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/go-multierror"
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
	best, limit := "", max(1, min(3, len(got)/3))
	for _, w := range words {
		if d := distance(strings.ToLower(got), strings.ToLower(w)); d <= limit {
			best, limit = w, d-1
		}
	}
	return best
}

// distance is the optimal string alignment distance: inserts, deletes, changes
// and swaps of neighbours cost one each.
func distance(a, b string) int {
	var before, prev []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, prev, row = prev, row, make([]int, len(b)+1)
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
	}
	return row[len(b)]
}
