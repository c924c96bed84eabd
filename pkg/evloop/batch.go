package evloop

import (
	"math"

	"golang.org/x/sys/unix"
)

// BatchSize is how many operations a Batch takes.
const BatchSize = 64

// Batch makes receives, sends and closes of nonblocking sockets together: with one
// io_uring_enter(2) where the kernel allows it, one after the other elsewhere. What
// they do and return is the same both ways.
type Batch struct {
	ring *uring // nil: none
	ops  []operation
}

// operation is one system call of a batch.
type operation struct {
	p      []byte // received into, or sent
	fd     int32
	result int32 // bytes, or an error number below zero
	opcode uint8
}

// pending is the result of an operation that was not made yet.
const pending = math.MinInt32

// newBatch returns an empty batch.
func newBatch() *Batch {
	b := &Batch{ops: make([]operation, 0, BatchSize)}
	b.ring, _ = newUring(BatchSize)
	return b
}

// Recv adds a receive into p and returns its place for Result.
func (b *Batch) Recv(fd int, p []byte) int { return b.add(opRecv, fd, p) }

// Send adds a send of p and returns its place for Result.
func (b *Batch) Send(fd int, p []byte) int { return b.add(opSend, fd, p) }

// Close adds a close. Operations on one descriptor must not depend on their order.
func (b *Batch) Close(fd int) int { return b.add(opClose, fd, nil) }

func (b *Batch) add(opcode uint8, fd int, p []byte) int {
	if len(b.ops) == BatchSize {
		panic("evloop: batch is full")
	}
	b.ops = append(b.ops, operation{p: p, fd: int32(fd), result: pending, opcode: opcode})
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
