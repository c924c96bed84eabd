package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/sluice-lb/sluice/pkg/appliance"
)

// version is set by the image builder (-ldflags -X main.version=...).
var version = "dev"

// Where the daemons and the configuration are.
const (
	proxyFile  = "/etc/sluice/proxy.cfg"
	networkDir = "/etc/sluice/network"
)

// errUsage is returned for words that fit no command; the message was made for
// the user.
var errUsage = errors.New("usage")

// outcomeError is a change that confd did not make, or not wholly.
type outcomeError struct {
	outcome appliance.Outcome
	message string
}

// Error returns what confd said.
func (e *outcomeError) Error() string {
	if e.message == "" {
		return string(e.outcome)
	}
	return fmt.Sprintf("%s: %s", e.outcome, e.message)
}

// outcomeStatus are the exit codes that scripts may rely on; docs/console.md lists
// them.
var outcomeStatus = map[appliance.Outcome]int{
	appliance.Done: 0, appliance.Refused: 3, appliance.Conflict: 4,
	appliance.FailedRestored: 5, appliance.CouldNotRestore: 6, appliance.CouldNotSave: 7,
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "sluice:", err)
	}
	os.Exit(exitStatus(err))
}

// exitStatus is 0 for success, 2 for wrong words, 3 to 7 for the outcomes of a
// change, 1 for everything else.
func exitStatus(err error) int {
	change := (*outcomeError)(nil)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errUsage):
		return 2
	case errors.As(err, &change) && outcomeStatus[change.outcome] > 0:
		return outcomeStatus[change.outcome]
	}
	return 1
}

// run executes one command, or the console without args.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	s := newShell(stdin, stdout, stderr)
	defer s.term.cooked()
	if user := os.Getenv(userVariable); user != "" {
		s.user = user
	}
	if len(args) == 0 {
		return s.console(ctx)
	}
	// One command ends with ctrl-c; the console outlives its commands.
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT)
	defer stop()
	if err := s.execute(ctx, args); !errors.Is(err, errExit) {
		return err
	}
	return nil
}

// userVariable hands the name of who logged in on to commands in the rescue shell.
const userVariable = "SLUICE_USER"

// places are the paths outside the process.
type places struct {
	runDir  string // of the control sockets
	unitDir string // of the unit files
	cmdline string // the kernel's command line
}

// shell is where commands run: their streams and the places they talk to.
type shell struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	places
	term  *terminal     // nil if stdin is none
	input *bufio.Reader // of stdin otherwise
	user  string        // who changes the configuration
	login bool          // the console of a tty: it has shown its banner
	// scripted is set while the input holds commands, so that none may take all of
	// it.
	scripted bool
	// completing is set while a line is read: the terminal's mode must stay.
	completing bool
}

func newShell(stdin io.Reader, stdout, stderr io.Writer) *shell {
	s := &shell{stdin: stdin, stdout: stdout, stderr: stderr, user: appliance.Admin,
		places: places{runDir: "/run/sluice", unitDir: "/usr/lib/systemd/system", cmdline: "/proc/cmdline"}}
	if s.term = openTerminal(stdin, stdout); s.term == nil && stdin != nil {
		s.input = bufio.NewReader(stdin)
	}
	return s
}

// execute runs the command that words begin with.
func (s *shell) execute(ctx context.Context, words []string) error {
	c, args := findCommand(words)
	if c == nil {
		return unknown(words)
	}
	err := c.run(ctx, s, args)
	if errors.Is(err, errArguments) {
		return fmt.Errorf("%w: sluice %s", errUsage, c.synopsis())
	}
	return err
}

// socket is the control socket of a daemon.
func (s *shell) socket(daemon string) string { return s.runDir + "/" + daemon + ".sock" }

func (s *shell) columns() int { return s.term.columns() }
