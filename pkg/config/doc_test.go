package config

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The package documentation names every file once, and no file that is not there.
func TestDocNamesFiles(t *testing.T) {
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]int{}
	for _, name := range regexp.MustCompile(`[a-z_]+\.go\b`).FindAllString(string(text), -1) {
		named[name]++
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") || name == "doc.go" {
			continue
		}
		if named[name] != 1 {
			t.Errorf("doc.go names %s %d times, want once", name, named[name])
		}
		delete(named, name)
	}
	for name := range named {
		t.Errorf("doc.go names %s, which does not exist", name)
	}
}
