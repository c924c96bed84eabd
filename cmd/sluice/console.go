package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/term"
)

const prompt = "sluice> "

// console reads commands until the end of input. On a terminal there are line
// editing, history and completion with the tab key.
func (s *shell) console(ctx context.Context) error {
	// Ctrl-c ends a command, not the console.
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, syscall.SIGINT, syscall.SIGQUIT)
	defer signal.Stop(interrupts)

	read := s.plainReader()
	if f, ok := s.stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		var err error
		if s.term, err = newTerminal(f, s.stdout); err != nil {
			return err
		}
		s.banner()
		read = s.term.readLine
	}
	for {
		line, err := s.await(ctx, read)
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if words[0] == "exit" || words[0] == "quit" {
			return nil
		}
		if err := s.interruptible(ctx, interrupts, words); err != nil {
			fmt.Fprintln(s.stdout, err)
		}
	}
}

// await reads a line; ctx's end counts as the end of input and leaves an ordinary
// terminal behind. The read that is then still under way ends with the program.
func (s *shell) await(ctx context.Context, read func() (string, error)) (string, error) {
	type result struct {
		line string
		err  error
	}
	got := make(chan result, 1)
	go func() {
		line, err := read()
		got <- result{line, err}
	}()
	select {
	case r := <-got:
		return r.line, r.err
	case <-ctx.Done():
		if s.term != nil {
			s.term.restore()
		}
		return "", io.EOF
	}
}

// interruptible runs one command, which ctrl-c ends.
func (s *shell) interruptible(ctx context.Context, interrupts <-chan os.Signal, words []string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if words[0] != "shell" { // the rescue shell gets ctrl-c itself
		go func() {
			select {
			case <-interrupts:
				cancel()
			case <-ctx.Done():
			}
		}()
	}
	return s.execute(ctx, words)
}

// banner greets whoever finds the console.
func (s *shell) banner() {
	host, _ := os.Hostname()
	fmt.Fprintf(s.stdout, "\nSluice %s on %s. \"help\" lists the commands, \"status\" shows how things are.\n", version, host)
}

func (s *shell) plainReader() func() (string, error) {
	in := bufio.NewScanner(s.stdin)
	return func() (string, error) {
		if in.Scan() {
			return in.Text(), nil
		}
		if err := in.Err(); err != nil {
			return "", err
		}
		return "", io.EOF
	}
}

// terminal edits lines. The device is in raw mode only while a line is read, so
// commands see an ordinary terminal.
type terminal struct {
	file *os.File
	edit *term.Terminal
	mode *term.State // before raw mode
}

func newTerminal(in *os.File, out io.Writer) (*terminal, error) {
	mode, err := term.GetState(int(in.Fd()))
	if err != nil {
		return nil, fmt.Errorf("read terminal mode: %w", err)
	}
	t := &terminal{file: in, mode: mode}
	t.edit = term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{in, out}, prompt)
	t.edit.AutoCompleteCallback = complete
	return t, nil
}

func (t *terminal) restore() { _ = term.Restore(int(t.file.Fd()), t.mode) }

func (t *terminal) readLine() (string, error) {
	if _, err := term.MakeRaw(int(t.file.Fd())); err != nil {
		return "", fmt.Errorf("set terminal mode: %w", err)
	}
	defer t.restore()
	// A serial line knows no size and says 0: the usual one is assumed.
	if w, h, err := term.GetSize(int(t.file.Fd())); err == nil && w > 0 && h > 0 {
		_ = t.edit.SetSize(w, h)
	}
	return t.edit.ReadLine()
}

// complete extends the command's name at the cursor as far as it is unambiguous.
func complete(line string, pos int, key rune) (string, int, bool) {
	if key != '\t' || strings.ContainsAny(line[:pos], " ") {
		return "", 0, false
	}
	var found []string
	for _, c := range commands() {
		if strings.HasPrefix(c.name, line[:pos]) {
			found = append(found, c.name)
		}
	}
	if len(found) == 0 {
		return "", 0, false
	}
	common := found[0]
	for _, name := range found[1:] {
		for !strings.HasPrefix(name, common) {
			common = common[:len(common)-1]
		}
	}
	if len(found) == 1 {
		common += " "
	}
	return common + line[pos:], len(common), true
}
