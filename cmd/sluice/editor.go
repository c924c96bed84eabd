package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// textEditor edits a text by lines and commands, as ed does: all that a dumb
// terminal needs. The text is kept as lines without their ends.
type textEditor struct {
	s     *shell
	name  string
	lines []string
	saved []string // as last stored
	undo  []string // before the last change
}

const editorHelp = `  p [N[-M]]    print all lines, or some
  N TEXT       line N becomes TEXT
  i N [TEXT]   put TEXT before line N; without it, lines until a lone "."
  a [TEXT]     put TEXT at the end; without it, lines until a lone "."
  d N[-M]      delete lines
  paste        replace everything by what follows until a lone "."
  u            take the last change back
  w            store the text and leave
  q            leave; what was not stored is forgotten
`

// errLeave ends the editor.
var errLeave = errors.New("leave")

// editorCommand is a row of the editor's table.
type editorCommand struct {
	name string
	run  func(e *textEditor, ctx context.Context, rest string) error
}

func editorCommands() []editorCommand {
	return []editorCommand{
		{"p", (*textEditor).print}, {"i", (*textEditor).insert}, {"a", (*textEditor).add},
		{"d", (*textEditor).remove}, {"paste", (*textEditor).paste}, {"u", (*textEditor).takeBack},
		{"q", (*textEditor).quit}, {"help", (*textEditor).help}, {"?", (*textEditor).help},
	}
}

// edit lets the user change text and calls store for what shall be kept; a text
// that store refuses stays in the editor. It returns errInterrupt or io.EOF if the
// user left that way; nothing was stored then, or only what was stored before.
func (s *shell) edit(ctx context.Context, name, text string, store func(text string) error) error {
	e := &textEditor{s: s, name: name, lines: splitText(text)}
	e.saved = e.lines
	if s.term != nil {
		_ = e.print(ctx, "")
		fmt.Fprintf(s.stdout, "%s: %s. \"help\" lists the editor's commands; \"w\" stores and leaves, \"q\" leaves.\n", name, count(len(e.lines), "line"))
	}
	for {
		line, err := s.readLine(ctx, lineOptions{prompt: "edit> ", history: true})
		if err != nil {
			return err
		}
		if strings.TrimSpace(line) == "w" {
			if err = store(joinText(e.lines)); err == nil {
				return nil
			}
		} else {
			err = e.command(ctx, line)
		}
		switch {
		case errors.Is(err, errLeave):
			return nil
		case errors.Is(err, errInterrupt):
			fmt.Fprintln(s.stdout, "  The text is as before; \"q\" leaves.")
		case errors.Is(err, io.EOF), errors.Is(err, errHangup):
			return err
		case err != nil:
			fmt.Fprintf(s.stdout, "  %v\n", err)
		}
	}
}

// command runs one line.
func (e *textEditor) command(ctx context.Context, line string) error {
	trimmed := strings.TrimLeft(line, " ")
	word, rest, _ := strings.Cut(trimmed, " ")
	if word == "" {
		return nil
	}
	if n, err := strconv.Atoi(word); err == nil {
		return e.replace(n, strings.TrimPrefix(trimmed[len(word):], " "))
	}
	for _, c := range editorCommands() {
		if c.name == word {
			return c.run(e, ctx, rest)
		}
	}
	return fmt.Errorf("no command %q; accepted are p, N TEXT, i, a, d, paste, u, w, q and help", word)
}

func (e *textEditor) help(context.Context, string) error {
	fmt.Fprint(e.s.stdout, editorHelp)
	return nil
}

// span reads "N" or "N-M", lines from 1.
func (e *textEditor) span(text string) (from, to int, err error) {
	a, b, two := strings.Cut(strings.TrimSpace(text), "-")
	from, err = strconv.Atoi(strings.TrimSpace(a))
	if to = from; err == nil && two {
		to, err = strconv.Atoi(strings.TrimSpace(b))
	}
	if err != nil || from < 1 || to < from || to > len(e.lines) {
		return 0, 0, fmt.Errorf("%q: accepted is a line's number, or two with a dash, %s", strings.TrimSpace(text), e.extent())
	}
	return from, to, nil
}

func (e *textEditor) extent() string {
	if len(e.lines) == 0 {
		return "but the text is empty"
	}
	return fmt.Sprintf("from 1 to %d", len(e.lines))
}

func (e *textEditor) print(_ context.Context, rest string) error {
	from, to := 1, len(e.lines)
	if strings.TrimSpace(rest) != "" {
		var err error
		if from, to, err = e.span(rest); err != nil {
			return err
		}
	}
	for n := from; n <= to; n++ {
		fmt.Fprintf(e.s.stdout, "%4d %s\n", n, e.lines[n-1])
	}
	return nil
}

// set makes lines the text and keeps the old one for undo.
func (e *textEditor) set(lines ...[]string) error {
	var all []string
	for _, part := range lines {
		all = append(all, part...)
	}
	e.undo, e.lines = e.lines, all
	return nil
}

func (e *textEditor) replace(n int, text string) error {
	if n < 1 || n > len(e.lines) {
		return fmt.Errorf("no line %d: accepted is a line's number %s; \"a\" adds lines", n, e.extent())
	}
	return e.set(e.lines[:n-1], []string{text}, e.lines[n:])
}

func (e *textEditor) insert(ctx context.Context, rest string) error {
	word, text, given := strings.Cut(strings.TrimLeft(rest, " "), " ")
	n, _, err := e.span(word)
	if err != nil {
		return err
	}
	added, err := e.block(ctx, text, given)
	if err != nil {
		return err
	}
	return e.set(e.lines[:n-1], added, e.lines[n-1:])
}

func (e *textEditor) add(ctx context.Context, rest string) error {
	added, err := e.block(ctx, rest, rest != "")
	if err != nil {
		return err
	}
	return e.set(e.lines, added)
}

func (e *textEditor) remove(_ context.Context, rest string) error {
	from, to, err := e.span(rest)
	if err != nil {
		return err
	}
	return e.set(e.lines[:from-1], e.lines[to:])
}

func (e *textEditor) paste(ctx context.Context, rest string) error {
	if strings.TrimSpace(rest) != "" {
		return errors.New("paste takes no argument: the text follows on lines of its own")
	}
	lines, err := e.block(ctx, "", false)
	if err != nil {
		return err
	}
	return e.set(lines)
}

// block returns the given text, or reads lines until a lone dot.
func (e *textEditor) block(ctx context.Context, text string, given bool) ([]string, error) {
	if given {
		return []string{text}, nil
	}
	if e.s.term != nil {
		fmt.Fprintln(e.s.stdout, `  lines follow, a lone "." ends them, ctrl-c forgets them`)
	}
	var lines []string
	for {
		line, err := e.s.readLine(ctx, lineOptions{})
		if err != nil {
			return nil, err
		}
		if line == "." {
			return lines, nil
		}
		lines = append(lines, strings.TrimRight(line, " \t"))
	}
}

func (e *textEditor) takeBack(context.Context, string) error {
	if e.undo == nil {
		return errors.New("nothing to take back")
	}
	e.lines, e.undo = e.undo, nil
	return nil
}

func (e *textEditor) quit(ctx context.Context, _ string) error {
	if e.s.term == nil || joinText(e.lines) == joinText(e.saved) {
		return errLeave
	}
	yes, err := e.s.agree(ctx, "The changes are not stored. Forget them", "no")
	if err != nil || !yes {
		return err
	}
	return errLeave
}

func splitText(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

func joinText(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return strings.Join(lines, "\n") + "\n"
}
