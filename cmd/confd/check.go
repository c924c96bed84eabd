package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/sluice-lb/sluice/pkg/appliance"
	"github.com/sluice-lb/sluice/pkg/config"
	"github.com/sluice-lb/sluice/pkg/ctl"
)

// Check lets the programs that will load the files judge a copy of them.
func (m *machine) Check(ctx context.Context, f appliance.Files) (appliance.Report, error) {
	dir, err := os.MkdirTemp(m.run, "check-")
	if err != nil {
		return appliance.Report{}, err
	}
	defer os.RemoveAll(dir)
	if err := f.WriteTo(dir); err != nil {
		return appliance.Report{}, err
	}
	var proxy, network judgement
	var all sync.WaitGroup
	all.Go(func() { proxy = judge(ctx, dir, proxyFindings, m.proxyd, "-c", "-W", "-f", appliance.ProxyFile) })
	all.Go(func() { network = judge(ctx, dir, networkFindings, m.netd, "-c", "-config", "network") })
	all.Wait()
	if err := errors.Join(proxy.err, network.err); err != nil {
		return appliance.Report{}, err
	}
	names := append(checkHosts(f["hosts"]), checkHostname(f["hostname"])...)
	report := appliance.Report{
		Valid:    proxy.valid && network.valid && len(names) == 0,
		Findings: append(append(proxy.findings, network.findings...), names...),
	}
	if network.valid {
		report.Plan = m.plan(ctx, dir+"/network")
	}
	return report, nil
}

// plan asks netd what a directory would change. While netd is away there is no
// plan.
func (m *machine) plan(ctx context.Context, dir string) []string {
	text, err := ctl.Call(ctx, m.socket("netd"), "plan "+dir, nil)
	if err != nil {
		return nil
	}
	var out []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && line != "nothing to change" {
			out = append(out, line)
		}
	}
	return out
}

// judgement is what a program said about its files.
type judgement struct {
	valid    bool
	findings []appliance.Finding
	err      error // there is none
}

// judge runs a program that checks files in dir; read makes findings of what it
// says.
func judge(ctx context.Context, dir string, read func(string) []appliance.Finding, program string, args ...string) judgement {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	// The service manager's socket is not for our children.
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "NOTIFY_SOCKET=") && !strings.HasPrefix(v, "WATCHDOG_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err := cmd.Run()
	j := judgement{valid: err == nil, findings: read(stderr.String())}
	exit := (*exec.ExitError)(nil)
	switch {
	case err == nil:
	case !errors.As(err, &exit) || exit.ExitCode() < 0:
		j.err = fmt.Errorf("run %s: %w", program, err)
	case len(j.findings) == 0:
		j.err = fmt.Errorf("run %s: %w: %s", program, err, strings.TrimSpace(stderr.String()))
	}
	return j
}

// proxyFindings reads the lines of "proxyd -c". Notices are for whoever runs it by
// hand.
func proxyFindings(text string) []appliance.Finding {
	var out []appliance.Finding
	for line := range strings.Lines(text) {
		d, ok := config.ParseHAProxy(strings.TrimSuffix(line, "\n"))
		if !ok || d.Severity != config.Alert && d.Severity != config.Warning {
			continue
		}
		f := appliance.Finding{File: d.Pos.File, Line: d.Pos.Line, Column: d.Pos.Col, Severity: "alert", Message: d.Message}
		if d.Severity == config.Warning {
			f.Severity = "warning"
		}
		out = append(out, f)
	}
	return out
}

// placePattern is "file:line:column: message"; line and column may be missing.
var placePattern = regexp.MustCompile(`^(?:([A-Za-z0-9._@+/-]+)(?::(\d+):(\d+))?: )?(.*)$`)

// networkFindings reads the lines of "netd -c".
func networkFindings(text string) []appliance.Finding {
	var out []appliance.Finding
	for line := range strings.Lines(text) {
		match := placePattern.FindStringSubmatch(strings.TrimSpace(line))
		if match == nil || match[4] == "" {
			continue
		}
		f := appliance.Finding{File: match[1], Severity: "alert", Message: match[4]}
		f.Line, _ = strconv.Atoi(match[2]) // the pattern has digits only
		f.Column, _ = strconv.Atoi(match[3])
		out = append(out, f)
	}
	return out
}

// checkHosts judges a hosts table as hosts(5) describes it.
func checkHosts(text string) []appliance.Finding {
	var out []appliance.Finding
	n := 0
	for line := range strings.Lines(text) {
		n++
		entry, _, _ := strings.Cut(line, "#")
		words := strings.Fields(entry)
		if len(words) == 0 {
			continue
		}
		if _, err := netip.ParseAddr(words[0]); err != nil {
			out = append(out, finding("hosts", n, line, words[0], "%q is no address; accepted: <address> <name> [<name> ...]", words[0]))
			continue
		}
		if len(words) == 1 {
			out = append(out, finding("hosts", n, line, words[0], "a name is missing; accepted: <address> <name> [<name> ...]"))
		}
		for _, name := range words[1:] {
			if !hostPattern.MatchString(name) {
				out = append(out, finding("hosts", n, line, name, "%q is no host name; accepted: letters, digits, - and .", name))
			}
		}
	}
	return out
}

// hostPattern is a host name of RFC 1123, section 2.1, with the underscore that
// people use.
var hostPattern = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*\.?$`)

// maxHostname is the kernel's limit in bytes (HOST_NAME_MAX).
const maxHostname = 64

func checkHostname(text string) []appliance.Finding {
	name := strings.TrimSpace(text)
	if text == "" || hostPattern.MatchString(name) && len(name) <= maxHostname {
		return nil
	}
	return []appliance.Finding{finding("hostname", 1, text, name, "%q is no host name; accepted: letters, digits, - and ., up to %d bytes", name, maxHostname)}
}

func finding(file string, n int, line, word, format string, args ...any) appliance.Finding {
	return appliance.Finding{File: file, Line: n, Column: strings.Index(line, word) + 1, Severity: "alert", Message: fmt.Sprintf(format, args...)}
}
