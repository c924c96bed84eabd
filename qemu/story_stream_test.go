package qemu

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"time"
)

// largeRows rows of the query below are 200 MB and a little.
const largeRows = 200_000

// largeQuery makes rows of a number and 1,024 characters that follow from it.
var largeQuery = fmt.Sprintf("SELECT seq AS n, REPEAT(MD5(seq), 32) AS text FROM seq_1_to_%d", largeRows)

// storyLargeResult: 200 MB arrive complete, unchanged and in order. The server
// computes the sum that the client has to come to.
func storyLargeResult(t *testing.T, a *appliance) {
	ctx := testContext(t, 5*time.Minute)
	h := a.open(ctx, t, 1)[0]
	var wantBytes int64
	var wantSum uint32
	sums := "SELECT SUM(LENGTH(text)), BIT_XOR(CRC32(CONCAT(n, ':', text))) FROM (" + largeQuery + ") AS r"
	if err := h.conn.QueryRowContext(ctx, sums).Scan(&wantBytes, &wantSum); err != nil {
		t.Fatal(err)
	}
	if wantBytes < 200e6 {
		t.Fatalf("the server would send %d bytes, want 200 MB", wantBytes)
	}
	start := time.Now()
	rows, err := h.conn.QueryContext(ctx, largeQuery)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var gotBytes, previous int64
	var gotSum uint32
	for rows.Next() {
		var n int64
		var text []byte
		if err := rows.Scan(&n, &text); err != nil {
			t.Fatal(err)
		}
		if n != previous+1 {
			t.Fatalf("row %d follows row %d", n, previous)
		}
		previous = n
		gotBytes += int64(len(text))
		gotSum ^= crc32.ChecksumIEEE(fmt.Appendf(nil, "%d:%s", n, text))
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("after row %d: %v", previous, err)
	}
	if gotBytes != wantBytes || gotSum != wantSum {
		t.Errorf("got %d bytes with sum %08x, want %d with %08x", gotBytes, gotSum, wantBytes, wantSum)
	}
	t.Logf("%.1f MB/s", float64(gotBytes)/1e6/time.Since(start).Seconds())
}

// halfSize is how many bytes each side sends on a half-closed connection.
const halfSize = 8 << 20

// storyHalfClose: after one side has ended its direction, megabytes still go the
// other way, in both roles.
func storyHalfClose(t *testing.T, a *appliance) {
	ctx := testContext(t, 2*time.Minute)
	host, err := a.lab.AddHost("echo", netip.MustParsePrefix("198.18.0.13/24"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.lab.RemoveLink("echo"); err != nil {
			t.Error(err)
		}
	})
	l, err := host.Listen(ctx, "tcp", echoAddr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	a.use(t, "echo.cfg")

	for _, clientFirst := range []bool{true, false} {
		served := make(chan error, 1)
		go func() { // ends with its connection, or with l
			conn, err := l.Accept()
			if err == nil {
				err = halfClosed(ctx, conn, !clientFirst)
			}
			served <- err
		}()
		conn, err := a.client.DialContext(ctx, "tcp", echoVIP)
		if err != nil {
			t.Fatal(err)
		}
		if err := halfClosed(ctx, conn, clientFirst); err != nil {
			t.Errorf("client ends first: %t: client: %v", clientFirst, err)
		}
		if err := <-served; err != nil {
			t.Errorf("client ends first: %t: server: %v", clientFirst, err)
		}
	}
}

// halfClosed plays one side: the first sends all, ends its direction and then
// reads; the other reads to the end and only then sends. What arrives has to have
// the checksum that goes before it.
func halfClosed(ctx context.Context, conn net.Conn, first bool) error {
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return err
		}
	}
	if !first {
		if err := receive(conn); err != nil {
			return err
		}
	}
	if err := send(conn); err != nil {
		return err
	}
	if !first {
		return nil
	}
	return receive(conn)
}

// send writes halfSize random bytes behind their checksum and ends the direction.
func send(conn net.Conn) error {
	data := make([]byte, 0, halfSize)
	for len(data) < halfSize {
		data = binary.NativeEndian.AppendUint64(data, rand.Uint64())
	}
	sum := sha256.Sum256(data)
	if _, err := conn.Write(append(sum[:], data...)); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		return fmt.Errorf("end own direction: %w", err)
	}
	return nil
}

// receive reads to the end what send has written.
func receive(conn net.Conn) error {
	data, err := io.ReadAll(conn)
	if err != nil {
		return fmt.Errorf("receive: %d bytes, then: %w", len(data), err)
	}
	if len(data) != halfSize+sha256.Size {
		return fmt.Errorf("receive: %d bytes, want %d", len(data), halfSize+sha256.Size)
	}
	if sum := sha256.Sum256(data[sha256.Size:]); !bytes.Equal(sum[:], data[:sha256.Size]) {
		return fmt.Errorf("receive: checksum %x, want %x", sum, data[:sha256.Size])
	}
	return nil
}
