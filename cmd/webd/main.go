// Command webd serves the appliance's web pages and REST API over HTTPS. It is a
// face only: everything is asked of the other daemons over their control sockets,
// see package web. Without them it runs and says who does not answer.
//
// SIGTERM and SIGINT stop it: requests in progress get a moment to end.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/sluice-lb/sluice/pkg/ctl"
	"github.com/sluice-lb/sluice/pkg/web"
	"golang.org/x/sys/unix"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM, os.Interrupt)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// flags are webd's command line.
type flags struct {
	listen, runDir, tlsDir string
}

func parseFlags(args []string, stderr io.Writer) (*flags, error) {
	f := &flags{}
	set := flag.NewFlagSet("webd", flag.ContinueOnError)
	set.SetOutput(stderr)
	set.StringVar(&f.listen, "listen", ":4444", "`address` to serve HTTPS on")
	set.StringVar(&f.runDir, "run-dir", "/run/sluice", "`directory` of the control sockets")
	set.StringVar(&f.tlsDir, "tls-dir", "/data/sluice/tls",
		"`directory` of cert.pem and key.pem; a certificate is made there, or kept in memory when the directory above is missing")
	if err := set.Parse(args); err != nil {
		return nil, err
	}
	if set.NArg() > 0 {
		return nil, fmt.Errorf("argument %q: webd takes only flags", set.Arg(0))
	}
	return f, nil
}

func run(ctx context.Context, args []string, _ io.Reader, _, stderr io.Writer) error {
	f, err := parseFlags(args, stderr)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(stderr, nil))
	s := func(name string) web.Daemon { return socket(filepath.Join(f.runDir, name+".sock")) }
	handler, err := web.New(web.Daemons{Conf: s("confd"), Proxy: s("proxyd"), Net: s("netd"), Init: s("init")},
		web.Options{Log: log, Name: hostName})
	if err != nil {
		return err
	}
	cert := &web.Certificate{Dir: certificateDir(f.tlsDir, log), Names: certificateNames, Addrs: certificateAddrs, Now: time.Now, Log: log}
	if _, err := cert.Get(nil); err != nil { // made now, not while the first browser waits
		return err
	}
	l, err := net.Listen("tcp", f.listen)
	if err != nil {
		return err
	}
	log.Info("serving", "address", l.Addr())
	return serve(ctx, l, handler, cert, log)
}

// socket is a daemon's control socket.
type socket string

// Call sends a command and returns its whole answer.
func (s socket) Call(ctx context.Context, command string, payload []byte) (string, error) {
	return ctl.Call(ctx, string(s), command, payload)
}

// Stream copies a command's answer to w as it grows.
func (s socket) Stream(ctx context.Context, command string, w io.Writer) error {
	return ctl.Stream(ctx, string(s), command, nil, w)
}

func hostName() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return "sluice"
	}
	return name
}

// certificateDir returns dir when its parent is there, as it is once the data
// partition is mounted; a certificate below a bare mount point would be lost from
// sight when the partition comes.
func certificateDir(dir string, log *slog.Logger) string {
	if dir == "" {
		return ""
	}
	if _, err := os.Stat(filepath.Dir(dir)); err != nil {
		log.Warn("certificate is kept in memory only", "err", err)
		return ""
	}
	return dir
}

func certificateNames() []string { return []string{hostName(), "localhost"} }

// certificateAddrs lists the machine's addresses that others can reach.
func certificateAddrs() []netip.Addr {
	var out []netip.Addr
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil // the certificate names the host then
	}
	for _, a := range all {
		p, err := netip.ParsePrefix(a.String())
		if err == nil && !p.Addr().IsLinkLocalUnicast() {
			out = append(out, p.Addr())
		}
	}
	return out
}

// notify tells the service manager; without one nothing happens.
func notify(log *slog.Logger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Error("service manager not told", "state", state, "err", err)
	}
}

// discard answers the watchdog's request.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(status int)      { d.status = status }
