package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/sluice-lb/sluice/pkg/appliance"
	"github.com/sluice-lb/sluice/pkg/ctl"
)

// openConsole is the word on the kernel's command line that makes the console
// ask for no login: for the lab, and for an administrator who has lost the
// password and stands before the machine.
const openConsole = "sluice.console=open"

// Delays after failed logins, in this process, which outlives ctrl-d and ctrl-c.
const (
	firstDelay    = time.Second
	greatestDelay = 30 * time.Second
)

// loginConsole is the console of a tty, as the service manager starts it.
func loginConsole(ctx context.Context, s *shell, args []string) error {
	if len(args) > 0 {
		return errArguments
	}
	if s.term == nil {
		return errNoTerminal
	}
	// Keys must not end the process: that would be a way around the delays.
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTSTP)
	defer signal.Stop(interrupts)
	defer s.term.cooked()
	s.login = true
	s.banner(ctx)
	offer, err := s.admit(ctx)
	switch {
	case errors.Is(err, errHangup), ctx.Err() != nil:
		return nil
	case err != nil:
		return err
	}
	if offer {
		if err := s.offerSetup(ctx); err != nil {
			return err
		}
	}
	fmt.Fprintln(s.stdout, "\n\"help\" lists the commands, \"exit\" logs out.")
	return s.console(ctx)
}

// admit returns when the console may be used, and whether the wizard is to be
// offered.
func (s *shell) admit(ctx context.Context) (offer bool, err error) {
	if !s.hasConfd() {
		fmt.Fprintln(s.stdout, "This image has no configuration service: no login is asked for.")
		return false, nil
	}
	if s.isOpen() {
		fmt.Fprintf(s.stdout, "No login is asked for: %s is on the kernel's command line.\n", openConsole)
		return false, nil
	}
	setup, err := s.awaitSetup(ctx)
	if err != nil {
		return false, err
	}
	if setup.PasswordSet {
		return false, s.authenticate(ctx)
	}
	return s.firstPassword(ctx, setup)
}

// isOpen tells whether the kernel's command line has openConsole.
func (s *shell) isOpen() bool {
	text, err := os.ReadFile(s.cmdline)
	return err == nil && slices.Contains(strings.Fields(string(text)), openConsole)
}

// awaitSetup asks confd who may log in; at boot it waits until confd is there.
// While confd is silent nobody may: what it protects is the machine, and who
// stands before it can restart it open.
func (s *shell) awaitSetup(ctx context.Context) (appliance.Setup, error) {
	for tries := 0; ; tries++ {
		changed, stop := watchFor(ctx, s.runDir, "confd.sock")
		var setup appliance.Setup
		err := s.confd(ctx, "show setup", nil, &setup)
		if err == nil || ctx.Err() != nil {
			stop()
			if err == nil && tries > 0 {
				s.banner(ctx)
			}
			return setup, err
		}
		if tries == 0 {
			fmt.Fprintln(s.stdout, "The configuration service (confd) is not there yet.")
		} else {
			s.explainSilence(ctx, err)
		}
		err = s.awaitConfd(changed)
		stop()
		if errors.Is(err, errHangup) {
			return setup, err
		}
	}
}

// awaitConfd returns when confd may have come, or with Enter.
func (s *shell) awaitConfd(changed context.Context) error {
	for {
		_, err := s.readLine(changed, lineOptions{prompt: "Enter asks it again: ", secret: true})
		if err == nil || errors.Is(err, errHangup) {
			return err
		}
		if changed.Err() != nil {
			return nil
		}
	}
}

func (s *shell) explainSilence(ctx context.Context, err error) {
	fmt.Fprintf(s.stdout, "Nobody can log in: %v.\n", err)
	text, err := ctl.Call(ctx, s.socket("init"), "show logs confd "+overviewLines, nil)
	if err == nil && text != "" {
		fmt.Fprintf(s.stdout, "Its log ends with\n%s", indent(text, "  "))
	}
	fmt.Fprintf(s.stdout, "The way in without it: restart the machine, press \"e\" in the boot menu and add\n"+
		"%s to the line that begins with \"linux\".\n", openConsole)
}

// firstPassword lets the first who comes set the administrator's password.
// Whoever comes second, at another console, has to log in with it.
func (s *shell) firstPassword(ctx context.Context, setup appliance.Setup) (first bool, err error) {
	fmt.Fprintf(s.stdout, "This appliance has no password yet. Choose the one of its administrator, %s:\n"+
		"at least %d characters. The web page stays closed until it is set.\n", appliance.Admin, appliance.MinPassword)
	if !setup.Persistent {
		fmt.Fprintln(s.stdout, "There is no data partition: the password is lost with a reboot.")
	}
	for {
		text, err := s.newPassword(ctx, appliance.Admin)
		switch {
		case ctx.Err() != nil:
			return false, ctx.Err()
		case errors.Is(err, errInterrupt), errors.Is(err, io.EOF):
			fmt.Fprintln(s.stdout, "  A password is needed before anything else.")
			continue
		case err != nil:
			return false, err
		}
		if now := s.setupNow(ctx); now != nil && now.PasswordSet {
			fmt.Fprintln(s.stdout, "  A password was set elsewhere meanwhile: log in with that one.")
			return false, s.authenticate(ctx)
		}
		err = s.confd(ctx, "set password "+appliance.Admin, []byte(text), nil)
		if err == nil {
			fmt.Fprintf(s.stdout, "The password is set. The name to log in with is %s.\n", appliance.Admin)
			return true, nil
		}
		fmt.Fprintf(s.stdout, "  The password is not set: %v\n", err)
		// A broken disk must not lock out who could have set any password.
		proceed, err := s.agree(ctx, "Go on without a password", "no")
		switch {
		case ctx.Err() != nil:
			return false, ctx.Err()
		case errors.Is(err, errHangup):
			return false, err
		case err == nil && proceed:
			return true, nil
		}
	}
}

func (s *shell) setupNow(ctx context.Context) *appliance.Setup {
	var setup appliance.Setup
	if s.confd(ctx, "show setup", nil, &setup) != nil {
		return nil
	}
	return &setup
}

// authenticate asks for name and password until they are right. Each failure
// makes the next answer slower.
func (s *shell) authenticate(ctx context.Context) error {
	delay := firstDelay
	for {
		failed := (*ctl.CommandError)(nil)
		name, err := s.readLine(ctx, lineOptions{prompt: "login: "})
		if err == nil {
			if name = strings.TrimSpace(name); name == "" {
				s.banner(ctx)
				continue
			}
			var text string
			if text, err = s.readLine(ctx, lineOptions{prompt: "password: ", secret: true}); err == nil {
				err = s.confd(ctx, "check password "+escape(name), []byte(text), nil)
				if err == nil {
					s.user = name
					return nil
				}
			}
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, errHangup):
			return err
		case errors.Is(err, errInterrupt), errors.Is(err, io.EOF):
			continue
		case errors.As(err, &failed):
			fmt.Fprintln(s.stdout, "Name or password is wrong.")
		default:
			s.explainSilence(ctx, err)
		}
		if !s.pause(ctx, delay) {
			return ctx.Err()
		}
		delay = min(2*delay, greatestDelay)
	}
}

// pause waits without echoing what is typed meanwhile.
func (s *shell) pause(ctx context.Context, d time.Duration) bool {
	if err := s.term.editing(); err != nil {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// offerSetup starts the wizard if the user wants it.
func (s *shell) offerSetup(ctx context.Context) error {
	yes, err := s.agree(ctx, "\nSet addresses and a first service up now, step by step", "yes")
	if err == nil && yes {
		err = setup(ctx, s, nil)
	}
	switch {
	case errors.Is(err, errHangup):
		return err
	case errors.Is(err, errInterrupt), errors.Is(err, io.EOF):
		fmt.Fprintln(s.stdout, "Nothing is changed. \"setup\" asks again.")
	case err != nil:
		fmt.Fprintf(s.stdout, "%v\n\"setup\" asks again.\n", err)
	case !yes:
		fmt.Fprintln(s.stdout, "\"setup\" asks again.")
	}
	return nil
}
