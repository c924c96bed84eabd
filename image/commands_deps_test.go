package image

import (
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// go.mod is kept by the imports of commands_deps.go: they must be all commands.
func TestRescueCommandsAreInGoMod(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "commands_deps.go", nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, i := range f.Imports {
		path, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, path)
	}
	want := rescuePackages()
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("imports of commands_deps.go (-want +got):\n%s", diff)
	}
}
