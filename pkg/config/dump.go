package config

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Dump returns one text in HAProxy's language that means what r recorded, as it is
// in force: conditionals decided, variables resolved, defaults sections and
// default-server lines merged into what they apply to, ids made explicit. A comment
// tells where an inherited line comes from. Parsed again, the text has the same
// model but for the places. r must be of a Parse that succeeded.
func Dump(r *Record) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# in force, in the language of HAProxy %s\n", CompatVersion)
	for _, s := range r.sections {
		if s.where == InDefaults {
			continue
		}
		fmt.Fprintf(&b, "\n# %s:%d\n", s.head.Pos.File, s.head.Pos.Line)
		head := s.head.Words
		if s.px != nil {
			head = head[:2]
		}
		fmt.Fprintln(&b, quoteWords(head))
		for _, l := range s.effective() {
			b.WriteString("\t" + quoteWords(l.words))
			if l.from != "" {
				b.WriteString("  # from " + l.from)
			}
			b.WriteByte('\n')
		}
	}
	return b.Bytes()
}

// dumpLine is one line of a section in force.
type dumpLine struct {
	words []string
	from  string // where an inherited line comes from; "": it is the section's own
}

// effective lists the lines that apply to a section, in order.
func (s *recordSection) effective() []dumpLine {
	inherited := s.base.inheritance()
	if s.px == nil {
		inherited = nil
	}
	merged := s.mergeServers(inherited)
	var out []dumpLine
	if s.px != nil && !slices.ContainsFunc(s.lines, func(st recordStatement) bool { return st.kw.Name == "id" }) {
		out = append(out, dumpLine{words: []string{"id", strconv.Itoa(s.px.ID)}})
	}
	for _, st := range inherited {
		if s.takes(st.recordStatement) && (merged == nil || st.kw.Name != "default-server") {
			out = append(out, dumpLine{st.Words, oneLine.Replace(st.from)})
		}
	}
	for i, st := range s.lines {
		switch {
		case s.px != nil && st.kw.Where&s.where == 0: // ignored: not for this role
		case merged != nil && st.kw.Name == "default-server":
		case merged != nil && merged[i] != nil:
			out = append(out, dumpLine{words: merged[i]})
		default:
			out = append(out, dumpLine{words: s.withID(st, st.Words)})
		}
	}
	return out
}

// inheritedStatement is a line of a defaults section.
type inheritedStatement struct {
	recordStatement
	from string
}

// inheritance lists what a defaults section presets, that of its own base first.
func (s *recordSection) inheritance() []inheritedStatement {
	if s == nil {
		return nil
	}
	all := s.base.inheritance()
	for _, st := range s.lines {
		name := strings.TrimSpace("defaults " + s.defaults)
		all = append(all, inheritedStatement{st, fmt.Sprintf("%s (%s:%d)", name, st.Pos.File, st.Pos.Line)})
	}
	return all
}

// takes reports whether an inherited line is valid in the role of s. The steps of
// a check are replaced as a whole by those that s has.
func (s *recordSection) takes(st recordStatement) bool {
	if st.kw.Where&s.where == 0 {
		return false
	}
	first, _, _ := strings.Cut(st.kw.Name, " ")
	if first != "tcp-check" && first != "http-check" {
		return true
	}
	return !slices.ContainsFunc(s.lines, func(own recordStatement) bool {
		name, _, _ := strings.Cut(own.kw.Name, " ")
		return name == first
	})
}

// mergeServers returns the server lines, by index in s.lines, with the options of
// the default-server lines before them; nil if one would have too many words, and
// the default-server lines must stay.
func (s *recordSection) mergeServers(inherited []inheritedStatement) map[int][]string {
	if s.px == nil || s.where&(InListen|InBackend) == 0 {
		return nil
	}
	merged := map[int][]string{}
	var preset []string
	for _, st := range inherited {
		if st.kw.Name == "default-server" {
			preset = append(preset, st.Words[1:]...)
		}
	}
	rows := sharedIndex().server
	for i, st := range s.lines {
		switch st.kw.Name {
		case "default-server":
			preset = append(preset, st.Words[1:]...)
		case "server", "server-template":
			head := min(len(st.Words), 3)
			if st.kw.Name == "server-template" {
				head = min(len(st.Words), 4)
			} else if head == 3 && rows[st.Words[2]] != nil {
				head = 2 // a server without an address
			}
			own := st.Words[head:]
			words := slices.Concat(st.Words[:head], withoutOverridden(preset, own), own)
			if words = s.withID(st, words); len(words) > maxWords {
				return nil
			}
			merged[i] = words
		}
	}
	return merged
}

// withoutOverridden drops from preset the options that a later one of the same
// name replaces. Where the extent of an option is not certain, everything stays.
func withoutOverridden(preset, own []string) []string {
	options, certain := cutOptions(preset)
	if !certain {
		return preset
	}
	later := map[string]bool{}
	ownOptions, _ := cutOptions(own)
	for _, o := range ownOptions {
		later[o[0]] = true
	}
	var kept [][]string
	for _, o := range slices.Backward(options) {
		if !later[o[0]] {
			kept = append(kept, o)
		}
		later[o[0]] = true
	}
	slices.Reverse(kept)
	return slices.Concat(kept...)
}

// cutOptions cuts words into server options with their arguments. It stops,
// uncertain, behind an option whose number of arguments varies.
func cutOptions(words []string) (options [][]string, certain bool) {
	rows := sharedIndex().server
	for len(words) > 0 {
		kw := rows[optionName(words[0])]
		if kw == nil || kw.Max > kw.Min || kw.Max < 0 || 1+kw.Min > len(words) {
			return options, false
		}
		options = append(options, words[:1+kw.Min])
		words = words[1+kw.Min:]
	}
	return options, true
}

// withID appends the id of the listener or server that the line made, unless it
// has one or several were made.
func (s *recordSection) withID(st recordStatement, words []string) []string {
	id := 0
	switch {
	case s.px == nil || len(words) > maxWords-2:
	case st.kw.Name == "bind" && st.bind >= 0:
		id = s.px.Binds[st.bind].ID
	case st.kw.Name == "server" && st.server >= 0:
		id = s.px.Servers[st.server].ID
	}
	if id == 0 || slices.Contains(st.Words[1:], "id") {
		return words
	}
	return append(slices.Clip(words), "id", strconv.Itoa(id))
}

// quoteWords writes words so that the lexer reads them back.
func quoteWords(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = Quote(w)
	}
	return strings.Join(quoted, " ")
}

// Quote writes one word of a line so that it is read back as it is (manual,
// section 2.2).
func Quote(word string) string {
	special, control := word == "", false
	for i := 0; i < len(word); i++ {
		switch c := word[i]; {
		case c == ' ' || c == '#' || c == '"' || c == '\\':
			special = true
		case c < ' ' || c == '\'' || c == 0x7f:
			control = true
		}
	}
	switch {
	case control:
		return escapeWord(word)
	case special:
		return "'" + word + "'"
	}
	return word
}

// escapeWord writes a word that single quotes cannot hold.
func escapeWord(word string) string {
	var b strings.Builder
	for i := 0; i < len(word); i++ {
		switch c := word[i]; {
		case strings.IndexByte(" #\"'\\", c) >= 0:
			b.WriteString(`\` + string(c))
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\t':
			b.WriteString(`\t`)
		case c == '\r':
			b.WriteString(`\r`)
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
