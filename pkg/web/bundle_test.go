package web

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The bundle is made from the sources that are in the tree; ui/build.mjs writes
// their sum beside it.
func TestBundleIsFresh(t *testing.T) {
	root := filepath.Join("..", "..", "ui")
	sources, err := filepath.Glob(filepath.Join(root, "src", "*"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(sources)
	files := []string{filepath.Join(root, "package.json"), filepath.Join(root, "package-lock.json")}
	sum := sha256.New()
	for _, file := range append(files, sources...) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name, err := filepath.Rel(root, file)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(sum, filepath.ToSlash(name)+"\n")
		_, _ = sum.Write(data)
	}
	stored, err := os.ReadFile("static/editor.sum")
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != strings.TrimSpace(string(stored)) {
		t.Errorf("ui/ has the sum %s, static/editor.js was made from %s: run make ui", got, stored)
	}
}

// Whoever passes the bundle on passes the licences on.
func TestBundleLicences(t *testing.T) {
	text, err := os.ReadFile("static/editor.LICENSES.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"@codemirror/view", "@codemirror/state", "@codemirror/lint", "@lezer/highlight", "style-mod", "w3c-keyname"} {
		if !strings.Contains(string(text), "\n"+name+" ") {
			t.Errorf("the licence of %s is missing", name)
		}
	}
}
