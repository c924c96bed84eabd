package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

const prompt = "sluice> "

// console reads commands until the end of input or "exit".
func (s *shell) console(ctx context.Context) error {
	// Ctrl-c ends a command, not the console.
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, syscall.SIGINT, syscall.SIGQUIT)
	defer signal.Stop(interrupts)
	defer s.term.cooked()

	if s.term != nil && !s.login {
		s.banner(ctx)
	}
	s.scripted = true
	opt := lineOptions{prompt: prompt, history: true, complete: s.complete(ctx), help: s.helpAt(ctx)}
	for {
		line, err := s.readLine(ctx, opt)
		switch {
		case errors.Is(err, errInterrupt):
			continue
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		words, err := splitLine(line)
		if err == nil && len(words) > 0 {
			err = s.interruptible(ctx, interrupts, words)
		}
		switch {
		case errors.Is(err, errExit), errors.Is(err, errHangup):
			return nil
		case errors.Is(err, errInterrupt), errors.Is(err, context.Canceled):
			fmt.Fprintln(s.stdout, "Interrupted.")
		case err != nil && !errors.Is(err, io.EOF):
			fmt.Fprintln(s.stdout, err)
		}
	}
}

// interruptible runs one command, which ctrl-c ends.
func (s *shell) interruptible(ctx context.Context, interrupts <-chan os.Signal, words []string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.term.cooked()
	select {
	case <-interrupts: // of an earlier command
	default:
	}
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
