package ctl

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// Socket is a listening socket on its way from one process to its successor.
type Socket struct {
	FD        int
	Namespace string // network namespace of its bind line, at most 255 bytes; "": that of the process
	Interface string // that it is bound to, at most 255 bytes; "": any
}

// GetSockets is the command with which a successor asks for the listening sockets.
// Its Take should SendSockets.
const GetSockets = "_getsocks"

// The exchange is HAProxy's, as observed between two processes of version 3.0. The
// successor sends the command, and the predecessor how many sockets there are, as a
// number of 32 bits in the machine's order. The sockets follow, up to
// socketsAtOnce in one message, as SCM_RIGHTS beside a record for each: namespace
// and interface, each behind its length in a byte, and 32 bits of options that are
// 0. Each message is answered with the number of sockets that came before it.
const (
	socketsAtOnce = 252
	maxSockets    = 1 << 20
	recordMax     = 2*256 + 4
	// answerLimit is how long each side waits for the other.
	answerLimit = 5 * time.Second
)

// SendSockets answers "_getsocks" on conn. The sockets stay open here too.
func SendSockets(conn *net.UnixConn, sockets []Socket) error {
	number := func(n int) []byte { return binary.NativeEndian.AppendUint32(nil, uint32(n)) }
	_ = conn.SetDeadline(time.Now().Add(answerLimit))
	if _, err := conn.Write(number(len(sockets))); err != nil {
		return fmt.Errorf("send number of sockets: %w", err)
	}
	for first := 0; first < len(sockets); first += socketsAtOnce {
		var records []byte
		var fds []int
		for _, s := range sockets[first:min(first+socketsAtOnce, len(sockets))] {
			if len(s.Namespace) > 255 || len(s.Interface) > 255 {
				return fmt.Errorf("send sockets: name longer than 255 bytes: %.300q", s.Namespace+s.Interface)
			}
			fds = append(fds, s.FD)
			records = append(append(records, byte(len(s.Namespace))), s.Namespace...)
			records = append(append(records, byte(len(s.Interface))), s.Interface...)
			records = append(records, 0, 0, 0, 0)
		}
		_ = conn.SetDeadline(time.Now().Add(answerLimit))
		n, _, err := conn.WriteMsgUnix(records, unix.UnixRights(fds...), nil)
		if err == nil && n < len(records) {
			_, err = conn.Write(records[n:])
		}
		if err != nil {
			return fmt.Errorf("send sockets: %w", err)
		}
		var ack [4]byte
		if _, err := io.ReadFull(conn, ack[:]); err != nil {
			return fmt.Errorf("wait for the receipt of sockets: %w", err)
		}
	}
	return nil
}

// FetchSockets asks the process behind the control socket at path for its
// listening sockets. They are the caller's to close. A process that does not expose
// them closes the connection without an answer: io.EOF.
func FetchSockets(path string) ([]Socket, error) {
	c, err := net.DialTimeout("unix", path, answerLimit)
	if err != nil {
		return nil, err
	}
	conn := c.(*net.UnixConn)
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(answerLimit))
	if _, err := io.WriteString(conn, GetSockets+"\n"); err != nil {
		return nil, fmt.Errorf("ask for sockets: %w", err)
	}
	var number [4]byte
	if _, err := io.ReadFull(conn, number[:]); err != nil {
		return nil, fmt.Errorf("read number of sockets: %w", err)
	}
	count := binary.NativeEndian.Uint32(number[:])
	if count > maxSockets {
		return nil, fmt.Errorf("read number of sockets: %d is too many", count)
	}
	f := fetch{conn: conn, buf: make([]byte, socketsAtOnce*recordMax)}
	for err == nil && len(f.sockets) < int(count) {
		err = f.next()
	}
	if err == nil && len(f.fds) > int(count) {
		err = fmt.Errorf("%d came instead of %d", len(f.fds), count)
	}
	if err != nil {
		for _, fd := range f.fds {
			_ = unix.Close(fd)
		}
		return nil, fmt.Errorf("receive sockets: %w", err)
	}
	return f.sockets, nil
}

// fetch is a reception in progress.
type fetch struct {
	conn    *net.UnixConn
	buf     []byte
	fds     []int  // received so far
	records []byte // received, and not turned into sockets yet
	sockets []Socket
}

// next reads one message.
func (f *fetch) next() error {
	_ = f.conn.SetDeadline(time.Now().Add(answerLimit))
	oob := make([]byte, unix.CmsgSpace(socketsAtOnce*4))
	n, oobn, flags, _, err := f.conn.ReadMsgUnix(f.buf, oob)
	if err != nil {
		return err
	}
	if n == 0 && oobn == 0 {
		return io.EOF
	}
	before := len(f.fds)
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil {
		return err
	}
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			return err
		}
		f.fds = append(f.fds, fds...)
	}
	if flags&unix.MSG_CTRUNC != 0 {
		return errors.New("some do not fit into the limit of open files")
	}
	if f.records = append(f.records, f.buf[:n]...); len(f.records) > len(f.buf) {
		return errors.New("records without sockets")
	}
	for len(f.sockets) < len(f.fds) {
		s, rest, ok := cutRecord(f.records)
		if !ok {
			break // the rest comes with the next message
		}
		s.FD, f.records = f.fds[len(f.sockets)], rest
		f.sockets = append(f.sockets, s)
	}
	if len(f.fds) == before {
		return nil
	}
	_, err = f.conn.Write(binary.NativeEndian.AppendUint32(nil, uint32(before)))
	return err
}

// cutRecord takes the record of one socket off b.
func cutRecord(b []byte) (s Socket, rest []byte, ok bool) {
	if s.Namespace, b, ok = cutName(b); !ok {
		return s, nil, false
	}
	if s.Interface, b, ok = cutName(b); !ok || len(b) < 4 {
		return s, nil, false
	}
	return s, b[4:], true
}

// cutName takes a name behind its length off b.
func cutName(b []byte) (name string, rest []byte, ok bool) {
	if len(b) == 0 {
		return "", nil, false
	}
	end := 1 + int(b[0])
	if len(b) < end {
		return "", nil, false
	}
	return string(b[1:end]), b[end:], true
}
