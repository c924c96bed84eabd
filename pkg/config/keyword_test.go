package config

import (
	"fmt"
	"strings"
	"testing"
)

// TestKeywordRows checks what everybody who reads the tables relies on.
func TestKeywordRows(t *testing.T) {
	seen := map[string]bool{}
	for _, kw := range Keywords() {
		for place := Where(1); place <= SectionHeader; place <<= 1 {
			if kw.Where&place == 0 {
				continue
			}
			key := fmt.Sprintf("%s in %s", kw.Name, place)
			if seen[key] {
				t.Errorf("%s: two rows", key)
			}
			seen[key] = true
		}
		switch {
		case kw.Where == 0:
			t.Errorf("%s: valid nowhere", kw.Name)
		case kw.State == Done && kw.Help == "":
			t.Errorf("%s in %s: done without a help text", kw.Name, kw.Where)
		case strings.HasSuffix(kw.Help, "."):
			t.Errorf("%s: help ends with a full stop", kw.Name)
		case (kw.State == NoEffect || kw.State == Refused) && kw.Why == "" && kw.Since == "":
			t.Errorf("%s in %s: %s without a reason", kw.Name, kw.Where, kw.State)
		case kw.Max >= 0 && kw.Max < kw.Min:
			t.Errorf("%s in %s: at most %d but at least %d arguments", kw.Name, kw.Where, kw.Max, kw.Min)
		case kw.State == Done && kw.Where&sectionKeyword != 0 && kw.parse == nil:
			t.Errorf("%s in %s: done without a parse function", kw.Name, kw.Where)
		case kw.Min > 0 && kw.Args == "":
			t.Errorf("%s in %s: arguments without a synopsis", kw.Name, kw.Where)
		}
	}
}

func TestNearest(t *testing.T) {
	words := []string{"server", "maxconn", "mode", "node", "id", "timeout"}
	for word, want := range map[string]string{
		"servr": "server", "maxcon": "maxconn", "mdoe": "mode", "nodes": "node",
		"timout": "timeout", "xyz": "", "x": "", "": "", "clientele": "",
	} {
		if got := nearest(word, words); got != want {
			t.Errorf("nearest(%q) = %q, want %q", word, got, want)
		}
	}
}

// A row tells what its keyword is for, and why it does nothing or is refused.
func TestRowsExplainThemselves(t *testing.T) {
	for _, kw := range Keywords() {
		unexplained := kw.Why == "" && kw.Since == ""
		switch {
		case kw.Help == "":
			t.Errorf("%s (%s) has no Help", kw.Name, kw.Where)
		case strings.HasSuffix(kw.Help, "."):
			t.Errorf("the Help of %s (%s) ends with a full stop", kw.Name, kw.Where)
		case unexplained && (kw.State == NoEffect || kw.State == Refused):
			t.Errorf("%s (%s): %s, and no Why", kw.Name, kw.Where, kw.State)
		}
	}
}
