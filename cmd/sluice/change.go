package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/sluice-lb/sluice/pkg/appliance"
)

// configName checks the name of a configuration.
func configName(name string) (string, error) {
	if slices.Contains([]string{"edited", "running", "saved", "factory"}, name) {
		return name, nil
	}
	if _, err := strconv.ParseUint(name, 10, 31); err != nil {
		return "", fmt.Errorf("%w: %q is no configuration; accepted are edited, running, saved, factory and a revision's number (show revisions)", errUsage, name)
	}
	return name, nil
}

func showConfig(ctx context.Context, s *shell, args []string) error {
	which := "running"
	if len(args) > 2 {
		return errArguments
	}
	if len(args) > 0 {
		var err error
		if which, err = configName(args[0]); err != nil {
			return err
		}
	}
	var content appliance.Content
	if err := s.confd(ctx, "show content "+which, nil, &content); err != nil {
		return err
	}
	if len(args) == 2 {
		text, ok := content.Files[args[1]]
		if !ok {
			return fmt.Errorf("%w: no file %q; there are %s", errUsage, args[1], strings.Join(sortedNames(content.Files), ", "))
		}
		fmt.Fprint(s.stdout, endLine(text))
		return nil
	}
	for i, name := range sortedNames(content.Files) {
		if i > 0 {
			fmt.Fprintln(s.stdout)
		}
		fmt.Fprintf(s.stdout, "--- %s\n%s", name, endLine(content.Files[name]))
	}
	return nil
}

func sortedNames(files appliance.Files) []string {
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func showUsers(ctx context.Context, s *shell, args []string) error {
	if len(args) > 0 {
		return errArguments
	}
	var names []string
	if err := s.confd(ctx, "show users", nil, &names); err != nil {
		return err
	}
	for _, name := range names {
		fmt.Fprintln(s.stdout, name)
	}
	return nil
}

func showRevisions(ctx context.Context, s *shell, args []string) error {
	if len(args) > 0 {
		return errArguments
	}
	var state appliance.State
	var revisions []appliance.Revision
	if err := errors.Join(s.confd(ctx, "show state", nil, &state), s.confd(ctx, "show revisions", nil, &revisions)); err != nil {
		return err
	}
	slices.SortFunc(revisions, func(a, b appliance.Revision) int { return b.Number - a.Number })
	w := tabwriter.NewWriter(s.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NUMBER\tTIME\tUSER\tORIGIN\tIS\tNOTE")
	for _, r := range revisions {
		var is []string
		if r.Number == state.Running.Number {
			is = append(is, "running")
		}
		if r.Number == state.Saved.Number {
			is = append(is, "saved")
		}
		if r.Good {
			is = append(is, "good")
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\n", r.Number, stamp(r.Time), dash(r.User), dash(r.Origin), dash(strings.Join(is, ",")), r.Note)
	}
	return w.Flush()
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04")
}

func diff(ctx context.Context, s *shell, args []string) error {
	if len(args) > 2 {
		return errArguments
	}
	sides := []string{"running", "edited"}
	for i, arg := range args {
		name, err := configName(arg)
		if err != nil {
			return err
		}
		sides[i] = name
	}
	var text string
	if err := s.confd(ctx, "diff "+sides[0]+" "+sides[1], nil, &text); err != nil {
		return err
	}
	if text == "" {
		text = fmt.Sprintf("%s and %s are the same.", sides[0], sides[1])
	}
	_, err := fmt.Fprint(s.stdout, endLine(text))
	return err
}

// check lets confd judge what is edited, or judges files.
func check(ctx context.Context, s *shell, args []string) error {
	switch {
	case len(args) > 1:
		return errArguments
	case len(args) == 1:
		return judge(ctx, s, args[0])
	case !s.hasConfd():
		return errors.Join(judge(ctx, s, proxyFile), judge(ctx, s, networkDir))
	}
	var report appliance.Report
	if err := s.confd(ctx, "check", s.request(), &report); err != nil {
		return err
	}
	s.printFindings(report.Findings)
	if !report.Valid {
		return &outcomeError{appliance.Refused, "the edited configuration has faults"}
	}
	s.printPlan(report.Plan)
	fmt.Fprintln(s.stdout, "The edited configuration is valid.")
	return nil
}

func (s *shell) printPlan(plan []string) {
	if len(plan) == 0 {
		fmt.Fprintln(s.stdout, "The network stays as it is.")
		return
	}
	fmt.Fprintln(s.stdout, "Changes to the network:")
	for _, step := range plan {
		fmt.Fprintln(s.stdout, " ", step)
	}
}

// Bounds of apply --confirm.
const (
	leastConfirm    = 10 * time.Second
	greatestConfirm = 24 * time.Hour
)

// confirmTime reads the value of --confirm, a duration or a number of seconds.
func confirmTime(text string) (int, error) {
	d, err := time.ParseDuration(text)
	if n, isNumber := strconv.Atoi(text); isNumber == nil {
		d, err = time.Duration(n)*time.Second, nil
	}
	if err != nil || d < leastConfirm || d > greatestConfirm || d%time.Second != 0 {
		return 0, fmt.Errorf("%w: --confirm %s: accepted are 10s to 24h, such as 90s, 5m or 1h", errUsage, text)
	}
	return int(d / time.Second), nil
}

func apply(ctx context.Context, s *shell, args []string) error {
	req, force := s.request(), false
	for i := 0; i < len(args); i++ {
		value := func() (string, error) {
			if i++; i >= len(args) {
				return "", fmt.Errorf("%w: %s needs a value", errUsage, args[i-1])
			}
			return args[i], nil
		}
		var text string
		var err error
		switch args[i] {
		case "--force":
			force = true
		case "--note":
			req.Note, err = value()
		case "--confirm":
			if text, err = value(); err == nil {
				req.Confirm, err = confirmTime(text)
			}
		default:
			return errArguments
		}
		if err != nil {
			return err
		}
	}
	var state appliance.State
	if err := s.confd(ctx, "show state", nil, &state); err != nil {
		return err
	}
	if !state.Edited.Changed {
		return errors.New("nothing to apply: the edited configuration is the running one")
	}
	if !force {
		req.Base = state.Edited.Base
	}
	result, err := s.change(ctx, "apply", req)
	if err != nil {
		if result.Outcome == appliance.Conflict {
			fmt.Fprintln(s.stdout, "Above is what others applied meanwhile. \"discard\" and edit again, or \"apply --force\" to put yours over it.")
		}
		return err
	}
	fmt.Fprintf(s.stdout, "Revision %d runs.", result.Revision)
	if req.Confirm > 0 {
		fmt.Fprintf(s.stdout, " It goes back in %s unless you \"confirm\".\n", shortTime(req.Confirm))
		return nil
	}
	fmt.Fprintln(s.stdout, " \"save\" keeps it over a reboot.")
	return nil
}

// shortTime prints seconds as 5m or 1m30s.
func shortTime(seconds int) string {
	text := (time.Duration(seconds) * time.Second).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func confirm(ctx context.Context, s *shell, args []string) error {
	if len(args) > 0 {
		return errArguments
	}
	result, err := s.change(ctx, "confirm", s.request())
	if err == nil {
		fmt.Fprintf(s.stdout, "Revision %d stays. \"save\" keeps it over a reboot.\n", result.Revision)
	}
	return err
}

func save(ctx context.Context, s *shell, args []string) error {
	req := s.request()
	switch {
	case len(args) == 2 && args[0] == "--note":
		req.Note = args[1]
	case len(args) > 0:
		return errArguments
	}
	result, err := s.change(ctx, "save", req)
	if err == nil {
		fmt.Fprintf(s.stdout, "Revision %d is saved: a reboot returns to it.\n", result.Revision)
	}
	return err
}

func discard(ctx context.Context, s *shell, args []string) error {
	if len(args) > 0 {
		return errArguments
	}
	if _, err := s.change(ctx, "discard", s.request()); err != nil {
		return err
	}
	fmt.Fprintln(s.stdout, "The edited configuration is the running one again.")
	return nil
}

func rollback(ctx context.Context, s *shell, args []string) error {
	if len(args) != 1 {
		return errArguments
	}
	if _, err := strconv.ParseUint(args[0], 10, 31); err != nil {
		return fmt.Errorf("%w: %q is no revision's number; \"show revisions\" lists them", errUsage, args[0])
	}
	result, err := s.change(ctx, "rollback "+args[0], s.request())
	if err != nil {
		return err
	}
	what := ""
	if strconv.Itoa(result.Revision) != args[0] {
		what = ", with what revision " + args[0] + " had"
	}
	fmt.Fprintf(s.stdout, "Revision %d runs%s. \"save\" keeps it over a reboot.\n", result.Revision, what)
	return nil
}

func backup(ctx context.Context, s *shell, args []string) error {
	if len(args) != 1 {
		return errArguments
	}
	var text string
	if err := s.confd(ctx, "backup", nil, &text); err != nil {
		return err
	}
	archive, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		return fmt.Errorf("read confd's backup: %w", err)
	}
	if args[0] == "-" {
		_, err := s.stdout.Write(archive)
		return err
	}
	f, err := os.OpenFile(args[0], os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s exists: a new name is needed", args[0])
	}
	if err != nil {
		return fmt.Errorf("write backup: %w", err)
	}
	_, err = f.Write(archive)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write backup: %w", errors.Join(err, os.Remove(args[0])))
	}
	fmt.Fprintf(s.stdout, "%d bytes are in %s.\n", len(archive), args[0])
	return nil
}

// maxArchive is the greatest size of a backup in bytes: as base64 it has to fit
// into a control request.
const maxArchive = 8 << 20

func restore(ctx context.Context, s *shell, args []string) error {
	if len(args) != 1 {
		return errArguments
	}
	f, err := os.Open(args[0])
	if err != nil {
		return fmt.Errorf("read backup: %w", err)
	}
	defer f.Close()
	archive, err := io.ReadAll(io.LimitReader(f, maxArchive+1))
	if err != nil {
		return fmt.Errorf("read backup: %w", err)
	}
	if len(archive) > maxArchive {
		return fmt.Errorf("%s: too large for a backup; at most %d MiB are accepted", args[0], maxArchive>>20)
	}
	req := s.request()
	req.Origin = "restore"
	if _, err := s.change(ctx, "restore", appliance.Restoration{Request: req, Archive: base64.StdEncoding.EncodeToString(archive)}); err != nil {
		return err
	}
	fmt.Fprintln(s.stdout, "The backup is the edited configuration now: see \"diff\" and \"check\", then \"apply\".")
	return nil
}

func factoryReset(ctx context.Context, s *shell, args []string) error {
	sure := len(args) == 1 && args[0] == "--yes"
	if len(args) > 0 && !sure {
		return errArguments
	}
	if !sure {
		if s.term == nil {
			return fmt.Errorf("%w: without a terminal, factory-reset needs --yes", errUsage)
		}
		var err error
		if sure, err = s.agree(ctx, "Put the factory's configuration in force, network addresses included", "no"); err != nil || !sure {
			return err
		}
	}
	if _, err := s.change(ctx, "factory-reset", s.request()); err != nil {
		return err
	}
	var state appliance.State
	if err := s.confd(ctx, "show state", nil, &state); err != nil {
		return err
	}
	fmt.Fprintln(s.stdout, "The factory's configuration is in force.")
	for _, line := range stateLines(state) {
		fmt.Fprintln(s.stdout, line)
	}
	return nil
}

func password(ctx context.Context, s *shell, args []string) error {
	user := appliance.Admin
	switch len(args) {
	case 0:
	case 1:
		user = args[0]
	default:
		return errArguments
	}
	if !s.hasConfd() {
		return errNoConfd
	}
	text, err := s.newPassword(ctx, user)
	if err != nil {
		return err
	}
	if err := s.confd(ctx, "set password "+escape(user), []byte(text), nil); err != nil {
		return err
	}
	fmt.Fprintf(s.stdout, "The password of %s is set.\n", user)
	return nil
}
