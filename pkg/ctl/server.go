package ctl

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Limits of one connection.
const (
	maxLine    = 64 << 10         // longest request line, bytes
	maxPayload = 16 << 20         // longest payload, bytes
	idleLimit  = 10 * time.Minute // a silent connection is closed after this; see SetIdle

	acceptPause = 100 * time.Millisecond // without descriptors or memory
)

// severity of a failed command's message, from syslog: 3 is "err".
const severityError = 3

// Server answers control connections from a command table.
type Server struct {
	table []Command
	level Level
	idle  atomic.Int64 // nanoseconds; 0: idleLimit
}

// NewServer returns a server for table whose connections have the right level.
// The table must not change afterwards.
func NewServer(table []Command, level Level) *Server {
	return &Server{table: table, level: level}
}

// SetIdle sets how long a connection may be silent between two commands before it
// is closed; 0 is 10 minutes, as without a call. It holds from the next command
// that a connection waits for.
func (s *Server) SetIdle(d time.Duration) { s.idle.Store(int64(d)) }

// Listen binds a UNIX stream socket at path with the given permission bits; its
// directory is made and a stale socket file is replaced.
func Listen(path string, mode fs.FileMode) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	// The new socket takes the name in one rename, so there is no moment without
	// a socket and no moment with the wrong permissions.
	tmp := fmt.Sprintf("%s.%d.tmp", path, os.Getpid())
	_ = os.Remove(tmp)
	l, err := net.Listen("unix", tmp)
	if err != nil {
		return nil, err
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	err = os.Chmod(tmp, mode)
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		_ = l.Close()
		_ = os.Remove(tmp)
		return nil, fmt.Errorf("bind control socket %s: %w", path, err)
	}
	return l, nil
}

// Serve accepts connections until ctx ends or l fails, and returns when every
// connection's goroutine has ended. It closes l.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	defer l.Close()
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	for {
		conn, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return nil
			}
			if isShortage(err) {
				time.Sleep(acceptPause)
				continue
			}
			return fmt.Errorf("accept control connection: %w", err)
		}
		wg.Go(func() { s.serveConn(ctx, conn) })
	}
}

// isShortage tells a lack that passes from a listener that is of no use any more.
func isShortage(err error) bool {
	for _, e := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// serveConn handles one connection; it ends with the connection, with ctx, or
// after the idle limit.
func (s *Server) serveConn(ctx context.Context, conn net.Conn) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()

	c := &session{server: s, conn: conn, in: bufio.NewReaderSize(conn, 4096)}
	for {
		_ = conn.SetReadDeadline(time.Now().Add(cmp.Or(time.Duration(s.idle.Load()), idleLimit)))
		line, err := readLine(c.in, maxLine)
		if err != nil && line == "" {
			return
		}
		payload, err := c.readPayload(&line)
		if err != nil {
			c.fail(err)
			return
		}
		_ = conn.SetReadDeadline(time.Time{})
		if !c.execLine(ctx, cancel, line, payload) {
			return
		}
	}
}

// session is the state of one control connection.
type session struct {
	server   *Server
	conn     net.Conn
	in       *bufio.Reader
	prompt   bool
	severity string // "", "none", "number", "string"
}

// readLine reads up to a line end, which it drops.
func readLine(in *bufio.Reader, limit int) (string, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		if err == nil || !errors.Is(err, bufio.ErrBufferFull) {
			return strings.TrimRight(string(line), "\r\n"), err
		}
		if len(line) > limit {
			return "", fmt.Errorf("line exceeds %d bytes", limit)
		}
	}
}

// readPayload strips a trailing "<<" (optionally followed by an end marker) from
// line and reads the payload: up to an empty line, or up to the marker alone.
func (c *session) readPayload(line *string) ([]byte, error) {
	before, marker, found := strings.Cut(*line, "<<")
	if !found || strings.ContainsAny(strings.TrimSpace(marker), " ;") {
		return nil, nil
	}
	*line, marker = before, strings.TrimSpace(marker)
	var payload bytes.Buffer
	for {
		text, err := readLine(c.in, maxPayload) // JSON may be a single line
		if err != nil {
			return nil, fmt.Errorf("read payload: %w", err)
		}
		if text == marker {
			return payload.Bytes(), nil
		}
		if payload.Len()+len(text) > maxPayload {
			return nil, fmt.Errorf("payload exceeds %d bytes", maxPayload)
		}
		payload.WriteString(text)
		payload.WriteByte('\n')
	}
}

// execLine runs the commands of one line and reports whether the connection
// stays open.
func (c *session) execLine(ctx context.Context, cancel context.CancelFunc, line string, payload []byte) bool {
	// While commands run, a client that goes away ends them. Only a one-shot
	// client is watched: with a prompt the next bytes are the next command.
	commands := splitCommands(line)
	if take := c.server.takes(commands); take != nil {
		if conn, ok := c.conn.(*net.UnixConn); ok {
			take(conn)
		}
		return false
	}
	if !c.prompt && !slices.ContainsFunc(commands, isPrompt) {
		go c.watchHangup(cancel)
	}
	for _, text := range commands {
		words := splitWords(text)
		if len(words) == 0 {
			continue
		}
		switch {
		case words[0] == "quit":
			return false
		case words[0] == "prompt":
			c.prompt = !c.prompt
		case len(words) == 3 && words[0] == "set" && words[1] == "severity-output":
			c.severity = words[2]
		default:
			if err := c.server.run(ctx, words, payload, c.conn); err != nil {
				c.fail(err)
			}
			fmt.Fprintln(c.conn)
		}
	}
	if c.prompt {
		fmt.Fprint(c.conn, "> ")
	}
	return c.prompt
}

// takes returns the function of a command that wants the connection for itself.
func (s *Server) takes(commands []string) func(*net.UnixConn) {
	if len(commands) != 1 {
		return nil
	}
	cmd, rest := find(s.table, splitWords(commands[0]))
	if cmd == nil || len(rest) > 0 || cmd.Level > s.level {
		return nil
	}
	return cmd.Take
}

func isPrompt(command string) bool {
	words := splitWords(command)
	return len(words) > 0 && words[0] == "prompt"
}

// watchHangup ends the commands of a client that goes away. A client that only
// closed its sending side, as socat does at the end of its input, still reads.
func (c *session) watchHangup(cancel context.CancelFunc) {
	if _, err := io.Copy(io.Discard, c.in); err != nil || c.hungUp() {
		cancel()
	}
}

// hungUp tells a closed connection from a half-closed one.
func (c *session) hungUp() bool {
	sc, ok := c.conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return true
	}
	hup := true
	_ = raw.Control(func(fd uintptr) {
		poll := []unix.PollFd{{Fd: int32(fd)}}
		n, err := unix.Poll(poll, 0)
		hup = err == nil && n > 0 && poll[0].Revents&unix.POLLHUP != 0
	})
	return hup
}

func (c *session) fail(err error) {
	switch c.severity {
	case "number":
		fmt.Fprintf(c.conn, "[%d]:%s\n", severityError, err)
	case "string":
		fmt.Fprintf(c.conn, "[err]:%s\n", err)
	default:
		fmt.Fprintln(c.conn, err)
	}
}

// run executes one command given as words.
func (s *Server) run(ctx context.Context, words []string, payload []byte, w io.Writer) error {
	if words[0] == "help" {
		writeHelp(w, s.table, s.level)
		return nil
	}
	cmd, rest := find(s.table, words)
	if cmd == nil {
		return fmt.Errorf("unknown command %q; \"help\" lists the commands", strings.Join(words, " "))
	}
	if cmd.Missing != "" {
		return fmt.Errorf("%q is %s", cmd.Name, cmd.Missing)
	}
	if cmd.Level > s.level {
		return fmt.Errorf("permission denied: %q needs level %s, this socket has %s", cmd.Name, cmd.Level, s.level)
	}
	if cmd.Run == nil {
		return fmt.Errorf("%q must stand alone", cmd.Name)
	}
	err := cmd.Run(ctx, &Request{Args: rest, Payload: payload}, w)
	if errors.Is(err, ErrUsage) {
		return fmt.Errorf("%w; usage: %s %s", err, cmd.Name, cmd.Args)
	}
	return err
}
