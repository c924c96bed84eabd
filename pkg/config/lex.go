package config

import (
	"fmt"
	"strings"
)

// maxWords is the number of words that HAProxy accepts on one line.
const maxWords = 64

// Word is one word of a line after quotes and escapes are resolved.
type Word struct {
	Text string
	Col  int // where the word begins on the line, in bytes from 1, quote included
}

// lexFault is what keeps a line from being cut into words.
type lexFault struct {
	col      int
	msg      string
	accepted string
}

// lookupFunc resolves an environment variable or a pseudo-variable (".LINE").
type lookupFunc func(name string) (string, bool)

// lexer cuts one line into words (manual, sections 2.2 and 2.3).
type lexer struct {
	text   string
	env    lookupFunc
	words  []Word
	in     int  // next byte of text
	start  int  // where the word under construction begins; -1: between words
	from   int  // first byte of text not yet copied to buf
	quote  byte // the open quote, 0 outside
	opened int  // where that quote is
	buf    []byte
	copied bool // buf holds the beginning of the word: it is not a plain substring
	// glue is set behind a variable that is not set: HAProxy lets the blanks that
	// follow not end the word.
	glue bool
}

// Words cuts the line into words; comments are left out. env resolves
// environment variables, nil sets none. The diagnostic, if any, has no file name.
func (l Line) Words(env func(name string) (string, bool)) ([]Word, *Diagnostic) {
	if env == nil {
		env = func(string) (string, bool) { return "", false }
	}
	words, fault := splitWords(l.Text, env, nil)
	if fault == nil {
		return words, nil
	}
	pos := Pos{Line: l.Num, Col: fault.col}
	return words, &Diagnostic{Pos: pos, Severity: Alert, Message: fault.msg, Accepted: fault.accepted}
}

// splitWords appends the words of text to dst. An empty last word is dropped, as
// HAProxy does.
func splitWords(text string, env lookupFunc, dst []Word) ([]Word, *lexFault) {
	lx := lexer{text: text, env: env, words: dst, start: -1}
	fault := lx.run()
	if n := len(lx.words); n > len(dst) && lx.words[n-1].Text == "" {
		lx.words = lx.words[:n-1]
	}
	if n := len(lx.words) - len(dst); fault == nil && n > maxWords {
		w := lx.words[len(dst)+maxWords]
		fault = &lexFault{
			col:      w.Col,
			msg:      fmt.Sprintf("too many words: %d", n),
			accepted: fmt.Sprintf("at most %d words on a line", maxWords),
		}
	}
	return lx.words, fault
}

func (lx *lexer) run() *lexFault {
	for lx.in < len(lx.text) {
		c := lx.text[lx.in]
		switch {
		case c == '\n' || c == '\r':
			return lx.finish()
		case c == '#' && lx.quote == 0:
			return lx.finish()
		case c == 0:
			return &lexFault{col: lx.in + 1, msg: "NUL byte in the line", accepted: "text"}
		case c == '"' && lx.quote != '\'', c == '\'' && lx.quote != '"':
			lx.toggle(c)
		case c == '\\' && lx.quote != '\'':
			if fault := lx.escape(); fault != nil {
				return fault
			}
		case isSpace(c) && lx.quote == 0 && lx.glue:
			lx.flush(1)
		case isSpace(c) && lx.quote == 0:
			lx.endWord()
			lx.in++
		case c == '$' && lx.quote == '"':
			if fault := lx.variable(); fault != nil {
				return fault
			}
		default:
			lx.begin()
			lx.glue = false
			lx.in++
		}
	}
	return lx.finish()
}

func (lx *lexer) finish() *lexFault {
	lx.endWord()
	if lx.quote != 0 {
		return &lexFault{col: lx.opened + 1, msg: "unmatched quote", accepted: "a closing " + string(lx.quote) + " on the same line"}
	}
	return nil
}

// begin opens a word at the current byte if none is open.
func (lx *lexer) begin() {
	if lx.start < 0 {
		lx.start, lx.from, lx.copied = lx.in, lx.in, false
	}
}

// flush copies the plain bytes before the current one and goes on after skip
// more bytes of the text.
func (lx *lexer) flush(skip int) {
	lx.begin()
	if !lx.copied {
		lx.buf, lx.copied = lx.buf[:0], true
	}
	lx.buf = append(lx.buf, lx.text[lx.from:lx.in]...)
	lx.in += skip
	lx.from = lx.in
}

func (lx *lexer) endWord() {
	if lx.start < 0 {
		return
	}
	lx.glue = false
	word := Word{Col: lx.start + 1}
	if lx.copied {
		word.Text = string(append(lx.buf, lx.text[lx.from:lx.in]...))
	} else {
		word.Text = lx.text[lx.start:lx.in]
	}
	lx.words = append(lx.words, word)
	lx.start = -1
}

func (lx *lexer) toggle(c byte) {
	if lx.quote == 0 {
		lx.quote, lx.opened, lx.glue = c, lx.in, false
	} else {
		lx.quote = 0
	}
	lx.flush(1)
}

// escape resolves a backslash; one before any other character stays as it is.
func (lx *lexer) escape() *lexFault {
	rest := lx.text[lx.in+1:]
	lx.glue = false
	if rest == "" {
		lx.begin()
		lx.in++
		return nil
	}
	emit, size := rest[0], 2
	switch rest[0] {
	case ' ', '\\', '#', '\'', '"':
	case 't':
		emit = '\t'
	case 'n':
		emit = '\n'
	case 'r':
		emit = '\r'
	case '$':
		if lx.quote != '"' {
			emit, size = '\\', 1
		}
	case 'x':
		hi, lo := hexDigit(rest, 1), hexDigit(rest, 2)
		if hi < 0 || lo < 0 || hi+lo == 0 {
			return &lexFault{col: lx.in + 1, msg: "truncated or invalid hexadecimal sequence", accepted: `\x and two hexadecimal digits other than 00`}
		}
		emit, size = byte(hi<<4|lo), 4
	default:
		emit, size = '\\', 1
	}
	lx.flush(size)
	lx.buf = append(lx.buf, emit)
	return nil
}

// variable expands $NAME, ${NAME}, ${NAME-default} and ${NAME[*]}.
func (lx *lexer) variable() *lexFault {
	at := lx.in
	s := lx.text[at+1:]
	brace := strings.HasPrefix(s, "{")
	i := 0
	if brace {
		i = 1
	}
	end := nameEnd(s, i)
	if end == i || isDigit(s[i]) {
		return &lexFault{col: at + i + 2, msg: "forbidden first char in environment variable name", accepted: "a letter or _"}
	}
	name := s[i:end]
	value, ok := lx.env(name)
	if !ok && name[0] == '.' {
		return &lexFault{col: at + i + 2, msg: fmt.Sprintf("unknown pseudo-variable %q", name), accepted: ".FILE, .LINE, .SECTION"}
	}
	split, fallback := false, false
	if brace {
		if strings.HasPrefix(s[end:], "[") {
			if !strings.HasPrefix(s[end:], "[*]") {
				return &lexFault{col: at + end + 2, msg: "truncated or invalid word expansion sequence", accepted: "[*]"}
			}
			split, end = true, end+3
		}
		closing := end
		if strings.HasPrefix(s[end:], "-") {
			fallback = true
			closing = strings.IndexAny(s[end:], "}\r\n") + end
			if closing > end && !ok {
				value = s[end+1 : closing]
			}
		}
		if closing < end || closing >= len(s) || s[closing] != '}' {
			return &lexFault{col: at + 2, msg: "unmatched brace in environment variable name", accepted: "a closing }"}
		}
		end = closing + 1
	}
	lx.flush(end + 1)
	lx.emitValue(value, split, at)
	lx.glue = !ok && !fallback
	return nil
}

// emitValue adds the value of a variable; with split its spaces part words.
func (lx *lexer) emitValue(value string, split bool, at int) {
	for i := 0; i < len(value); i++ {
		if !split || !isSpace(value[i]) {
			lx.buf = append(lx.buf, value[i])
			continue
		}
		for i+1 < len(value) && isSpace(value[i+1]) {
			i++
		}
		lx.words = append(lx.words, Word{Text: string(lx.buf), Col: lx.start + 1})
		lx.buf, lx.start = lx.buf[:0], at
	}
}

// nameEnd returns where the variable name that starts at i ends.
func nameEnd(s string, i int) int {
	if i < len(s) && s[i] == '.' {
		i++
	}
	for i < len(s) && (s[i] == '_' || isAlnum(s[i])) {
		i++
	}
	return i
}

func hexDigit(s string, i int) int {
	if i >= len(s) {
		return -1
	}
	switch c := s[i]; {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }
func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isAlnum(c byte) bool { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'z' }
