// Command proxyd is the TCP proxy: it reads HAProxy's configuration language and
// command line, and serves until it is told to stop.
//
//	SIGUSR1          soft stop: no new connections, ends with the last session
//	SIGTERM, SIGINT  stop at once
//	SIGUSR2          reload; a configuration with faults changes nothing
//	SIGHUP           log the state of all servers
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/hashicorp/go-multierror"
	"github.com/sluice-lb/sluice/pkg/config"
)

// version is set by the image builder (-ldflags -X main.version=...).
var version = "dev"

// compatible is the HAProxy version whose language is spoken.
const compatible = "3.0"

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr); err != nil {
		report(os.Stderr, err)
		os.Exit(1)
	}
}

// run is the whole program. An error has not been printed yet.
func run(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) error {
	a, err := parseArgs(args)
	if err != nil {
		return err
	}
	switch {
	case a.help:
		printUsage(stdout)
		return nil
	case a.version > 0:
		printVersion(stdout, a.version > 1)
		return nil
	}
	if a.quiet {
		stdout = io.Discard
	}
	if a.chdir != "" {
		if err := os.Chdir(a.chdir); err != nil {
			return err
		}
	}
	if len(a.files) == 0 {
		return errors.New("no configuration file: accepted are -f FILE or a directory of *.cfg files, more than once, or -- FILE")
	}
	conf, err := load(a.files, stderr, a.quiet)
	if err != nil {
		report(stderr, err)
		return errors.New("fatal errors found in configuration")
	}
	if a.check {
		fmt.Fprintln(stdout, "Configuration file is valid")
		return nil
	}
	if (a.daemon || conf.Global.Daemon) && !a.foreground && !isDaemonChild() {
		return daemonize(ctx, args)
	}
	return serve(ctx, a, conf, stdout, stderr)
}

// load reads and parses the files and prints warnings. All alerts are in the
// error.
func load(files []string, stderr io.Writer, quiet bool) (*config.Config, error) {
	sources, err := config.ReadFiles(files)
	if err != nil {
		return nil, err
	}
	host, _ := os.Hostname()
	conf, warnings, err := config.Parse(sources, config.Options{Getenv: os.LookupEnv, Hostname: host})
	if !quiet {
		for _, w := range warnings {
			fmt.Fprintf(stderr, "[WARNING] %v\n", w)
		}
	}
	if err != nil {
		return nil, err
	}
	return conf, nil
}

// report prints an error, each part of an aggregate on a line of its own.
func report(w io.Writer, err error) {
	var all *multierror.Error
	if !errors.As(err, &all) {
		fmt.Fprintf(w, "[ALERT] %v\n", err)
		return
	}
	for _, e := range all.Errors {
		fmt.Fprintf(w, "[ALERT] %v\n", e)
	}
}
