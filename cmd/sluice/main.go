// Command sluice is the administrator's command. With words it runs one command;
// without any, on a terminal, it is the command line of the appliance's console.
// Both use the same table.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// version is set by the image builder (-ldflags -X main.version=...).
var version = "dev"

// Where the daemons and the configuration are.
const (
	runDir     = "/run/sluice"
	proxyFile  = "/etc/sluice/proxy.cfg"
	networkDir = "/etc/sluice/network"
)

// errUsage is returned for words that fit no command; the message was made for
// the user.
var errUsage = errors.New("usage")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "sluice:", err)
	}
	os.Exit(exitStatus(err))
}

// exitStatus is 0 for success, 2 for wrong words, 1 for everything else.
func exitStatus(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errUsage):
		return 2
	}
	return 1
}

// run executes one command, or the console without args.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	s := &shell{stdin: stdin, stdout: stdout, stderr: stderr, runDir: runDir}
	if len(args) == 0 {
		return s.console(ctx)
	}
	// One command ends with ctrl-c; the console outlives its commands.
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT)
	defer stop()
	return s.execute(ctx, args)
}

// shell is where commands run: their streams and the sockets they talk to.
type shell struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	runDir         string // of the control sockets
	term           *terminal
}

// execute runs the command that words begin with.
func (s *shell) execute(ctx context.Context, words []string) error {
	c := findCommand(words[0])
	if c == nil {
		return fmt.Errorf("%w: no command %q%s; \"help\" lists the commands", errUsage, words[0], suggest(words[0]))
	}
	err := c.run(ctx, s, words[1:])
	if errors.Is(err, errArguments) {
		return fmt.Errorf("%w: %s", errUsage, strings.TrimSpace("sluice "+c.name+" "+c.args))
	}
	return err
}

// socket is the control socket of a daemon.
func (s *shell) socket(daemon string) string { return s.runDir + "/" + daemon + ".sock" }
