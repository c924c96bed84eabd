package ctl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
)

// CommandError is a failure that the server reported for a command, as opposed
// to a socket that could not be reached.
type CommandError struct {
	Message string // the server's words, without the severity prefix
}

// Error returns the server's message.
func (e *CommandError) Error() string { return e.Message }

// failurePrefix starts each failure once severity output is numeric.
const failurePrefix = "[3]:"

// payloadEnd marks the end of a payload; no configuration line reads like it.
const payloadEnd = "%EOF-sluice-payload%"

// Call sends one command to the control socket at path and returns its whole
// answer without the closing blank line. A failed command is a *CommandError,
// possibly with part of an answer before it.
func Call(ctx context.Context, path, command string, payload []byte) (string, error) {
	var out bytes.Buffer
	err := Stream(ctx, path, command, payload, &out)
	return out.String(), err
}

// Stream is Call for long answers: w gets the answer as it arrives, until the
// command ends or ctx does.
func Stream(ctx context.Context, path, command string, payload []byte, w io.Writer) error {
	if strings.Contains(command, "\n") || len(splitCommands(command)) > 1 {
		return fmt.Errorf("command %q: a single command on one line is needed", command)
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return fmt.Errorf("reach control socket: %w", err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()

	var req bytes.Buffer
	req.WriteString("set severity-output number;" + command)
	if payload != nil {
		if bytes.Contains(payload, []byte(payloadEnd)) {
			return errors.New("payload holds the reserved end marker")
		}
		fmt.Fprintf(&req, " <<%s\n%s", payloadEnd, payload)
		if !bytes.HasSuffix(payload, []byte("\n")) {
			req.WriteByte('\n')
		}
		req.WriteString(payloadEnd)
	}
	req.WriteByte('\n')
	if _, err := conn.Write(req.Bytes()); err != nil {
		return fmt.Errorf("send command: %w", err)
	}
	f := &failureFilter{w: w}
	if _, err := io.Copy(f, conn); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("read answer: %w", err)
	}
	return f.finish()
}

// failureFilter passes complete lines on to w until a line starts with
// failurePrefix; from there on it collects the failure's message. The blank line
// that ends an answer is held back.
type failureFilter struct {
	w       io.Writer
	line    []byte // incomplete last line
	blank   int    // blank lines held back
	failure []byte
	failed  bool
}

func (f *failureFilter) Write(p []byte) (int, error) {
	f.line = append(f.line, p...)
	for {
		i := bytes.IndexByte(f.line, '\n')
		if i < 0 {
			return len(p), nil
		}
		if err := f.takeLine(f.line[:i+1]); err != nil {
			return 0, err
		}
		f.line = f.line[i+1:]
	}
}

func (f *failureFilter) takeLine(line []byte) error {
	if !f.failed && bytes.HasPrefix(line, []byte(failurePrefix)) {
		f.failed = true
		line = line[len(failurePrefix):]
	}
	if f.failed {
		f.failure = append(f.failure, line...)
		return nil
	}
	if len(line) == 1 {
		f.blank++
		return nil
	}
	for ; f.blank > 0; f.blank-- {
		if _, err := f.w.Write([]byte{'\n'}); err != nil {
			return err
		}
	}
	_, err := f.w.Write(line)
	return err
}

func (f *failureFilter) finish() error {
	if len(f.line) > 0 {
		if err := f.takeLine(f.line); err != nil {
			return err
		}
	}
	if f.failed {
		return &CommandError{Message: strings.TrimSpace(string(f.failure))}
	}
	return nil
}
