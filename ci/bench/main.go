// Command bench measures Sluice's proxy beside Debian's haproxy and nginx (stream):
// the same work, on loopback, in interleaved rounds of one session.
//
//	go run ./ci/bench [-rounds 5] [-work redis-50,bulk-down] [-haproxy NAME=PATH] [-markdown FILE]
//
// It starts all servers itself, in a directory of its own, and stops them.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// settings are the command line.
type settings struct {
	rounds   int
	seconds  time.Duration // of works that are measured by time
	work     string
	proxyd   string
	haproxy  extraBinaries
	markdown string
	scale    float64
}

// extraBinaries are further haproxy programs to compare with, NAME=PATH.
type extraBinaries [][2]string

func (e *extraBinaries) String() string { return fmt.Sprint(*e) }

// Set adds NAME=PATH.
func (e *extraBinaries) Set(s string) error {
	name, path, ok := strings.Cut(s, "=")
	if !ok {
		return fmt.Errorf("%q: accepted is NAME=PATH", s)
	}
	*e = append(*e, [2]string{name, path})
	return nil
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var s settings
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.IntVar(&s.rounds, "rounds", 5, "interleaved rounds")
	fs.DurationVar(&s.seconds, "time", 5*time.Second, "length of a timed measurement")
	fs.StringVar(&s.work, "work", "", "comma-separated names of the works, all by default")
	fs.StringVar(&s.proxyd, "proxyd", "", "Sluice's program; built from this tree by default")
	fs.Var(&s.haproxy, "haproxy", "one more haproxy to compare with, as NAME=PATH; may be repeated")
	fs.StringVar(&s.markdown, "markdown", "", "write the tables to this file too")
	fs.Float64Var(&s.scale, "scale", 1, "factor for the amount of work")
	if err := fs.Parse(args); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "sluice-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if s.proxyd == "" {
		s.proxyd = filepath.Join(dir, "proxyd")
		build := exec.CommandContext(ctx, "go", "build", "-o", s.proxyd, "./cmd/proxyd")
		build.Stderr = stderr
		if err := build.Run(); err != nil {
			return fmt.Errorf("build proxyd: %w", err)
		}
	}
	b := &bench{settings: s, dir: dir, log: stderr}
	defer b.stopServers()
	if err := b.prepare(ctx); err != nil {
		return err
	}
	results, err := b.measureAll(ctx)
	if err != nil {
		return err
	}
	text := b.report(results)
	fmt.Fprint(stdout, text)
	if s.markdown != "" {
		return os.WriteFile(s.markdown, []byte(text), 0o644)
	}
	return nil
}

// bench is one session.
type bench struct {
	settings
	dir     string
	log     io.Writer
	peers   []peer
	reading []peer // haproxy in HTTP mode, for works that compare with it
	servers []*exec.Cmd
	ports   serverPorts
	rate    float64 // requests/s of the half-load work, set by redis-50
}

// prepare finds the peers and starts the servers.
func (b *bench) prepare(ctx context.Context) error {
	b.peers = []peer{sluicePeer(b.proxyd)}
	for _, extra := range append(extraBinaries{{"haproxy", "haproxy"}}, b.haproxy...) {
		p, err := haproxyPeer(extra[0], extra[1])
		if err != nil {
			return err
		}
		b.peers = append(b.peers, p)
		b.reading = append(b.reading, p.inHTTPMode())
	}
	p, err := nginxPeer()
	if err != nil {
		return err
	}
	b.peers = append(b.peers, p)
	return b.startServers(ctx)
}

// measureAll runs each work in interleaved rounds; the order of the peers moves on
// by one from round to round.
func (b *bench) measureAll(ctx context.Context) (map[string]map[string][]sample, error) {
	results := map[string]map[string][]sample{}
	var wanted []string
	if b.work != "" {
		wanted = strings.Split(b.work, ",")
	}
	for _, w := range works() {
		if wanted != nil && !slices.Contains(wanted, w.name) {
			continue
		}
		results[w.name] = map[string][]sample{}
		for round := range b.rounds {
			peers := b.peersOf(w)
			for i := range peers {
				p := peers[(i+round)%len(peers)]
				s, err := b.measure(ctx, p, w)
				if err != nil {
					return nil, fmt.Errorf("%s with %s: %w", w.name, p.name, err)
				}
				fmt.Fprintf(b.log, "%-14s round %d %-18s %v\n", w.name, round+1, p.name, s)
				results[w.name][p.name] = append(results[w.name][p.name], s)
			}
		}
		if w.name == "redis-50" {
			b.rate = slowest(results[w.name]) / 2
		}
	}
	return results, nil
}

// peersOf are the proxies that do a work, Sluice first.
func (b *bench) peersOf(w work) []peer {
	if w.alsoReading {
		return slices.Concat(b.peers, b.reading)
	}
	return b.peers
}

// measure starts the peer, runs the work once and stops the peer.
func (b *bench) measure(ctx context.Context, p peer, w work) (sample, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	running, err := b.startPeer(ctx, p)
	if err != nil {
		return nil, err
	}
	defer running.stop()
	return w.run(ctx, b, running)
}
