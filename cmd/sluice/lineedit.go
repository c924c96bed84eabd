package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// lineOptions say how a line is read.
type lineOptions struct {
	prompt  string
	secret  bool // nothing is echoed
	history bool // lines are remembered, the arrow keys bring them back
	// complete returns what the tab key makes of the text before the cursor, and
	// the choices if there are several.
	complete func(before string) (text string, choices []string)
	// help returns what "?" shows at the end of the text before the cursor; false
	// makes "?" an ordinary character.
	help func(before string) (string, bool)
}

// Keys that are not characters.
const (
	keyUp rune = -1 - iota
	keyDown
	keyLeft
	keyRight
	keyHome
	keyEnd
	keyDelete
	keyIgnored
)

// escapeWait is how long the rest of a key's sequence may take, in milliseconds;
// a character takes one at 9600 baud.
const escapeWait = 200

// readKey returns a character, a control character or one of the keys above.
func (t *terminal) readKey(ctx context.Context) (rune, error) {
	b, _, err := t.readByte(ctx, -1)
	if err != nil {
		return 0, err
	}
	switch {
	case b == 0x1b:
		return t.readSequence(ctx)
	case b < utf8.RuneSelf:
		return rune(b), nil
	}
	buf := []byte{b}
	for !utf8.FullRune(buf) {
		b, ok, err := t.readByte(ctx, escapeWait)
		if err != nil {
			return 0, err
		}
		if !ok {
			break
		}
		buf = append(buf, b)
	}
	r, _ := utf8.DecodeRune(buf)
	return r, nil
}

// readSequence reads what follows the escape character (ECMA-48, 5.4).
func (t *terminal) readSequence(ctx context.Context) (rune, error) {
	b, ok, err := t.readByte(ctx, escapeWait)
	if err != nil || !ok || b != '[' && b != 'O' {
		return keyIgnored, err
	}
	sequence := ""
	for {
		b, ok, err := t.readByte(ctx, escapeWait)
		if err != nil || !ok {
			return keyIgnored, err
		}
		sequence += string(rune(b))
		if b >= 0x40 && b <= 0x7e {
			break
		}
	}
	switch sequence {
	case "A":
		return keyUp, nil
	case "B":
		return keyDown, nil
	case "C":
		return keyRight, nil
	case "D":
		return keyLeft, nil
	case "H", "1~", "7~":
		return keyHome, nil
	case "F", "4~", "8~":
		return keyEnd, nil
	case "3~":
		return keyDelete, nil
	}
	return keyIgnored, nil
}

// lineEditor edits one line. It writes nothing but characters, backspaces and
// line ends, which any terminal understands, and only what has changed; a line
// that is longer than the screen is wide scrolls sideways.
type lineEditor struct {
	lineOptions
	t      *terminal
	line   []rune
	pos    int // of the cursor in line
	first  int // of line that is visible
	shown  []rune
	cursor int // column behind the prompt
	recall int // index into the history; its length is the new line
	draft  []rune
}

// readLine reads a line, without its end. It fails with io.EOF (ctrl-d, or the end
// of ctx), errInterrupt (ctrl-c) or errHangup; the terminal stays in editing mode.
func (t *terminal) readLine(ctx context.Context, opt lineOptions) (string, error) {
	if err := t.editing(); err != nil {
		return "", err
	}
	e := &lineEditor{lineOptions: opt, t: t, recall: len(t.history)}
	fmt.Fprint(t.out, opt.prompt)
	for {
		key, err := t.readKey(ctx)
		if err == nil {
			var done bool
			if done, err = e.press(key); done {
				line := string(e.line)
				if opt.history {
					t.remember(strings.TrimSpace(line))
				}
				return line, nil
			}
		}
		if err != nil {
			if err != errHangup {
				fmt.Fprintln(t.out)
			}
			return "", err
		}
		e.draw()
	}
}

// press does what a key asks for.
func (e *lineEditor) press(key rune) (done bool, err error) {
	switch key {
	case '\r', '\n':
		e.pos = len(e.line)
		e.draw()
		fmt.Fprintln(e.t.out)
		return true, nil
	case 'C' & 0x1f, 0x1c:
		return false, errInterrupt
	case 'D' & 0x1f:
		if len(e.line) == 0 {
			return false, io.EOF
		}
		e.remove(e.pos, e.pos+1)
	case keyDelete:
		e.remove(e.pos, e.pos+1)
	case 0x7f, 'H' & 0x1f:
		e.remove(e.pos-1, e.pos)
	case 'U' & 0x1f:
		e.remove(0, e.pos)
	case 'K' & 0x1f:
		e.remove(e.pos, len(e.line))
	case 'W' & 0x1f:
		e.remove(e.wordStart(), e.pos)
	case 'A' & 0x1f, keyHome:
		e.pos = 0
	case 'E' & 0x1f, keyEnd:
		e.pos = len(e.line)
	case 'B' & 0x1f, keyLeft:
		e.pos = max(e.pos-1, 0)
	case 'F' & 0x1f, keyRight:
		e.pos = min(e.pos+1, len(e.line))
	case 'P' & 0x1f, keyUp:
		e.fromHistory(e.recall - 1)
	case 'N' & 0x1f, keyDown:
		e.fromHistory(e.recall + 1)
	case 'L' & 0x1f:
		e.again("")
	case '\t':
		e.tab()
	default:
		if key >= ' ' {
			e.character(key)
		}
	}
	return false, nil
}

func (e *lineEditor) character(r rune) {
	if r == '?' && e.help != nil {
		if text, ok := e.help(string(e.line[:e.pos])); ok {
			e.again("?\n" + text)
			return
		}
	}
	e.insert([]rune{r})
}

func (e *lineEditor) insert(text []rune) {
	tail := append(text[:len(text):len(text)], e.line[e.pos:]...)
	e.line = append(e.line[:e.pos:e.pos], tail...)
	e.pos += len(text)
}

// remove cuts line[from:to], as far as it exists, and leaves the cursor there.
func (e *lineEditor) remove(from, to int) {
	from, to = max(from, 0), min(to, len(e.line))
	if from < to {
		e.line = append(e.line[:from:from], e.line[to:]...)
		e.pos = from
	}
}

func (e *lineEditor) wordStart() int {
	i := e.pos
	for i > 0 && e.line[i-1] == ' ' {
		i--
	}
	for i > 0 && e.line[i-1] != ' ' {
		i--
	}
	return i
}

func (e *lineEditor) fromHistory(i int) {
	past := e.t.history
	if !e.history || i < 0 || i > len(past) {
		return
	}
	if e.recall == len(past) {
		e.draft = e.line
	}
	if e.recall = i; i == len(past) {
		e.line = e.draft
	} else {
		e.line = []rune(past[i])
	}
	e.pos = len(e.line)
}

// tab completes the word at the cursor. Where nothing completes, it is a
// character of the text, for configuration files have tabs.
func (e *lineEditor) tab() {
	if e.complete == nil {
		e.insert([]rune{'\t'})
		return
	}
	before := string(e.line[:e.pos])
	text, choices := e.complete(before)
	tail := e.line[e.pos:]
	e.line = append([]rune(text), tail...)
	e.pos = len(e.line) - len(tail)
	switch {
	case text != before:
	case len(choices) > 1:
		e.again("\n" + inColumns(choices, e.t.columns()))
	default:
		fmt.Fprint(e.t.out, "\a")
	}
}

// again prints text and then the prompt and the line anew.
func (e *lineEditor) again(text string) {
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	if text == "" {
		text = "\n"
	}
	fmt.Fprint(e.t.out, text, e.prompt)
	e.shown, e.cursor = nil, 0
}

// draw brings the screen from what it shows to what it should show.
func (e *lineEditor) draw() {
	if e.secret {
		return
	}
	// The last column stays free: terminals disagree on what happens there.
	room := max(e.t.columns()-utf8.RuneCountInString(e.prompt)-1, 10)
	if e.pos < e.first {
		e.first = max(e.pos-room/2, 0)
	} else if e.pos > e.first+room {
		e.first = e.pos - room/2
	}
	want := make([]rune, 0, room)
	for _, r := range e.line[e.first:min(len(e.line), e.first+room)] {
		if r < ' ' {
			r = ' '
		}
		want = append(want, r)
	}
	same := 0
	for same < min(len(want), len(e.shown)) && want[same] == e.shown[same] {
		same++
	}
	var out strings.Builder
	column := e.cursor
	if same < len(want) || same < len(e.shown) {
		move(&out, e.shown, column, same)
		out.WriteString(string(want[same:]))
		rest := max(len(e.shown)-len(want), 0)
		out.WriteString(strings.Repeat(" ", rest))
		column = len(want) + rest
	}
	e.shown, e.cursor = want, e.pos-e.first
	move(&out, want, column, e.cursor)
	fmt.Fprint(e.t.out, out.String())
}

// move writes what takes the cursor from one column to another on a line that
// shows text.
func move(out *strings.Builder, text []rune, from, to int) {
	if from > to {
		out.WriteString(strings.Repeat("\b", from-to))
		return
	}
	out.WriteString(string(text[from:to]))
}

// inColumns arranges words for a screen of the given width.
func inColumns(words []string, width int) string {
	longest := 0
	for _, w := range words {
		longest = max(longest, utf8.RuneCountInString(w))
	}
	perLine := max((width-1)/(longest+2), 1)
	var b strings.Builder
	for i, w := range words {
		last := i%perLine == perLine-1 || i == len(words)-1
		if last {
			b.WriteString(w + "\n")
			continue
		}
		fmt.Fprintf(&b, "%-*s", longest+2, w)
	}
	return b.String()
}
