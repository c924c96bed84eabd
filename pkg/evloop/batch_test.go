package evloop

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// TestBatch gives the same operations to a batch with and without a ring.
func TestBatch(t *testing.T) {
	for _, ring := range []bool{true, false} {
		t.Run(fmt.Sprintf("ring %t", ring), func(t *testing.T) {
			b := newBatch()
			defer b.close()
			if ring && b.ring == nil {
				_, err := newUring(BatchSize, setupSubmitAll)
				t.Skipf("no io_uring here: %v", err)
			}
			if !ring {
				b.close()
			}
			testBatch(t, b)
		})
	}
}

func testBatch(t *testing.T, b *Batch) {
	var open []int
	defer func() {
		for _, fd := range open {
			unix.Close(fd)
		}
	}()
	pair := func() (a, z int) {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, fds[:]...)
		return fds[0], fds[1]
	}
	want := func(i, n int, errno error) {
		t.Helper()
		if got, err := b.Result(i); got != n || err != errno {
			t.Errorf("operation %d: %d, %v, want %d, %v", i, got, err, n, errno)
		}
	}
	// As many sends as fit, in one call; then as many receives.
	var from, to [BatchSize]int
	for i := range from {
		from[i], to[i] = pair()
		b.Send(from[i], bytes.Repeat([]byte{byte(i)}, i+1))
	}
	b.Do()
	for i := range from {
		want(i, i+1, nil)
	}
	b.Reset()
	var got [BatchSize][BatchSize + 1]byte
	for i := range to {
		b.Recv(to[i], got[i][:])
	}
	b.Do()
	for i := range to {
		want(i, i+1, nil)
		if !bytes.Equal(got[i][:i+1], bytes.Repeat([]byte{byte(i)}, i+1)) {
			t.Errorf("receive %d: %v", i, got[i][:i+1])
		}
	}
	// What can go wrong is told by each operation for itself.
	b.Reset()
	if err := unix.Shutdown(from[1], unix.SHUT_WR); err != nil {
		t.Fatal(err)
	}
	if err := unix.Shutdown(to[2], unix.SHUT_RD); err != nil {
		t.Fatal(err)
	}
	full := 0
	for err := error(nil); err == nil; full++ {
		_, err = Send(from[3], make([]byte, 4096))
	}
	empty := b.Recv(to[0], got[0][:])
	ended := b.Recv(to[1], got[1][:])
	broken := b.Send(from[2], []byte("x"))
	stuffed := b.Send(from[3], make([]byte, 4096))
	invalid := b.Recv(1<<20, got[2][:])
	fine := b.Send(from[4], []byte("hello"))
	much := make([]byte, 4<<20)
	short := b.Send(from[7], much)
	gone := b.Close(from[5])
	b.Do()
	want(empty, 0, unix.EAGAIN)
	want(ended, 0, nil)
	want(broken, 0, unix.EPIPE)
	want(stuffed, 0, unix.EAGAIN)
	want(invalid, 0, unix.EBADF)
	want(fine, 5, nil)
	want(gone, 0, nil)
	if n, err := b.Result(short); n <= 0 || n >= len(much) || err != nil {
		t.Errorf("send of more than fits: %d, %v", n, err)
	}
	if n, err := Read(to[5], got[5][:]); n != 0 || err != nil {
		t.Errorf("the other side of a closed socket reads %d, %v", n, err)
	}
	open = slices.DeleteFunc(open, func(fd int) bool { return fd == from[5] })
	x := []byte("x")
	if n := testing.AllocsPerRun(100, func() {
		b.Reset()
		b.Send(from[6], x)
		b.Recv(to[6], got[6][:])
		b.Do()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkBatch(bm *testing.B) {
	for _, ring := range []bool{true, false} {
		for _, size := range []int{1, 4, 32} {
			bm.Run(fmt.Sprintf("ring=%t/sockets=%d", ring, size), func(bm *testing.B) {
				b := newBatch()
				defer b.close()
				if !ring {
					b.close()
				}
				var fds [][2]int
				for range size {
					p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
					if err != nil {
						bm.Fatal(err)
					}
					defer func() { unix.Close(p[0]); unix.Close(p[1]) }()
					fds = append(fds, p)
				}
				var buf [64]byte
				bm.ReportAllocs()
				for i := 0; i < bm.N; i += size { // one send and one receive each
					b.Reset()
					for _, p := range fds {
						b.Send(p[0], buf[:])
					}
					b.Do()
					b.Reset()
					for _, p := range fds {
						b.Recv(p[1], buf[:])
					}
					b.Do()
				}
			})
		}
	}
}
