package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/sluice-lb/sluice/pkg/web"
)

// Limits of connections. An apply runs several steps of up to half a minute each,
// and its answer must still be written.
const (
	maxConns     = 256
	headerLimit  = 10 * time.Second
	readLimit    = time.Minute
	writeLimit   = 10 * time.Minute
	idleLimit    = 2 * time.Minute
	headerBytes  = 32 << 10
	stopLimit    = 3 * time.Second
	tlsHandshake = 0x16 // first byte of a TLS connection (RFC 8446, section 5.1)
)

// serve answers on l until ctx ends.
func serve(ctx context.Context, l net.Listener, handler http.Handler, cert *web.Certificate, log *slog.Logger) error {
	srv := &http.Server{
		Handler: handler, ReadHeaderTimeout: headerLimit, ReadTimeout: readLimit, WriteTimeout: writeLimit,
		IdleTimeout: idleLimit, MaxHeaderBytes: headerBytes,
		TLSConfig:   &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: cert.Get},
		BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog:    slog.NewLogLogger(log.Handler(), slog.LevelDebug), // strangers' handshakes
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.ServeTLS(&listener{Listener: l, room: make(chan struct{}, maxConns)}, "", "") }()
	notify(log, daemon.SdNotifyReady)
	stopWatchdog, err := watchdog(ctx, handler, log)
	if err != nil {
		return err
	}
	defer stopWatchdog()
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	notify(log, daemon.SdNotifyStopping)
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopLimit)
	defer cancel()
	if err := srv.Shutdown(end); err != nil {
		_ = srv.Close() // what is still open after the moment is cut
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// watchdog pings the service manager as long as the handler answers a request.
func watchdog(ctx context.Context, handler http.Handler, log *slog.Logger) (stop func(), err error) {
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return nil, fmt.Errorf("read watchdog interval: %w", err)
	}
	if every == 0 {
		return func() {}, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(every / 2)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "/static/app.css", http.NoBody)
			if err != nil {
				log.Error("watchdog request", "err", err)
				return
			}
			answer := &discard{header: http.Header{}, status: http.StatusOK}
			if handler.ServeHTTP(answer, req); answer.status == http.StatusOK {
				notify(log, daemon.SdNotifyWatchdog)
			}
		}
	})
	return func() { cancel(); wg.Wait() }, nil
}

// listener bounds the number of connections and looks at how each begins.
type listener struct {
	net.Listener
	room chan struct{} // one entry for each open connection
}

// Accept waits for room: more connections stay in the backlog.
func (l *listener) Accept() (net.Conn, error) {
	l.room <- struct{}{}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.room
		return nil, err
	}
	return &conn{Conn: c, release: sync.OnceFunc(func() { <-l.room })}, nil
}

// conn answers a browser that speaks plain HTTP to this port by sending it to
// HTTPS.
type conn struct {
	net.Conn
	release func()
	begun   bool // the first bytes were seen; used by the reading goroutine only
}

var errPlain = errors.New("plain HTTP on an HTTPS port")

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.begun || n == 0 {
		return n, err
	}
	c.begun = true
	if p[0] == tlsHandshake {
		return n, err
	}
	c.redirect(p[:n])
	return 0, errPlain
}

// redirect answers a request whose head came in one piece; others are closed.
func (c *conn) redirect(head []byte) {
	req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
	if err != nil || req.Host == "" {
		return
	}
	_, _ = fmt.Fprintf(c.Conn, "HTTP/1.1 308 Permanent Redirect\r\nLocation: https://%s%s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
		req.Host, req.URL.RequestURI()) // the caller closes
}

func (c *conn) Close() error {
	c.release()
	return c.Conn.Close()
}
