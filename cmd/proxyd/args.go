package main

import (
	"fmt"
	"io"
	"runtime"
	"strconv"
	"strings"
)

// arguments are haproxy(1)'s command line (management guide, section 3).
type arguments struct {
	files      []string
	help       bool
	version    int // 1: -v, 2: -vv
	check      bool
	quiet      bool
	daemon     bool
	foreground bool   // -db
	socket     string // -S
	pidfile    string
	chdir      string
	maxconn    int
	finish     []int // -sf: these processes end softly once we listen
	terminate  []int // -st: these end at once
}

// option is one row of the command line. value gets the option's argument, or ""
// if it takes none.
type option struct {
	name, arg, help string
	set             func(a *arguments, value string) error
}

var options = []option{
	{"-f", "FILE", "configuration file, or directory of *.cfg files; may be repeated", func(a *arguments, v string) error {
		a.files = append(a.files, v)
		return nil
	}},
	{"-c", "", "check the configuration and exit: 0 valid, 1 not", func(a *arguments, _ string) error { a.check = true; return nil }},
	{"-v", "", "print the version", func(a *arguments, _ string) error { a.version = 1; return nil }},
	{"-vv", "", "print the version and how it was built", func(a *arguments, _ string) error { a.version = 2; return nil }},
	{"-h", "", "print this help", func(a *arguments, _ string) error { a.help = true; return nil }},
	{"-D", "", "go to the background once listening", func(a *arguments, _ string) error { a.daemon = true; return nil }},
	{"-db", "", "stay in the foreground, whatever the configuration says", func(a *arguments, _ string) error { a.foreground = true; return nil }},
	{"-W", "", "accepted: reloads need no master process here", ignore},
	{"-Ws", "", "accepted: readiness is told to the service manager anyway", ignore},
	{"-S", "PATH", "control socket (runtime API, level admin); options after a comma are ignored", func(a *arguments, v string) error {
		a.socket, _, _ = strings.Cut(v, ",")
		return nil
	}},
	{"-p", "FILE", "write the process id to FILE", func(a *arguments, v string) error { a.pidfile = v; return nil }},
	{"-q", "", "print nothing but alerts", func(a *arguments, _ string) error { a.quiet = true; return nil }},
	{"-V", "", "accepted: messages are printed anyway", ignore},
	{"-C", "DIR", "change to DIR before files are read", func(a *arguments, v string) error { a.chdir = v; return nil }},
	{"-m", "MB", "accepted: memory is limited by the unit (MemoryMax=)", func(_ *arguments, v string) error { _, err := number(v); return err }},
	{"-n", "NUMBER", "limit of concurrent connections, instead of global maxconn", func(a *arguments, v string) (err error) {
		a.maxconn, err = number(v)
		return err
	}},
	{"-sf", "PID...", "once listening, tell these processes to finish (SIGUSR1)", nil},
	{"-st", "PID...", "once listening, tell these processes to stop (SIGTERM)", nil},
}

func ignore(*arguments, string) error { return nil }

func number(v string) (int, error) {
	n, err := strconv.Atoi(v)
	if err != nil || n <= 0 {
		return 0, fmt.Errorf("%q: a positive number is needed", v)
	}
	return n, nil
}

// parseArgs reads the command line; what follows "--" are configuration files.
func parseArgs(args []string) (*arguments, error) {
	a := &arguments{}
	for i := 0; i < len(args); i++ {
		name := args[i]
		if name == "--" {
			a.files = append(a.files, args[i+1:]...)
			return a, nil
		}
		if name == "-sf" || name == "-st" {
			n, err := a.pids(name, args[i+1:])
			if err != nil {
				return nil, err
			}
			i += n
			continue
		}
		o := findOption(name)
		if o == nil {
			return nil, fmt.Errorf("unknown option %q; -h lists the options", name)
		}
		value := ""
		if o.arg != "" {
			if i++; i == len(args) {
				return nil, fmt.Errorf("option %s needs %s", o.name, o.arg)
			}
			value = args[i]
		}
		if err := o.set(a, value); err != nil {
			return nil, fmt.Errorf("option %s: %w", o.name, err)
		}
	}
	return a, nil
}

func findOption(name string) *option {
	for i := range options {
		if options[i].name == name {
			return &options[i]
		}
	}
	return nil
}

// pids takes the process ids after -sf or -st; there may be none, as in
// "-sf $(cat pidfile)" at the first start.
func (a *arguments) pids(name string, rest []string) (taken int, err error) {
	list := &a.finish
	if name == "-st" {
		list = &a.terminate
	}
	for _, word := range rest {
		if strings.HasPrefix(word, "-") {
			break
		}
		pid, err := number(word)
		if err != nil {
			return 0, fmt.Errorf("option %s: %w", name, err)
		}
		*list = append(*list, pid)
		taken++
	}
	return taken, nil
}

func printUsage(w io.Writer) {
	fmt.Fprintln(w, "Usage: proxyd -f FILE [options] [-- FILE...]")
	for _, o := range options {
		fmt.Fprintf(w, "  %-12s %s\n", strings.TrimSpace(o.name+" "+o.arg), o.help)
	}
}

func printVersion(w io.Writer, long bool) {
	fmt.Fprintf(w, "Sluice proxyd version %s, HAProxy configuration language %s\n", version, compatible)
	if long {
		fmt.Fprintf(w, "Built with %s for %s/%s\nEvent loops: epoll, splice\n", runtime.Version(), runtime.GOOS, runtime.GOARCH)
	}
}
