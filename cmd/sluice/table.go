package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// errArguments makes execute print the command's synopsis.
var errArguments = errors.New("wrong arguments")

// errExit ends the console.
var errExit = errors.New("exit")

// command is one row of the command table: the console, "sluice CMD", help and
// completion come from it.
type command struct {
	name string // one or two words
	args string // synopsis of the arguments
	help string // one line
	// complete names what the argument after args can be, for completion and "?";
	// nil where nothing can be named.
	complete func(ctx context.Context, s *shell, args []string) []string
	run      func(ctx context.Context, s *shell, args []string) error
}

// synopsis is the command with its arguments.
func (c *command) synopsis() string { return strings.TrimSpace(c.name + " " + c.args) }

// findCommand returns the command whose name begins words, the longest one, and
// the words behind it.
func findCommand(words []string) (*command, []string) {
	var best *command
	var rest []string
	for _, g := range commands() {
		for _, c := range g.rows {
			name := strings.Fields(c.name)
			if len(words) >= len(name) && slices.Equal(words[:len(name)], name) && (best == nil || len(name) > len(words)-len(rest)) {
				best, rest = &c, words[len(name):]
			}
		}
	}
	return best, rest
}

// matching returns the commands whose names begin with the words of name.
func matching(name []string) []command {
	var rows []command
	for _, g := range commands() {
		for _, c := range g.rows {
			words := strings.Fields(c.name)
			if len(words) >= len(name) && slices.Equal(words[:len(name)], name) {
				rows = append(rows, c)
			}
		}
	}
	return rows
}

// unknown explains why words are no command.
func unknown(words []string) error {
	if rows := matching(words[:1]); len(rows) > 0 {
		accepted := strings.Join(nextWords(words[:1]), ", ")
		if len(words) == 1 {
			return fmt.Errorf("%w: %s what? accepted are %s", errUsage, words[0], accepted)
		}
		return fmt.Errorf("%w: no command \"%s %s\"; accepted after %s are %s", errUsage, words[0], words[1], words[0], accepted)
	}
	return fmt.Errorf("%w: no command %q%s; \"help\" lists the commands", errUsage, words[0], suggest(words[0]))
}

// suggest names a command that begins like word.
func suggest(word string) string {
	for n := len(word); n > 0; n-- {
		for _, first := range nextWords(nil) {
			if strings.HasPrefix(first, word[:n]) {
				return fmt.Sprintf(" (did you mean %q?)", first)
			}
		}
	}
	return ""
}

// nextWords returns the words that continue the words of a command's name.
func nextWords(name []string) []string {
	var next []string
	for _, c := range matching(name) {
		if words := strings.Fields(c.name); len(words) > len(name) && !slices.Contains(next, words[len(name)]) {
			next = append(next, words[len(name)])
		}
	}
	return next
}

// splitLine splits a command line into words. Quotes of both kinds keep blanks, a
// backslash outside single quotes takes the next character as it is.
func splitLine(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	var quote rune
	in, escaped := false, false
	for _, r := range line {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			in, escaped = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '"' || r == '\'':
			in, quote = true, r
		case r == ' ' || r == '\t':
			if in {
				words = append(words, word.String())
				word.Reset()
				in = false
			}
		default:
			in = true
			word.WriteRune(r)
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("%w: the quote %c is not closed", errUsage, quote)
	}
	if escaped {
		return nil, fmt.Errorf("%w: nothing follows the backslash", errUsage)
	}
	if in {
		words = append(words, word.String())
	}
	return words, nil
}

// completionLimit is how long the daemons may take to name what can be typed.
const completionLimit = time.Second

// candidates returns what the word at the end of before can be: the words of
// command names, and what the command's row says.
func (s *shell) candidates(ctx context.Context, before string) (words []string, partial string, list []string) {
	words, err := splitLine(before)
	if err != nil {
		return nil, "", nil
	}
	if n := len(words); n > 0 && !strings.HasSuffix(before, " ") {
		words, partial = words[:n-1], words[n-1]
	}
	list = nextWords(words)
	if c, args := findCommand(words); c != nil && c.complete != nil {
		ctx, cancel := context.WithTimeout(ctx, completionLimit)
		defer cancel()
		s.completing = true
		list = append(list, c.complete(ctx, s, args)...)
		s.completing = false
	}
	list = slices.DeleteFunc(list, func(w string) bool { return !strings.HasPrefix(w, partial) })
	return words, partial, list
}

// complete is the tab key.
func (s *shell) complete(ctx context.Context) func(before string) (string, []string) {
	return func(before string) (string, []string) {
		_, partial, list := s.candidates(ctx, before)
		if len(list) == 0 || !strings.HasSuffix(before, partial) {
			return before, nil
		}
		common := list[0]
		for _, w := range list[1:] {
			for !strings.HasPrefix(w, common) {
				_, size := utf8.DecodeLastRuneInString(common)
				common = common[:len(common)-size]
			}
		}
		if len(list) == 1 && !strings.HasSuffix(common, "/") {
			common += " "
		}
		return strings.TrimSuffix(before, partial) + common, list
	}
}

// helpAt is the key "?": what can follow the text before the cursor. Inside quotes
// it is a character.
func (s *shell) helpAt(ctx context.Context) func(before string) (string, bool) {
	return func(before string) (string, bool) {
		if _, err := splitLine(before); err != nil {
			return "", false
		}
		words, partial, list := s.candidates(ctx, before)
		if len(words) == 0 && partial == "" {
			return overview(s.columns()), true
		}
		var b strings.Builder
		if c, _ := findCommand(words); c != nil {
			fmt.Fprintf(&b, "  %s      %s", wrap(c.synopsis(), s.columns(), 2), wrap(c.help, s.columns(), 6))
			if len(list) > 0 {
				fmt.Fprintf(&b, "  known here:\n%s", indent(inColumns(list, s.columns()-4), "    "))
			}
			return b.String(), true
		}
		for _, c := range matching(words) {
			if name := strings.Fields(c.name); len(name) > len(words) && strings.HasPrefix(name[len(words)], partial) {
				writeRow(&b, c, s.columns())
			}
		}
		if b.Len() == 0 {
			return fmt.Sprintf("  nothing begins with %q here; \"help\" lists the commands\n", strings.TrimSpace(before)), true
		}
		return b.String(), true
	}
}

// helpColumn is where the explanations begin.
const helpColumn = 28

func writeRow(b *strings.Builder, c command, columns int) {
	left := c.synopsis()
	if len(left) > helpColumn-4 || columns < 2*helpColumn {
		fmt.Fprintf(b, "  %s      %s", wrap(left, columns, 2), wrap(c.help, columns, 6))
		return
	}
	fmt.Fprintf(b, "  %-*s%s", helpColumn-2, left, wrap(c.help, columns, helpColumn))
}

// overview names all commands on one screen.
func overview(columns int) string {
	var b strings.Builder
	for _, g := range commands() {
		fmt.Fprintf(&b, "%s\n  %s", g.title, wrap(strings.Join(topics(g.rows), ", "), columns, 2))
	}
	b.WriteString(wrap("\"help COMMAND\" or \"?\" behind a word explains it, \"help all\" explains everything. "+
		"The tab key completes words, the arrow keys bring earlier lines back.", columns, 0))
	return b.String()
}

// topics joins the rows that share a first word: "show status|config".
func topics(rows []command) []string {
	var out []string
	for _, c := range rows {
		first, second, two := strings.Cut(c.name, " ")
		if n := len(out); n > 0 && two && strings.HasPrefix(out[n-1], first+" ") {
			out[n-1] += "|" + second
			continue
		}
		out = append(out, c.name)
	}
	return out
}

func help(_ context.Context, s *shell, args []string) error {
	var b strings.Builder
	switch {
	case len(args) == 0:
		b.WriteString(overview(s.columns()))
	case len(args) == 1 && args[0] == "all":
		for _, g := range commands() {
			fmt.Fprintf(&b, "%s\n", g.title)
			for _, c := range g.rows {
				writeRow(&b, c, s.columns())
			}
		}
	default:
		rows := matching(args)
		if len(rows) == 0 {
			return unknown(args)
		}
		for _, c := range rows {
			writeRow(&b, c, s.columns())
		}
	}
	_, err := fmt.Fprint(s.stdout, b.String())
	return err
}

func indent(text, by string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(by + line)
	}
	return b.String()
}
