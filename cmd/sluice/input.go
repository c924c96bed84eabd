package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/sluice-lb/sluice/pkg/appliance"
)

// errNoTerminal is returned by commands that have to ask.
var errNoTerminal = errors.New("this asks questions: a terminal is needed")

// readLine reads a line from the terminal, or from other input without a prompt.
func (s *shell) readLine(ctx context.Context, opt lineOptions) (string, error) {
	if s.term != nil {
		return s.term.readLine(ctx, opt)
	}
	if s.input == nil {
		return "", io.EOF
	}
	type result struct {
		line string
		err  error
	}
	got := make(chan result, 1)
	go func() { // ends with the line, or with the program
		line, err := s.input.ReadString('\n')
		got <- result{line, err}
	}()
	select {
	case r := <-got:
		if r.err != nil && (r.line == "" || !errors.Is(r.err, io.EOF)) {
			return "", r.err
		}
		return strings.TrimRight(r.line, "\r\n"), nil
	case <-ctx.Done():
		return "", io.EOF
	}
}

// question is one that the console asks.
type question struct {
	text   string // without the colon
	help   string // what "?" as an answer prints
	preset string // what an empty answer means
	// accept takes an answer or says what is wrong and what is accepted.
	accept func(answer string) error
}

// ask repeats a question until its answer is accepted.
func (s *shell) ask(ctx context.Context, q question) error {
	prompt := q.text
	if q.preset != "" {
		prompt += " [" + q.preset + "]"
	}
	for {
		answer, err := s.readLine(ctx, lineOptions{prompt: prompt + ": "})
		if err != nil {
			return err
		}
		if answer = strings.TrimSpace(answer); answer == "?" && q.help != "" {
			fmt.Fprint(s.stdout, indent(endLine(q.help), "  "))
			continue
		}
		if answer == "" {
			answer = q.preset
		}
		if err := q.accept(answer); err != nil {
			fmt.Fprintf(s.stdout, "  %v\n", err)
			continue
		}
		return nil
	}
}

// agree asks a question whose answer is yes or no.
func (s *shell) agree(ctx context.Context, text, preset string) (bool, error) {
	yes := false
	err := s.ask(ctx, question{text: text, preset: preset, accept: func(answer string) error {
		switch strings.ToLower(answer) {
		case "y", "yes":
			yes = true
		case "n", "no":
			yes = false
		default:
			return fmt.Errorf("%q: accepted are yes and no", answer)
		}
		return nil
	}})
	return yes, err
}

// newPassword asks for a password twice until both agree.
func (s *shell) newPassword(ctx context.Context, user string) (string, error) {
	for {
		first, err := s.readLine(ctx, lineOptions{prompt: fmt.Sprintf("New password for %s: ", user), secret: true})
		if err != nil {
			return "", err
		}
		if err := checkPassword(first); err != nil {
			if s.term == nil {
				return "", err
			}
			fmt.Fprintf(s.stdout, "  %v\n", err)
			continue
		}
		if s.term == nil {
			return first, nil
		}
		again, err := s.readLine(ctx, lineOptions{prompt: "The same again: ", secret: true})
		if err != nil {
			return "", err
		}
		if first == again {
			return first, nil
		}
		fmt.Fprintln(s.stdout, "  The two are not the same; nothing is set yet.")
	}
}

func checkPassword(p string) error {
	n := 0
	for _, r := range p {
		if r < ' ' || r == 0x7f {
			return errors.New("a password cannot have control characters")
		}
		n++
	}
	switch {
	case n < appliance.MinPassword:
		return fmt.Errorf("%d characters are too few: at least %d are needed, any will do", n, appliance.MinPassword)
	case len(p) > appliance.MaxPassword:
		return fmt.Errorf("%d bytes are too many: at most %d are accepted", len(p), appliance.MaxPassword)
	}
	return nil
}
