package netcfg

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/coreos/go-systemd/v22/unit"
)

// entry is one Key=Value with its place.
type entry struct {
	key, value       string
	line             int
	keyCol, valueCol int
}

// section is one [Section] with its entries.
type section struct {
	name      string
	line, col int
	entries   []entry
}

// maxLine is the longest line that systemd's parser takes, in bytes.
const maxLine = unit.SYSTEMD_LINE_MAX - 2

// scanner finds the places that go-systemd's tokenizer does not report, and
// keeps from it what it would swallow or stop at: text before the first section,
// lines without "=", continuations, CRLF.
type scanner struct {
	file     string
	clean    strings.Builder // one line per section or entry, for the tokenizer
	sections []section
	report   func(*Diagnostic)
}

// scan splits text into sections; faults go to report and scanning goes on.
func scan(file, text string, report func(*Diagnostic)) []section {
	s := &scanner{file: file, report: report}
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	for i := 0; i < len(lines); {
		n, joined := joinLines(lines[i:])
		s.line(i+1, lines[i], joined)
		i += n
	}
	tokens, err := unit.DeserializeSections(strings.NewReader(s.clean.String()))
	if err != nil || len(tokens) != len(s.sections) {
		report(&Diagnostic{File: file, Message: fmt.Sprintf("tokenize: %d of %d sections: %v", len(tokens), len(s.sections), err)})
		return nil
	}
	for i, t := range tokens {
		for j, e := range t.Entries {
			s.sections[i].entries[j].key, s.sections[i].entries[j].value = e.Name, e.Value
		}
	}
	return s.sections
}

// joinLines joins a line with its continuations; comment lines between them are
// dropped, as systemd does. It returns the count of physical lines.
func joinLines(lines []string) (int, string) {
	if isComment(lines[0]) {
		return 1, lines[0]
	}
	joined, n := lines[0], 1
	for strings.HasSuffix(joined, `\`) && n < len(lines) {
		next := lines[n]
		n++
		if isComment(next) {
			continue
		}
		joined = strings.TrimSuffix(joined, `\`) + " " + strings.TrimSpace(next)
	}
	return n, joined
}

func isComment(line string) bool {
	t := strings.TrimSpace(line)
	return strings.HasPrefix(t, "#") || strings.HasPrefix(t, ";")
}

// line takes one logical line; first is its first physical line.
func (s *scanner) line(n int, first, text string) {
	trimmed := strings.TrimSpace(text)
	if trimmed == "" || isComment(text) {
		return
	}
	col := strings.Index(text, trimmed[:1]) + 1
	if _, size := utf8.DecodeRuneInString(trimmed); size > 1 {
		col = len(text) - len(strings.TrimLeft(text, " \t")) + 1
	}
	fault := func(col int, msg, accepted string) {
		s.report(&Diagnostic{File: s.file, Line: n, Col: col, Message: msg, Accepted: accepted})
	}
	switch {
	case !utf8.ValidString(text):
		fault(col, "line is not valid UTF-8", "")
	case strings.ContainsFunc(text, isControl):
		fault(strings.IndexFunc(text, isControl)+1, "control character in the line", "")
	case len(trimmed) > maxLine:
		fault(col, fmt.Sprintf("line has %d bytes", len(trimmed)), fmt.Sprintf("at most %d", maxLine))
	case trimmed[0] == '[':
		s.section(n, col, trimmed, fault)
	case len(s.sections) == 0:
		fault(col, fmt.Sprintf("%q before the first section", clip(trimmed)), "[Section] first")
	default:
		s.entry(n, col, first, trimmed, fault)
	}
}

func (s *scanner) section(n, col int, trimmed string, fault func(int, string, string)) {
	end := strings.IndexByte(trimmed, ']')
	if end != len(trimmed)-1 || end == 1 {
		fault(col, fmt.Sprintf("malformed section line %q", clip(trimmed)), "[Name] alone on its line")
		// What follows belongs to no known section: an unnamed one takes it, so that
		// it is not judged as part of the section before.
		s.add(section{name: "", line: n, col: col}, "[]\n")
		return
	}
	name := trimmed[1:end]
	s.add(section{name: name, line: n, col: col}, "["+name+"]\n")
}

func (s *scanner) add(sec section, text string) {
	s.sections = append(s.sections, sec)
	s.clean.WriteString(text)
}

func (s *scanner) entry(n, col int, first, trimmed string, fault func(int, string, string)) {
	key, value, found := strings.Cut(trimmed, "=")
	key, value = strings.TrimSpace(key), strings.TrimSpace(value)
	if !found || key == "" {
		fault(col, fmt.Sprintf("%q is no assignment", clip(trimmed)), "Key=Value")
		return
	}
	// A backslash that ends the file continues nothing.
	value = strings.TrimSpace(strings.TrimRight(value, `\`))
	valueCol := strings.IndexByte(first, '=') + 2
	for valueCol <= len(first) && (first[valueCol-1] == ' ' || first[valueCol-1] == '\t') {
		valueCol++
	}
	sec := &s.sections[len(s.sections)-1]
	sec.entries = append(sec.entries, entry{line: n, keyCol: col, valueCol: valueCol})
	s.clean.WriteString(key + "=" + value + "\n")
}

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// clip shortens text for a message.
func clip(s string) string {
	if len(s) > 40 {
		return s[:37] + "..."
	}
	return s
}
