package main

import (
	"fmt"
	"io"
	"os"

	"github.com/sluice-lb/sluice/pkg/config"
)

// checked is a configuration that was read. conf is nil if it has faults.
type checked struct {
	conf   *config.Config
	record config.Record
	warned bool
}

// load reads and parses the files and prints warnings. All alerts are in the
// error.
func load(a *arguments, m *messages) (*checked, error) {
	sources, err := config.ReadFiles(a.files)
	if err != nil {
		return nil, cannotRead(err)
	}
	if len(sources) == 0 {
		return nil, errUsage
	}
	host, _ := os.Hostname()
	c := &checked{}
	opt := config.Options{
		Getenv: environment(a, host), ReadFile: os.ReadFile, ReadDir: config.ReadNames,
		Hostname: host, LocalPeer: a.peer,
		ZeroWarning: a.zeroWarning, Diag: a.diagnose, Maxconn: a.proxyMaxconn,
	}
	if a.lines != nil || a.check && a.diagnose {
		opt.Record = &c.record
	}
	conf, warnings, err := config.Parse(sources, opt)
	for _, w := range warnings {
		m.finding(w)
		c.warned = c.warned || w.Severity == config.Warning
	}
	if err != nil {
		return c, err
	}
	c.conf = conf
	return c, nil
}

// print answers the options that display something about a valid configuration.
func (c *checked) print(a *arguments, w io.Writer) {
	if a.check && a.diagnose {
		_, _ = w.Write(config.Dump(&c.record)) // nobody to tell
	}
	if len(a.classes) > 0 {
		printClasses(w, a.classes, (&program{}).commands())
	}
	if a.objects {
		fmt.Fprintln(w, "List of loaded object files:")
		if path, err := os.Executable(); err == nil {
			fmt.Fprintln(w, path)
		}
	}
}

// verdict ends -c for a configuration without faults. One that listens nowhere has
// an exit code of its own.
func (c *checked) verdict(a *arguments, w io.Writer) error {
	if a.silent() {
		w = io.Discard
	}
	if c.warned {
		fmt.Fprintln(w, "Warnings were found.")
	}
	if !a.reachable(c.conf) {
		fmt.Fprintln(w, "Configuration file has no error but will not start (no listener) => exit(2).")
		return exitCode(2)
	}
	if a.verbose {
		fmt.Fprintln(w, "Configuration file is valid")
	}
	return nil
}

// reachable reports whether there is a listener in service. A control socket is
// one, and -W asks for none.
func (a *arguments) reachable(conf *config.Config) bool {
	for _, px := range conf.Proxies {
		if !px.Disabled && len(px.Binds) > 0 {
			return true
		}
	}
	return a.master || a.socket != "" || len(conf.Global.Sockets) > 0
}
