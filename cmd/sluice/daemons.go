package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/sluice-lb/sluice/pkg/appliance"
	"github.com/sluice-lb/sluice/pkg/ctl"
)

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

// judge runs the program that would load the files.
func judge(ctx context.Context, s *shell, file string) error {
	cmd := exec.CommandContext(ctx, "proxyd", "-c", "-V", "-W", "-f", file)
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
			if err := lineCount(args[i]); err != nil {
				return fmt.Errorf("%w: -n %w", errUsage, err)
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

func lineCount(text string) error {
	if _, err := strconv.ParseUint(text, 10, 31); err != nil {
		return fmt.Errorf("%s: a number of lines is needed", text)
	}
	return nil
}

// overviewLines is how much of each log "show log" shows.
const overviewLines = "5"

func showLog(ctx context.Context, s *shell, args []string) error {
	switch len(args) {
	case 0:
	case 2:
		if err := lineCount(args[1]); err != nil {
			return fmt.Errorf("%w: %w", errUsage, err)
		}
		fallthrough
	case 1:
		return s.pass(ctx, "init", "show logs "+escape(args[0])+strings.Join(append([]string{""}, args[1:]...), " "))
	default:
		return errArguments
	}
	units := unitNames(ctx, s, nil)
	if len(units) == 0 {
		return errors.New("init does not answer: no unit is known")
	}
	for _, unit := range units {
		fmt.Fprintln(s.stdout, unit)
		if err := s.section(ctx, "init", "show logs "+escape(unit)+" "+overviewLines); err != nil {
			return err
		}
	}
	return nil
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
	cmd.Env = append(os.Environ(), "PATH=/usr/bin:/usr/sbin:/bbin:/bin:/sbin", "HOME=/root", "PS1=# ", userVariable+"="+s.user)
	err := cmd.Run()
	// The shell's own exit status is the user's business.
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return nil
	}
	return err
}

// leave restarts or stops the machine. Whoever sits at a terminal is asked first
// if that loses something.
func leave(verb string) func(context.Context, *shell, []string) error {
	return func(ctx context.Context, s *shell, args []string) error {
		if len(args) > 0 {
			return errArguments
		}
		var state appliance.State
		if s.term != nil && s.hasConfd() && s.confd(ctx, "show state", nil, &state) == nil && (state.Unsaved || state.Edited.Changed) {
			for _, line := range stateLines(state) {
				fmt.Fprintln(s.stdout, line)
			}
			yes, err := s.agree(ctx, "What is not saved is lost. Go on and "+verb, "no")
			if err != nil || !yes {
				return err
			}
			s.term.cooked()
		}
		return s.pass(ctx, "init", verb)
	}
}
