package qemu

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// qmpTimeout bounds one command of QEMU's machine protocol.
const qmpTimeout = 20 * time.Second

// qmp speaks the QEMU Machine Protocol (docs/interop/qmp-spec) over an inherited
// socket, so no path has to be found or cleaned.
type qmp struct {
	mu   sync.Mutex // one command at a time; guards what follows
	conn net.Conn
	dec  *json.Decoder
}

// qmpReply is any message from QEMU: greeting, return, error or event.
type qmpReply struct {
	Greeting json.RawMessage `json:"QMP"`
	Return   json.RawMessage `json:"return"`
	Event    string          `json:"event"`
	Error    *struct {
		Class string `json:"class"`
		Desc  string `json:"desc"`
	} `json:"error"`
}

// newQMP returns our end of the connection and the file that QEMU inherits.
func newQMP() (*qmp, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make QMP socket pair: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "qmp"), os.NewFile(uintptr(fds[1]), "qmp-peer")
	conn, err := net.FileConn(ours)
	_ = ours.Close()
	if err != nil {
		_ = theirs.Close()
		return nil, nil, fmt.Errorf("use QMP socket: %w", err)
	}
	return &qmp{conn: conn, dec: json.NewDecoder(conn)}, theirs, nil
}

// handshake reads the greeting and leaves negotiation mode.
func (q *qmp) handshake() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.conn.SetDeadline(time.Now().Add(qmpTimeout)); err != nil {
		return err
	}
	var hello qmpReply
	if err := q.dec.Decode(&hello); err != nil {
		return fmt.Errorf("read QMP greeting: %w", err)
	}
	if hello.Greeting == nil {
		return fmt.Errorf("read QMP greeting: unexpected message %+v", hello)
	}
	return q.command("qmp_capabilities")
}

// execute runs a command without arguments and waits for its return.
func (q *qmp) execute(name string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.conn.SetDeadline(time.Now().Add(qmpTimeout)); err != nil {
		return err
	}
	return q.command(name)
}

// command is execute with mu held and the deadline set; events are dropped.
func (q *qmp) command(name string) error {
	if err := json.NewEncoder(q.conn).Encode(map[string]string{"execute": name}); err != nil {
		return fmt.Errorf("send QMP command %s: %w", name, err)
	}
	for {
		var r qmpReply
		if err := q.dec.Decode(&r); err != nil {
			return fmt.Errorf("read answer to QMP command %s: %w", name, err)
		}
		switch {
		case r.Error != nil:
			return fmt.Errorf("QMP command %s: %s: %s", name, r.Error.Class, r.Error.Desc)
		case r.Return != nil:
			return nil
		}
	}
}

func (q *qmp) close() error { return q.conn.Close() }
