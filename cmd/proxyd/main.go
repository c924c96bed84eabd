// Command proxyd is the TCP proxy: it reads HAProxy's configuration language and
// command line, and serves until it is told to stop.
//
//	SIGUSR1          soft stop: no new connections, ends with the last session
//	SIGTERM, SIGINT  stop at once
//	SIGUSR2          reload; a configuration with faults changes nothing
//	SIGHUP           log the state of all servers
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/sluice-lb/sluice/pkg/config"
)

// version is set by the image builder (-ldflags -X main.version=...).
var version = "dev"

func main() {
	err := run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	if code := exitCode(0); errors.As(err, &code) {
		os.Exit(int(code))
	} else if err != nil {
		os.Exit(1)
	}
}

// exitCode is an error that has nothing to say.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

// run is the whole program. It has printed the error that it returns.
func run(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) error {
	a, err := parseArgs(args)
	m := &messages{w: stderr, quiet: a.silent()}
	if err == nil {
		err = execute(ctx, args, a, m, stdout)
	}
	code, faulty := exitCode(0), (*faultyCondition)(nil)
	switch {
	case errors.Is(err, errUsage):
		printVersion(stdout, false)
		printUsage(stderr)
	case errors.As(err, &faulty):
		m.problems(err)
		return exitCode(2)
	case !errors.As(err, &code):
		m.problems(err)
	}
	return err
}

// execute does what the command line asks for.
func execute(ctx context.Context, args []string, a *arguments, m *messages, stdout io.Writer) error {
	switch {
	case a.help:
		printVersion(stdout, false)
		printUsage(stdout)
		return nil
	case a.version > 0:
		printVersion(stdout, a.version > 1)
		return nil
	case a.memoryHelp:
		printMemoryHelp(stdout)
		return nil
	case a.condition != nil:
		return evaluate(*a.condition)
	case len(a.files) == 0 && len(a.classes) > 0:
		printClasses(stdout, a.classes, (&program{}).commands())
		return nil
	}
	if a.chdir != "" {
		if err := os.Chdir(a.chdir); err != nil {
			//lint:ignore ST1005 HAProxy's words
			return fmt.Errorf("Could not change to directory %s : %s", a.chdir, reason(errors.Unwrap(err)))
		}
	}
	master, err := masterSocket(a.socket)
	if err != nil {
		return err
	}
	out, say := stdout, m
	if isDaemonChild() { // its parent has said it all
		out, say = io.Discard, &messages{w: io.Discard}
	}
	c, err := load(a, say)
	if a.lines != nil && c != nil {
		a.lines.print(out, c.record.Lines)
	}
	if err != nil {
		return err
	}
	if c.conf.Global.Quiet { // from here on: findings are no noise
		a.quiet = true
		m.quiet, say.quiet = a.silent(), a.silent()
	}
	c.print(a, out)
	if a.check {
		return c.verdict(a, stdout)
	}
	if (a.daemon || c.conf.Global.Daemon) && !a.foreground && !isDaemonChild() {
		return daemonize(ctx, args)
	}
	if !a.reachable(c.conf) {
		m.message(config.Alert, "No enabled listener found (check for 'bind' directives) ! Exiting.")
		return exitCode(1)
	}
	if a.silent() {
		stdout = io.Discard
	}
	return serve(ctx, a, master, c.conf, stdout, m)
}

// evaluate answers -cc.
func evaluate(condition string) error {
	ok, err := config.Evaluate(condition, os.LookupEnv)
	if err != nil {
		return &faultyCondition{err}
	}
	if !ok {
		return exitCode(1)
	}
	return nil
}

// faultyCondition is the fault of a -cc expression.
type faultyCondition struct{ err error }

func (e *faultyCondition) Error() string {
	return "config : Failed to evaluate condition: " + e.err.Error()
}

// environment are the variables that the files see: those of the process, and the
// name among peers.
func environment(a *arguments, host string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		if name != "HAPROXY_LOCALPEER" {
			return os.LookupEnv(name)
		}
		if a.peer != "" {
			return a.peer, true
		}
		return host, true
	}
}
