package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/sluice-lb/sluice/pkg/ctl"
)

// errArguments makes execute print the command's synopsis.
var errArguments = errors.New("wrong arguments")

// command is one row of the command table: help, completion and the console come
// from it.
type command struct {
	name, args, help string
	run              func(ctx context.Context, s *shell, args []string) error
}

// commands returns the table. It is a function because help reads it.
func commands() []command {
	return []command{
		{"status", "", "show services, network and proxy", status},
		{"reload", "[proxy|network]", "read the configuration files again and put them in force", reload},
		{"check", "[FILE]", "check a proxy configuration, or the network files if FILE is a directory", check},
		{"logs", "UNIT [-n LINES] [-f]", "show a unit's log; -f goes on until ctrl-c", logs},
		{"start", "UNIT", "start a unit", unitAction("start")},
		{"stop", "UNIT", "stop a unit", unitAction("stop")},
		{"restart", "UNIT", "stop and start a unit", unitAction("restart")},
		{"boot", "", "show what the boot did and how long it took", daemonCommand("init", "show boot")},
		{"ctl", "DAEMON COMMAND...", "send a command to a daemon's control socket (init, netd, proxyd); \"help\" lists them", control},
		{"shell", "", "rescue shell; \"exit\" comes back", rescueShell},
		{"reboot", "", "stop all services and restart the machine", daemonCommand("init", "reboot")},
		{"poweroff", "", "stop all services and switch the machine off", daemonCommand("init", "poweroff")},
		{"version", "", "print the version", func(_ context.Context, s *shell, args []string) error {
			_, err := fmt.Fprintln(s.stdout, "Sluice", version)
			return err
		}},
		{"help", "", "list the commands", help},
	}
}

func findCommand(name string) *command {
	for _, c := range commands() {
		if c.name == name {
			return &c
		}
	}
	return nil
}

// suggest names the commands that begin like word.
func suggest(word string) string {
	for n := len(word); n > 0; n-- {
		for _, c := range commands() {
			if strings.HasPrefix(c.name, word[:n]) {
				return fmt.Sprintf(" (did you mean %q?)", c.name)
			}
		}
	}
	return ""
}

func help(_ context.Context, s *shell, _ []string) error {
	for _, c := range commands() {
		fmt.Fprintf(s.stdout, "  %-28s %s\n", strings.TrimSpace(c.name+" "+c.args), c.help)
	}
	return nil
}

// daemonCommand passes a fixed command on to a daemon.
func daemonCommand(daemon, command string) func(context.Context, *shell, []string) error {
	return func(ctx context.Context, s *shell, args []string) error {
		if len(args) > 0 {
			return errArguments
		}
		return s.pass(ctx, daemon, command)
	}
}

// pass sends a command and prints its answer as it comes.
func (s *shell) pass(ctx context.Context, daemon, command string) error {
	err := ctl.Stream(ctx, s.socket(daemon), command, nil, s.stdout)
	if err == nil || ctx.Err() != nil {
		return nil
	}
	if failed := (*ctl.CommandError)(nil); errors.As(err, &failed) {
		return err
	}
	return fmt.Errorf("%s does not answer: %w", daemon, err)
}

func unitAction(verb string) func(context.Context, *shell, []string) error {
	return func(ctx context.Context, s *shell, args []string) error {
		if len(args) != 1 {
			return errArguments
		}
		return s.pass(ctx, "init", verb+" unit "+escape(args[0]))
	}
}

// escape protects a word from the control protocol's own meaning of blanks and
// semicolons.
func escape(word string) string {
	return strings.NewReplacer(`\`, `\\`, " ", `\ `, ";", `\;`, "<", `\<`).Replace(word)
}

func reload(ctx context.Context, s *shell, args []string) error {
	daemon := "proxyd"
	switch {
	case len(args) > 1:
		return errArguments
	case len(args) == 1 && args[0] == "network":
		daemon = "netd"
	case len(args) == 1 && args[0] != "proxy":
		return errArguments
	}
	return s.pass(ctx, daemon, "reload")
}

// check judges files with the program that would load them.
func check(ctx context.Context, s *shell, args []string) error {
	if len(args) > 1 {
		return errArguments
	}
	file := proxyFile
	if len(args) == 1 {
		file = args[0]
	}
	cmd := exec.CommandContext(ctx, "proxyd", "-c", "-f", file)
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		cmd = exec.CommandContext(ctx, "netd", "-c", "-config", file)
	}
	cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin")
	if path, err := exec.LookPath("/usr/sbin/" + cmd.Args[0]); err == nil && cmd.Err != nil {
		cmd.Path, cmd.Err = path, nil
	}
	cmd.Stdout, cmd.Stderr = s.stdout, s.stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("check %s: %w", file, err)
	}
	return nil
}

func logs(ctx context.Context, s *shell, args []string) error {
	unit, lines, follow := "", "", false
	for i := 0; i < len(args); i++ {
		switch {
		case args[i] == "-f":
			follow = true
		case args[i] == "-n" && i+1 < len(args):
			i++
			if _, err := strconv.ParseUint(args[i], 10, 31); err != nil {
				return fmt.Errorf("-n %s: a number of lines is needed", args[i])
			}
			lines = args[i]
		case unit == "":
			unit = args[i]
		default:
			return errArguments
		}
	}
	if unit == "" {
		return errArguments
	}
	if follow {
		return s.pass(ctx, "init", "follow logs "+escape(unit))
	}
	return s.pass(ctx, "init", strings.TrimSpace("show logs "+escape(unit)+" "+lines))
}

func control(ctx context.Context, s *shell, args []string) error {
	if len(args) < 2 {
		return errArguments
	}
	words := make([]string, len(args)-1)
	for i, w := range args[1:] {
		words[i] = escape(w)
	}
	return s.pass(ctx, args[0], strings.Join(words, " "))
}

// rescueShell runs the image's shell on the same terminal.
func rescueShell(ctx context.Context, s *shell, args []string) error {
	if len(args) > 0 {
		return errArguments
	}
	cmd := exec.CommandContext(ctx, "/bin/sh")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = s.stdin, s.stdout, s.stderr
	cmd.Env = append(os.Environ(), "PATH=/usr/bin:/usr/sbin:/bbin:/bin:/sbin", "HOME=/root", "PS1=# ")
	err := cmd.Run()
	// The shell's own exit status is the user's business.
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return nil
	}
	return err
}
