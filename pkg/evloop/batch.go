package evloop

import (
	"math"
	"unsafe"

	"golang.org/x/sys/unix"
)

// BatchSize is how many operations a Batch takes.
const BatchSize = 64

// Batch makes receives, sends and closes of nonblocking sockets, and their
// registrations with epoll, together: with one io_uring_enter(2) where the kernel
// allows it, one after the other elsewhere. What they do and return is the same
// both ways.
type Batch struct {
	ring *uring // nil: none
	ops  []operation
}

// operation is one system call of a batch.
type operation struct {
	p       []byte // received into, or sent; of a registration its event
	fd      int32  // the epoll instance's of a registration
	watched int32  // the descriptor to register
	result  int32  // bytes, or an error number below zero
	opcode  uint8
}

// pending is the result of an operation that was not made yet.
const pending = math.MinInt32

// newBatch returns an empty batch.
func newBatch() *Batch {
	b := &Batch{ops: make([]operation, 0, BatchSize)}
	b.ring, _ = newUring(BatchSize, setupSubmitAll)
	return b
}

// Recv adds a receive into p and returns its place for Result.
func (b *Batch) Recv(fd int, p []byte) int {
	return b.add(operation{opcode: opRecv, fd: int32(fd), p: p})
}

// Send adds a send of p and returns its place for Result.
func (b *Batch) Send(fd int, p []byte) int {
	return b.add(operation{opcode: opSend, fd: int32(fd), p: p})
}

// Close adds a close. Operations on one descriptor must not depend on their order.
func (b *Batch) Close(fd int) int { return b.add(operation{opcode: opClose, fd: int32(fd)}) }

// watch adds a registration of fd with an epoll instance. ev must stay as it is
// until Do returns.
func (b *Batch) watch(epfd, fd int, ev *unix.EpollEvent) int {
	p := unsafe.Slice((*byte)(unsafe.Pointer(ev)), unsafe.Sizeof(*ev))
	return b.add(operation{opcode: opWatch, fd: int32(epfd), watched: int32(fd), p: p})
}

func (b *Batch) add(o operation) int {
	if len(b.ops) == BatchSize {
		panic("evloop: batch is full")
	}
	o.result = pending
	b.ops = append(b.ops, o)
	return len(b.ops) - 1
}

// Do makes the operations that were added since Reset.
func (b *Batch) Do() {
	// One system call is one system call either way, and cheaper without the ring.
	if b.ring != nil && len(b.ops) > 1 {
		switch err := b.ring.do(b.ops); err {
		case nil:
		case unix.EAGAIN, unix.ENOMEM, unix.EBUSY: // better luck next time
		default:
			b.close()
		}
	}
	for i := range b.ops {
		if o := &b.ops[i]; o.result == pending {
			o.do()
		}
	}
}

// do makes one operation by its own system call.
func (o *operation) do() {
	var n int
	var err error
	switch o.opcode {
	case opRecv:
		n, err = Read(int(o.fd), o.p)
	case opSend:
		n, err = Send(int(o.fd), o.p)
	case opClose:
		err = rawClose(int(o.fd))
	case opWatch:
		err = rawEpollCtl(int(o.fd), unix.EPOLL_CTL_ADD, int(o.watched), (*unix.EpollEvent)(unsafe.Pointer(unsafe.SliceData(o.p))))
	}
	o.result = int32(n)
	if errno, ok := err.(unix.Errno); ok {
		o.result = -int32(errno)
	}
}

// Result returns what Read or Send would have for the operation at place i.
func (b *Batch) Result(i int) (n int, err error) {
	if r := b.ops[i].result; r < 0 {
		return 0, unix.Errno(-r)
	}
	return int(b.ops[i].result), nil
}

// Reset empties the batch.
func (b *Batch) Reset() {
	clear(b.ops) // lets the memory go
	b.ops = b.ops[:0]
}

func (b *Batch) close() {
	if b.ring != nil {
		b.ring.close()
		b.ring = nil
	}
}
