package config

import "strings"

// The known_*.go files name what HAProxy understands and this version does not
// act on, so that a line is refused or ignored for the right reason. A name moves
// to the table of its area when it is built.

// appendKnown adds one row for each name of a list parted by semicolons.
func appendKnown(rows []Keyword, names string, row Keyword) []Keyword {
	for _, name := range strings.FieldsFunc(names, func(r rune) bool { return r == ';' || r == '\n' }) {
		row.Name = strings.TrimSpace(name)
		row.Max = -1
		if row.Name != "" {
			rows = append(rows, row)
		}
	}
	return rows
}
