package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/sluice-lb/sluice/pkg/ctl"
)

// status shows all three parts; one that does not answer does not hide the others.
func status(ctx context.Context, s *shell, args []string) error {
	if len(args) > 0 {
		return errArguments
	}
	var errs []error
	fmt.Fprintln(s.stdout, "Services")
	if _, err := os.Stat("/run/systemd/system"); err == nil {
		fmt.Fprintln(s.stdout, "  managed by systemd: see \"systemctl status netd proxyd\"")
	} else {
		errs = append(errs, s.section(ctx, "init", "show units"))
	}
	fmt.Fprintln(s.stdout, "\nNetwork")
	errs = append(errs, s.section(ctx, "netd", "show network"))
	fmt.Fprintln(s.stdout, "\nProxy")
	errs = append(errs, s.proxyStatus(ctx))
	return errors.Join(errs...)
}

// section prints a daemon's answer, indented.
func (s *shell) section(ctx context.Context, daemon, command string) error {
	text, err := ctl.Call(ctx, s.socket(daemon), command, nil)
	for line := range strings.Lines(text) {
		fmt.Fprint(s.stdout, "  ", line)
	}
	if err != nil {
		fmt.Fprintf(s.stdout, "  %s does not answer\n", daemon)
		return fmt.Errorf("%s: %w", daemon, err)
	}
	return nil
}

// proxyStatus prints the proxy's statistics as a table.
func (s *shell) proxyStatus(ctx context.Context) error {
	text, err := ctl.Call(ctx, s.socket("proxyd"), "show stat", nil)
	if err != nil {
		fmt.Fprintln(s.stdout, "  proxyd does not answer")
		return fmt.Errorf("proxyd: %w", err)
	}
	stats, err := ctl.ParseStats(strings.NewReader(text))
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(s.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  PROXY\tSERVICE\tSTATUS\tADDRESS\tSESSIONS\tMAX\tTOTAL\tIN\tOUT\tERRORS\tQUEUE")
	for _, r := range stats {
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%d\t%d\t%d\t%s\t%s\t%d\t%d\n", r.Proxy, r.Service, r.Status, dash(r.Address),
			r.SessionsCur, r.SessionsMax, r.SessionsTotal, size(r.BytesIn), size(r.BytesOut), r.ConnectErrors, r.QueueCur)
	}
	return w.Flush()
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// size prints a number of bytes with a binary unit.
func size(n int64) string {
	if n < 1024 {
		return strconv.FormatInt(n, 10)
	}
	value, unit := float64(n), ""
	for _, unit = range []string{"K", "M", "G", "T", "P"} {
		if value /= 1024; value < 1024 {
			break
		}
	}
	return strconv.FormatFloat(value, 'f', 1, 64) + unit
}
