package proxy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// tortureScale is how many connections live at once, and how long one of them may
// take: 2,000 in the full run, fewer on a laptop and under the race detector.
func tortureScale() (conns uint32, limit time.Duration) {
	if fullRun && !raceDetector {
		return 2000, 90 * time.Second
	}
	return 200, 20 * time.Second
}

// fullRun tells that nothing is to be spared (make test).
var fullRun = os.Getenv("SLUICE_FULL") == "1"

// tortureEnd is what one end of a connection does.
type tortureEnd struct {
	rnd    *rand.Rand
	sends  int  // bytes, then FIN
	resets bool // instead of FIN, after all bytes
}

// torturePlan says what both ends do; the client tells the server its number.
func torturePlan(seed uint64, number uint32) (ends [2]tortureEnd) {
	rnd := rand.New(rand.NewPCG(seed, uint64(number)))
	for i := range ends {
		size := rnd.IntN(1 << (4 + rnd.IntN(17))) // up to 1 MiB, mostly less
		if rnd.IntN(10) == 0 {
			size = 1<<20 + rnd.IntN(1<<20)
		}
		ends[i] = tortureEnd{rnd: rand.New(rand.NewPCG(rnd.Uint64(), uint64(i))), sends: size}
	}
	if n := rnd.IntN(4); n < len(ends) {
		ends[n].resets = true
	}
	return ends
}

// tortureStream is the bytes that end i of a connection sends.
func tortureStream(seed uint64, number uint32, i int) *rand.ChaCha8 {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	binary.LittleEndian.PutUint32(key[8:], number)
	key[12] = byte(i)
	return rand.NewChaCha8(key)
}

// pause is now and then, and short.
func (e *tortureEnd) pause(rnd *rand.Rand) {
	if rnd.IntN(16) == 0 {
		time.Sleep(time.Duration(rnd.IntN(5)) * time.Millisecond)
	}
}

// run plays end i of a connection: it sends its stream in chunks, and compares what
// arrives with the other end's stream.
func (e *tortureEnd) run(c *net.TCPConn, seed uint64, number uint32, i int, other tortureEnd) error {
	var wrote error
	var sending sync.WaitGroup
	writes, reads := rand.New(rand.NewPCG(e.rnd.Uint64(), 1)), rand.New(rand.NewPCG(e.rnd.Uint64(), 2))
	sending.Go(func() { wrote = e.send(c, tortureStream(seed, number, i), writes) })
	got, read := e.receive(c, tortureStream(seed, number, 1-i), reads)
	sending.Wait()
	switch {
	case e.resets:
		return nil // nobody is left to ask
	case errors.Is(read, errTortured):
		return fmt.Errorf("end %d: after %d bytes: %w", i, got, read)
	case other.resets:
		// The reset is told to the reader or to the writer, whichever calls first.
		if got > other.sends || read == nil && wrote == nil {
			return fmt.Errorf("end %d read %d of %d bytes before a reset: %v, wrote: %v", i, got, other.sends, read, wrote)
		}
		return nil
	case got != other.sends || read != nil || wrote != nil:
		return fmt.Errorf("end %d read %d of %d bytes: %v, wrote: %v", i, got, other.sends, read, wrote)
	}
	return nil
}

func (e *tortureEnd) send(c *net.TCPConn, stream io.Reader, rnd *rand.Rand) error {
	for left := e.sends; left > 0; {
		chunk := make([]byte, min(left, 1+rnd.IntN(1<<(4+rnd.IntN(13)))))
		_, _ = stream.Read(chunk)
		if _, err := c.Write(chunk); err != nil {
			return err
		}
		left -= len(chunk)
		e.pause(rnd)
	}
	if e.resets {
		_ = c.SetLinger(0)
		return c.Close()
	}
	return c.CloseWrite()
}

var errTortured = errors.New("not the bytes that were sent")

// receive returns a nil error for the end of the stream.
func (e *tortureEnd) receive(c *net.TCPConn, stream io.Reader, rnd *rand.Rand) (got int, err error) {
	buf, want := make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		n, err := c.Read(buf[:1+rnd.IntN(len(buf))])
		_, _ = stream.Read(want[:n])
		if got += n; !bytes.Equal(buf[:n], want[:n]) {
			return got, errTortured
		}
		if err == io.EOF {
			return got, nil
		}
		if err != nil {
			return got, err
		}
		e.pause(rnd)
	}
}

// Whatever the ends do, all that arrives is what was sent, complete if the sender
// ended with FIN, and a cut stream never looks like a whole one. At the end nothing
// is left of the sessions.
func TestTorture(t *testing.T) {
	conns, limit := tortureScale()
	torture(t, conns, limit, int(conns), 0, func(*rig) {})
}

// torture has so many connections at once play their plans, each after messages in
// lockstep, and calls ready then.
func torture(t *testing.T, tortureConns uint32, tortureTime time.Duration, atOnce, lockstep int, ready func(*rig)) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	fault := func(number uint32, err error) {
		if err != nil {
			t.Errorf("seed %d, connection %d: %v", seed, number, err)
		}
	}
	s := serve(t, func(c *net.TCPConn) {
		_ = c.SetDeadline(time.Now().Add(tortureTime))
		var id [4]byte
		if _, err := io.ReadFull(c, id[:]); err != nil {
			// A client may reset before that much, or before the server was reached.
			if err != io.EOF && !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("seed %d: a server read no number: %v", seed, err)
			}
			return
		}
		number := binary.LittleEndian.Uint32(id[:])
		ends := torturePlan(seed, number)
		if _, err := io.CopyN(c, c, int64(lockstep)); err != nil {
			t.Errorf("seed %d, connection %d: echo: %v", seed, number, err)
			return
		}
		fault(number, ends[serverEnd].run(c, seed, number, serverEnd, ends[clientEnd]))
	})
	r := startRig(t, testConf(freeAddr(t), "leastconn", "s1="+s.Addr().String(), "s2="+s.Addr().String()), Options{})
	var clients sync.WaitGroup
	places := make(chan struct{}, atOnce)
	codes := map[string]int{}
	for number := range tortureConns {
		ends := torturePlan(seed, number)
		switch {
		case ends[clientEnd].resets:
			codes["C"]++ // CC if the server was not reached yet
		case ends[serverEnd].resets:
			codes["S"]++
		default:
			codes["--"]++
		}
		places <- struct{}{}
		c := r.dial()
		_ = c.SetDeadline(time.Now().Add(tortureTime))
		clients.Go(func() {
			defer func() { <-places }()
			if _, err := c.Write(binary.LittleEndian.AppendUint32(nil, number)); err != nil {
				fault(number, err)
				return
			}
			exchange(t, c, lockstep)
			ready(r)
			fault(number, ends[clientEnd].run(c, seed, number, clientEnd, ends[serverEnd]))
			_ = c.Close()
		})
	}
	clients.Wait()
	_ = s.Close()
	s.wg.Wait()
	r.await("no session left", func() bool { return r.conns.Load() == 0 && r.lingering.Load() == 0 })
	if n := r.stat("BACKEND"); n.SessionsCur != 0 || n.SessionsTotal != int64(tortureConns) {
		t.Errorf("%d sessions, %d of them still there, want %d and 0", n.SessionsTotal, n.SessionsCur, tortureConns)
	}
	r.Stop() // writes what is left of the log
	got := map[string]int{}
	for line := range strings.Lines(r.sessions.buf.String()) {
		code := strings.Fields(line)[6]
		if code != "--" {
			code = code[:1]
		}
		got[code]++
	}
	if diff := cmp.Diff(codes, got); diff != "" {
		t.Errorf("seed %d: ends of sessions (-want +got):\n%s", seed, diff)
	}
}
