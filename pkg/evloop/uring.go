package evloop

import (
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// uring is an io_uring(7). A Batch has the kernel make many system calls at once
// with one; an armed pair of sockets has its own.
type uring struct {
	fd              int
	memory, entries []byte // mapped
	sqHead, sqTail  *uint32
	cqHead, cqTail  *uint32
	sqMask, cqMask  uint32
	idleWait        uintptr // enterNoIOWait, if the kernel has it
	sqes            []submission
	cqes            []completion
}

// submission is struct io_uring_sqe of linux/io_uring.h.
type submission struct {
	opcode, flags     uint8
	ioprio            uint16
	fd                int32
	offset, addr      uint64
	len, opFlags      uint32
	userData          uint64
	buffer, character uint16
	fileIndex         int32
	_                 [2]uint64
}

// completion is struct io_uring_cqe.
type completion struct {
	userData uint64
	result   int32
	flags    uint32
}

// uringParams is struct io_uring_params with its offsets of both rings.
type uringParams struct {
	sqEntries, cqEntries, flags, cpu, idle, features, wqFD uint32
	_                                                      [3]uint32
	sq                                                     struct {
		head, tail, mask, entries, flags, dropped, array, _ uint32
		_                                                   uint64
	}
	cq struct {
		head, tail, mask, entries, overflow, cqes, flags, _ uint32
		_                                                   uint64
	}
}

const (
	opPoll   = 6  // IORING_OP_POLL_ADD
	opCancel = 14 // IORING_OP_ASYNC_CANCEL
	opClose  = 19 // IORING_OP_CLOSE
	opSend   = 26 // IORING_OP_SEND
	opRecv   = 27 // IORING_OP_RECV
	opWatch  = 29 // IORING_OP_EPOLL_CTL

	setupSubmitAll    = 1 << 7  // IORING_SETUP_SUBMIT_ALL (Linux 5.18): a failed operation does not end the submission
	setupSingleIssuer = 1 << 12 // IORING_SETUP_SINGLE_ISSUER (6.0)
	setupDeferTasks   = 1 << 13 // IORING_SETUP_DEFER_TASKRUN (6.1): operations go on while one waits for them, not in between
	featNoIOWait      = 1 << 17 // IORING_FEAT_NO_IOWAIT (6.15)
	enterGetEvents    = 1       // IORING_ENTER_GETEVENTS
	enterExtArg       = 1 << 3  // IORING_ENTER_EXT_ARG
	enterNoIOWait     = 1 << 7  // IORING_ENTER_NO_IOWAIT: a wait is not one for a disk
	offsetEntries     = 0x10000000
)

// newUring makes a ring for up to n operations at once. It fails where the kernel
// does not know the flags or io_uring is forbidden (kernel.io_uring_disabled, a
// seccomp filter).
func newUring(n, flags uint32) (*uring, error) {
	p := uringParams{flags: flags}
	fd, _, errno := unix.RawSyscall(unix.SYS_IO_URING_SETUP, uintptr(n), uintptr(unsafe.Pointer(&p)), 0)
	if errno != 0 {
		return nil, errno
	}
	u := &uring{fd: int(fd)}
	if p.features&featNoIOWait != 0 {
		u.idleWait = enterNoIOWait
	}
	size := max(p.cq.cqes+p.cqEntries*uint32(unsafe.Sizeof(completion{})), p.sq.array+p.sqEntries*4)
	var err error
	if u.memory, err = mapRing(u.fd, 0, size); err == nil {
		u.entries, err = mapRing(u.fd, offsetEntries, p.sqEntries*uint32(unsafe.Sizeof(submission{})))
	}
	if err != nil {
		u.close()
		return nil, err
	}
	at := func(offset uint32) *uint32 { return (*uint32)(unsafe.Pointer(&u.memory[offset])) }
	u.sqHead, u.sqTail, u.cqHead, u.cqTail = at(p.sq.head), at(p.sq.tail), at(p.cq.head), at(p.cq.tail)
	u.sqMask, u.cqMask = *at(p.sq.mask), *at(p.cq.mask)
	u.sqes = unsafe.Slice((*submission)(unsafe.Pointer(&u.entries[0])), p.sqEntries)
	u.cqes = unsafe.Slice((*completion)(unsafe.Pointer(&u.memory[p.cq.cqes])), p.cqEntries)
	// The indirection between ring and entries is not needed: slot i is entry i.
	array := unsafe.Slice(at(p.sq.array), p.sqEntries)
	for i := range array {
		array[i] = uint32(i)
	}
	return u, nil
}

func mapRing(fd int, offset int64, size uint32) ([]byte, error) {
	return unix.Mmap(fd, offset, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
}

// do makes the operations of a batch and notes their results. They are such that the
// kernel completes them while they are submitted, or soon after if it hands one to a
// thread of its own; do waits for that, so nothing is in flight between two calls.
// Those that are still pending then are to be made by their own system calls: they
// were not begun, after an error or because a signal interrupted them, or are
// registrations that failed.
func (u *uring) do(ops []operation) error {
	tail := *u.sqTail
	for i := range ops {
		o := &ops[i]
		s := &u.sqes[(tail+uint32(i))&u.sqMask]
		*s = submission{opcode: o.opcode, fd: o.fd, addr: uint64(uintptr(unsafe.Pointer(unsafe.SliceData(o.p)))),
			len: uint32(len(o.p)), userData: uint64(i)}
		switch o.opcode {
		case opRecv, opSend:
			s.opFlags = unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL
		case opWatch:
			s.offset, s.len = uint64(o.watched), unix.EPOLL_CTL_ADD
		}
	}
	atomic.StoreUint32(u.sqTail, tail+uint32(len(ops)))
	unsent, unanswered := len(ops), len(ops)
	for unanswered > 0 {
		wait := uintptr(0) // nothing to wait for, in all likelihood
		if unsent == 0 {
			wait = 1
		}
		n, _, errno := unix.RawSyscall6(unix.SYS_IO_URING_ENTER, uintptr(u.fd), uintptr(unsent), wait, wait*enterGetEvents, 0, 0)
		switch {
		case errno == 0:
			unsent -= int(n)
		case errno != unix.EINTR:
			u.reap(ops)
			atomic.StoreUint32(u.sqTail, atomic.LoadUint32(u.sqHead)) // takes back what the kernel has not taken
			return errno
		}
		unanswered -= u.reap(ops)
	}
	return nil
}

// reap notes the results that there are and returns their number.
func (u *uring) reap(ops []operation) int {
	head := *u.cqHead
	tail := atomic.LoadUint32(u.cqTail)
	n := int(tail - head)
	for ; head != tail; head++ {
		c := &u.cqes[head&u.cqMask]
		o := &ops[c.userData]
		// Registrations by way of the ring were once to be dropped from Linux.
		if c.result == -int32(unix.EINTR) || o.opcode == opWatch && c.result < 0 {
			continue
		}
		o.result = c.result
	}
	atomic.StoreUint32(u.cqHead, head)
	return n
}

func (u *uring) close() {
	for _, m := range [...][]byte{u.memory, u.entries} {
		if m != nil {
			_ = unix.Munmap(m)
		}
	}
	_ = unix.Close(u.fd)
}
