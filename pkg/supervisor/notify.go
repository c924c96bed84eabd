package supervisor

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// notifyMax bounds one sd_notify message, bytes.
const notifyMax = 64 << 10

// notifyMessage is one datagram of sd_notify(3).
type notifyMessage struct {
	pid  int // sender, from SCM_CREDENTIALS
	vars map[string]string
	fds  []int // owned by the receiver
}

// parseNotify splits the newline-separated assignments; of a repeated name the
// last one counts. Lines without "=" are ignored, as systemd does.
func parseNotify(text []byte) map[string]string {
	vars := map[string]string{}
	for line := range bytes.SplitSeq(text, []byte{'\n'}) {
		if name, value, ok := strings.Cut(string(line), "="); ok {
			vars[name] = value
		}
	}
	return vars
}

// number reads a variable as a decimal number.
func (m *notifyMessage) number(name string) (uint64, bool) {
	n, err := strconv.ParseUint(m.vars[name], 10, 63)
	return n, err == nil
}

// notifySocket is a datagram socket with SO_PASSCRED. The loop alone reads from
// it, without blocking; a goroutine tells the loop when there is something to
// read. So the loop can also drain it before it looks at a process' end, and a
// message sent just before a crash is never late.
type notifySocket struct {
	conn *net.UnixConn
	raw  int // conn's descriptor, valid while conn is open
	path string
}

// listenDatagram binds a UNIX datagram socket at path for everybody to write to.
func listenDatagram(path string) (*notifySocket, error) {
	_ = os.Remove(path)
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("bind %s: %w", path, err)
	}
	s := &notifySocket{conn: conn, path: path}
	sc, err := conn.SyscallConn()
	if err == nil {
		var inner error
		err = sc.Control(func(fd uintptr) {
			s.raw = int(fd)
			inner = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PASSCRED, 1)
			// Best effort: a burst of messages should not block their senders.
			_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20)
		})
		err = errors.Join(err, inner)
	}
	if err == nil {
		err = os.Chmod(path, 0o666)
	}
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("prepare %s: %w", path, err)
	}
	return s, nil
}

// wait blocks until a datagram is there, or the socket is closed.
func (s *notifySocket) wait() error {
	sc, err := s.conn.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	err = sc.Read(func(fd uintptr) bool {
		var one [1]byte
		_, _, inner = unix.Recvfrom(int(fd), one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		return inner != unix.EAGAIN && inner != unix.EINTR
	})
	return errors.Join(err, inner)
}

// receive reads one datagram without blocking; unix.EAGAIN says there is none.
func (s *notifySocket) receive(buf []byte) (n int, pid int, fds []int, err error) {
	oob := make([]byte, unix.CmsgSpace(unix.SizeofUcred)+unix.CmsgSpace(253*4))
	n, oobn, flags, _, err := unix.Recvmsg(s.raw, buf, oob, unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return 0, 0, nil, err
	}
	msgs, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil {
		return 0, 0, nil, fmt.Errorf("read control message: %w", err)
	}
	for i := range msgs {
		if rights, err := unix.ParseUnixRights(&msgs[i]); err == nil {
			fds = append(fds, rights...)
		} else if cred, err := unix.ParseUnixCredentials(&msgs[i]); err == nil {
			pid = int(cred.Pid)
		}
	}
	if flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 {
		closeAll(fds)
		return 0, pid, nil, fmt.Errorf("message of process %d is too long", pid)
	}
	return n, pid, fds, nil
}

func closeAll(fds []int) {
	for _, fd := range fds {
		_ = unix.Close(fd)
	}
}

// close unblocks wait and removes the socket file.
func (s *notifySocket) close() {
	_ = s.conn.Close()
	_ = os.Remove(s.path)
}
