package appliance

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
)

// Diff returns the unified difference between two configurations, file by file
// in order of their names; "" when they are equal.
func Diff(oldName string, old Files, newName string, changed Files) string {
	all := maps.Clone(old)
	if all == nil {
		all = Files{}
	}
	maps.Copy(all, changed)
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(all)) {
		a, inOld := old[name]
		b, inNew := changed[name]
		if a == b && inOld == inNew {
			continue
		}
		text := diff.Diff(oldName+"/"+name, []byte(a), newName+"/"+name, []byte(b))
		// The first line repeats both names in diff(1)'s command form.
		_, text, _ = bytes.Cut(text, []byte("\n"))
		if len(text) == 0 {
			fmt.Fprintf(&out, "--- %s/%s\n+++ %s/%s\n", oldName, name, newName, name) // an empty file came or went
		}
		out.Write(text)
	}
	return out.String()
}
