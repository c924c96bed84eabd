package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// testEnv is the environment of the lexer tests.
func testEnv(name string) (string, bool) {
	v, ok := map[string]string{"A": "1", "EMPTY": "", "LIST": " x  y z", ".LINE": "7"}[name]
	return v, ok
}

func TestWords(t *testing.T) {
	tests := []struct {
		name, text string
		want       []Word
	}{
		{"plain", "  server s1 1.2.3.4:5\n", []Word{{"server", 3}, {"s1", 10}, {"1.2.3.4:5", 13}}},
		{"tabs", "\ta\v\fb\n", []Word{{"a", 2}, {"b", 5}}},
		{"comment", "a b#c d", []Word{{"a", 1}, {"b", 3}}},
		{"only a comment", " # a", nil},
		{"blank", " \t\n", nil},
		{"carriage return", "a b\r\n", []Word{{"a", 1}, {"b", 3}}},
		{"carriage return inside", "a\rb\n", []Word{{"a", 1}}},
		{"escaped space", `a\ b c`, []Word{{"a b", 1}, {"c", 6}}},
		{"escaped hash", `a\#b c`, []Word{{"a#b", 1}, {"c", 6}}},
		{"escapes", `\\\n\r\t\x41\'\"`, []Word{{"\\\n\r\tA'\"", 1}}},
		{"unknown escape", `a\qb\1`, []Word{{`a\qb\1`, 1}}},
		{"dollar escape outside quotes", `a\$b`, []Word{{`a\$b`, 1}}},
		{"dollar escape in weak quotes", `"\$A"`, []Word{{"$A", 1}}},
		{"backslash at the end", "a \\\n", []Word{{"a", 1}, {`\`, 3}}},
		{"weak quotes", `x "a b # 'c'" d`, []Word{{"x", 1}, {"a b # 'c'", 3}, {"d", 15}}},
		{"strong quotes", `x '"$A" \n' d`, []Word{{"x", 1}, {`"$A" \n`, 3}, {"d", 13}}},
		{"adjacent quotes", `a"b c"'d e'f g`, []Word{{"ab cd ef", 1}, {"g", 14}}},
		{"empty word", `a "" b`, []Word{{"a", 1}, {"", 3}, {"b", 6}}},
		{"empty last word", `a ""`, []Word{{"a", 1}}},
		{"variable", `"$A" "x${A}y"`, []Word{{"1", 1}, {"x1y", 6}}},
		{"variable outside quotes", `$A '$A'`, []Word{{"$A", 1}, {"$A", 4}}},
		{"unset variable", `"$NO" "${NO}"b c"$NO" d`, []Word{{"b", 1}, {"cd", 16}}},
		{"default", `"${NO-a b}" "${EMPTY-x}" "${A-x}"z`, []Word{{"a b", 1}, {"", 13}, {"1z", 26}}},
		{"split", `"a${LIST[*]}b" c`, []Word{{"a", 1}, {"x", 3}, {"y", 3}, {"zb", 3}, {"c", 16}}},
		{"split with default", `"${NO[*]-q r}"`, []Word{{"q", 1}, {"r", 2}}},
		{"pseudo-variable", `"$.LINE"`, []Word{{"7", 1}}},
		{"64 words", strings.Repeat("a ", 64), wordsOf(64)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, d := Line{Num: 1, Text: tt.text}.Words(testEnv)
			if d != nil {
				t.Fatalf("Words(%q) = %v", tt.text, d)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("Words(%q) (-want +got):\n%s", tt.text, diff)
			}
		})
	}
}

func wordsOf(n int) []Word {
	words := make([]Word, n)
	for i := range words {
		words[i] = Word{"a", 2*i + 1}
	}
	return words
}

func TestWordsFaults(t *testing.T) {
	tests := []struct {
		name, text string
		col        int
		message    string
	}{
		{"weak quote", `a "b`, 3, "unmatched quote"},
		{"strong quote", "a b'c\n", 4, "unmatched quote"},
		{"short hexadecimal", `ab\x4`, 3, "truncated or invalid hexadecimal sequence"},
		{"bad hexadecimal", `\xg0`, 1, "truncated or invalid hexadecimal sequence"},
		{"hexadecimal zero", `\x00`, 1, "truncated or invalid hexadecimal sequence"},
		{"digit in front", `"$1"`, 3, "forbidden first char in environment variable name"},
		{"no name", `"${}"`, 4, "forbidden first char in environment variable name"},
		{"end after dollar", `"$`, 3, "forbidden first char in environment variable name"},
		{"open brace", `"${A"`, 3, "unmatched brace in environment variable name"},
		{"open default", `"${A-x"`, 3, "unmatched brace in environment variable name"},
		{"bad expansion", `"${A[1]}"`, 5, "truncated or invalid word expansion sequence"},
		{"unknown pseudo-variable", `"$.X"`, 3, `unknown pseudo-variable ".X"`},
		{"NUL", "a\x00b", 2, "NUL byte in the line"},
		{"65 words", strings.Repeat("a ", 65), 129, "too many words: 65"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, d := Line{Num: 3, Text: tt.text}.Words(testEnv)
			if d == nil {
				t.Fatalf("Words(%q) found no fault", tt.text)
			}
			if d.Pos != (Pos{Line: 3, Col: tt.col}) || d.Message != tt.message || d.Accepted == "" {
				t.Errorf("Words(%q) = %v, want 3:%d: %s", tt.text, d, tt.col, tt.message)
			}
		})
	}
}
