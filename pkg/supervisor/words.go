package supervisor

import (
	"errors"
	"fmt"
	"strings"
)

// splitWords splits a value into words with systemd's quoting (systemd.syntax(7),
// "Quoting"): words in single or double quotes may hold white space, C-style
// backslash escapes are decoded inside and outside of quotes.
func splitWords(s string) ([]string, error) {
	var words []string
	for i := 0; ; {
		for i < len(s) && isBlank(s[i]) {
			i++
		}
		if i == len(s) {
			return words, nil
		}
		word, next, err := scanWord(s, i)
		if err != nil {
			return nil, err
		}
		words = append(words, word)
		i = next
	}
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// scanWord reads the word that starts at s[i] and returns the index behind it.
func scanWord(s string, i int) (string, int, error) {
	var b strings.Builder
	var quote byte
	for i < len(s) {
		c := s[i]
		switch {
		case c == '\\':
			n, err := unescape(&b, s[i:])
			if err != nil {
				return "", 0, err
			}
			i += n
			continue
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote == 0 && isBlank(c):
			return b.String(), i, nil
		default:
			b.WriteByte(c)
		}
		i++
	}
	if quote != 0 {
		return "", 0, fmt.Errorf("quote %c is not closed", quote)
	}
	return b.String(), i, nil
}

// simpleEscapes maps the letter behind a backslash to its byte.
var simpleEscapes = map[byte]byte{
	'a': '\a', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v',
	'\\': '\\', '"': '"', '\'': '\'', 's': ' ',
}

// unescape decodes the escape at the start of s into b and returns its length.
func unescape(b *strings.Builder, s string) (int, error) {
	if len(s) < 2 {
		return 0, errors.New("backslash at the end of the value")
	}
	if c, ok := simpleEscapes[s[1]]; ok {
		b.WriteByte(c)
		return 2, nil
	}
	base, digits, at := 0, 0, 2
	switch {
	case s[1] == 'x':
		base, digits = 16, 2
	case s[1] >= '0' && s[1] <= '7':
		base, digits, at = 8, 3, 1
	default:
		return 0, fmt.Errorf("escape %q: accepted are \\a \\b \\f \\n \\r \\t \\v \\\\ \\\" \\' \\s \\xHH \\OOO", s[:2])
	}
	if len(s) < at+digits {
		return 0, fmt.Errorf("escape %q is too short", s)
	}
	v := 0
	for _, c := range []byte(s[at : at+digits]) {
		d := strings.IndexByte("0123456789abcdef", c|0x20)
		if d < 0 || d >= base || (c < '0') {
			return 0, fmt.Errorf("escape %q: digit %q is not of base %d", s[:at+digits], c, base)
		}
		v = v*base + d
	}
	if v == 0 || v > 255 {
		return 0, fmt.Errorf("escape %q: a byte from 1 to 255 is needed", s[:at+digits])
	}
	b.WriteByte(byte(v))
	return at + digits, nil
}

// expandSpecifiers replaces systemd's % specifiers for the unit called name.
// Known are %n (full name), %N (without suffix), %p (prefix), %i and %I
// (instance) and %%.
func expandSpecifiers(s, name string) (string, error) {
	if !strings.Contains(s, "%") {
		return s, nil
	}
	base := strings.TrimSuffix(name, unitSuffix(name))
	prefix, instance, _ := strings.Cut(base, "@")
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		i++
		if i == len(s) {
			return "", errors.New("% at the end of the value; write %% for a percent sign")
		}
		switch s[i] {
		case '%':
			b.WriteByte('%')
		case 'n':
			b.WriteString(name)
		case 'N':
			b.WriteString(base)
		case 'p':
			b.WriteString(prefix)
		case 'i':
			b.WriteString(instance)
		case 'I':
			b.WriteString(strings.ReplaceAll(instance, "-", "/"))
		default:
			return "", fmt.Errorf("specifier %%%c: accepted are %%n %%N %%p %%i %%I %%%%", s[i])
		}
	}
	return b.String(), nil
}

// expandEnv replaces variables in the words of a command line as systemd does:
// a word that is $NAME alone becomes the value's words (none when unset),
// ${NAME} inside a word becomes the value, $$ a dollar sign.
func expandEnv(words []string, env map[string]string) []string {
	var out []string
	for i, w := range words {
		if name, ok := strings.CutPrefix(w, "$"); ok && i > 0 && isEnvName(name) {
			out = append(out, strings.Fields(env[name])...)
			continue
		}
		out = append(out, expandBraces(w, env))
	}
	return out
}

func expandBraces(w string, env map[string]string) string {
	var b strings.Builder
	for i := 0; i < len(w); i++ {
		if w[i] == '$' && i+1 < len(w) {
			if w[i+1] == '$' {
				b.WriteByte('$')
				i++
				continue
			}
			if end := strings.IndexByte(w[i:], '}'); w[i+1] == '{' && end > 0 && isEnvName(w[i+2:i+end]) {
				b.WriteString(env[w[i+2:i+end]])
				i += end
				continue
			}
		}
		b.WriteByte(w[i])
	}
	return b.String()
}

func isEnvName(s string) bool {
	for i, c := range []byte(s) {
		letter := c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}
