package evloop

import (
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// PairHandler gets what an armed pair of sockets receives, on the loop's goroutine.
type PairHandler interface {
	// Received has what came at end i, at most ArmedSize-1 bytes, valid until the loop
	// waits again.
	Received(i int, p []byte)

	// Disturbed is called when the pair is not what it was armed for: nothing comes for
	// a while, much comes at once, an end is closed or fails, or takes no more. It must
	// Disarm.
	Disturbed()
}

// ArmedSize bounds what an armed receive takes, bytes: what two of them bring fits
// into a Buffer.
const ArmedSize = BufferSize / 2

// Leftover is what was under way from one end of a pair to the other when it was
// disarmed.
type Leftover struct {
	// Unsent is what the other end did not take of what was passed on, because of
	// SendErr: EAGAIN if it can take no more now.
	Unsent  []byte
	SendErr error
	// Received came after that; RecvErr is the error of the connection, which the
	// kernel tells only once.
	Received []byte
	RecvErr  error
}

// pair is two connected sockets, busy while nothing else in the loop is. Their
// receives are armed in a ring: the kernel makes them when bytes come, while the loop
// waits for that, and makes the sends of what came before in the same system call.
// It takes one call to pass a message on, where epoll needs three. The epoll instance
// is watched through the ring and does not watch the pair for bytes meanwhile.
//
// Many sockets are served better by epoll and a Batch.
type pair struct {
	ring    *uring // nil: not made yet
	refused bool   // the kernel has none
	handler PairHandler
	ends    [2]armedEnd
	area    []byte // the ends' buffers, two for each
	unsent  int    // submissions that the kernel has not taken yet
	polled  bool   // the poll of the epoll instance is in the ring
	ready   bool   // the epoll instance has events
	last    int64  // the loop's clock when something came
	wait    waitArg
}

// armedEnd is one end and what comes from it.
type armedEnd struct {
	fd     int32
	watch  Watch
	armed  bool   // the kernel has the receive
	came   bool   // it has ended, with result
	failed bool   // the send of passed has, with sent
	buffer uint8  // which of the two is received into
	result int32  // bytes, or an error number below zero
	sent   int32  // likewise
	passed []byte // what the other end was to get with the last send
}

// waitArg is struct io_uring_getevents_arg and the time it points to.
type waitArg struct {
	mask          uint64
	maskSize, min uint32
	time          uint64
	at            struct{ sec, nsec int64 }
}

// The user data of the ring's operations: armedRecv and armedSend count from end 0.
const (
	armedRecv = iota
	_
	armedSend
	_
	armedPoll
	armedCancel
)

const (
	armedEntries  = 8      // two sends, receives and cancels, and a poll
	pollFirst     = 1      // IORING_RECVSEND_POLL_FIRST
	skipSuccess   = 1 << 6 // IOSQE_CQE_SKIP_SUCCESS
	onlyEnds      = uint32(PeerClosed) | unix.EPOLLET
	armedSendFlag = unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL | unix.MSG_WAITALL // the last: a short send is a failure
)

// Arm has two connected sockets, registered as watches, receive for h until Disarm.
// Nobody else must read from them or write to them meanwhile, and their events other
// than of bytes go on to come by epoll. A loop has one such pair. It reports false if
// there is one already, and if the kernel cannot do it: before Linux 6.1, where io_uring
// is forbidden, or now for lack of memory or descriptors.
func (l *Loop) Arm(h PairHandler, fds [2]int, watches [2]Watch) bool {
	a := &l.pair
	if a.handler != nil || a.refused {
		return false
	}
	if a.ring == nil {
		ring, err := newUring(armedEntries, setupSubmitAll|setupSingleIssuer|setupDeferTasks)
		switch err {
		case nil:
		case unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.EAGAIN: // better luck next time
			return false
		default:
			a.refused = true
			return false
		}
		a.ring, a.area = ring, make([]byte, 4*ArmedSize)
	}
	for i := range a.ends {
		a.ends[i] = armedEnd{fd: int32(fds[i]), watch: watches[i]}
		l.rewatch(fds[i], watches[i], onlyEnds)
	}
	a.handler, a.last = h, l.now
	return true
}

// Pass sends p, which Received had from end i, to the other end with the next wait. p
// must stay as it is until then.
func (l *Loop) Pass(i int, p []byte) {
	a := &l.pair
	a.ends[i].passed = p
	a.push(submission{opcode: opSend, flags: skipSuccess, fd: a.ends[1-i].fd, addr: address(p), len: uint32(len(p)),
		opFlags: armedSendFlag, userData: armedSend + uint64(i)})
}

// Disarm gives the pair back to epoll. What it returns is for the caller to go on
// with, valid until the pair is armed again.
func (l *Loop) Disarm() (left [2]Leftover) {
	a := &l.pair
	a.cancel()
	for a.unsent > 0 || a.ends[0].armed || a.ends[1].armed {
		n := 0
		if a.ends[0].armed || a.ends[1].armed {
			n = 1
		}
		a.enter(n, patience)
		if a.reap(); a.unsent == 0 {
			a.cancel() // a receive that was being tried again is not found
		}
	}
	a.handler = nil
	for i := range a.ends {
		e := &a.ends[i]
		if e.failed {
			left[i].Unsent, left[i].SendErr = e.passed[max(e.sent, 0):], unix.EAGAIN
			if e.sent < 0 {
				left[i].SendErr = unix.Errno(-e.sent)
			}
		}
		switch {
		case !e.came:
		case e.result > 0:
			left[i].Received = a.buffer(i)[:e.result]
		case e.result < 0 && !transient(e.result) && e.result != -int32(unix.ENOMEM): // the ring's
			left[i].RecvErr = unix.Errno(-e.result)
		}
		l.rewatch(int(e.fd), e.watch, edges)
	}
	return left
}

// cancel asks for the end of the receives.
func (a *pair) cancel() {
	for i := range a.ends {
		if a.ends[i].armed {
			a.push(submission{opcode: opCancel, addr: armedRecv + uint64(i), userData: armedCancel})
		}
	}
}

// transient tells a result that says nothing of the connection.
func transient(result int32) bool {
	switch unix.Errno(-result) {
	case unix.EAGAIN, unix.EINTR, unix.ECANCELED:
		return true
	}
	return false
}

// waitArmed is wait while a pair is armed, up to brief milliseconds.
func (l *Loop) waitArmed(events *[batch]unix.EpollEvent, brief int) (int, error) {
	a := &l.pair
	if !a.polled {
		a.polled = true
		a.push(submission{opcode: opPoll, fd: int32(l.epfd), opFlags: unix.EPOLLIN, userData: armedPoll})
	}
	for i := range a.ends {
		e := &a.ends[i]
		if e.armed {
			continue
		}
		e.armed, e.came = true, false
		p := a.buffer(i)
		a.push(submission{opcode: opRecv, ioprio: pollFirst, fd: e.fd, addr: address(p), len: uint32(len(p)), userData: armedRecv + uint64(i)})
	}
	a.enter(min(brief, 1), brief)
	a.reap()
	if !a.ready {
		return 0, nil
	}
	a.ready = false
	return rawEpollWait(l.epfd, events, 0)
}

// deliverArmed tells the pair's handler what the wait brought.
func (l *Loop) deliverArmed() {
	a := &l.pair
	disturbed := a.refused
	for i := range a.ends {
		e := &a.ends[i]
		if e.came && transient(e.result) {
			e.came = false
		}
		if e.came {
			a.last = l.now
		}
		disturbed = disturbed || e.failed || e.came && (e.result <= 0 || e.result == ArmedSize)
	}
	if disturbed || l.now-a.last >= patience {
		a.handler.Disturbed()
		return
	}
	for i := range a.ends {
		if e := &a.ends[i]; a.handler != nil && e.came {
			p := a.buffer(i)[:e.result]
			e.came = false
			e.buffer ^= 1 // p stays until its send is done
			a.handler.Received(i, p)
		}
	}
}

// buffer is where end i receives.
func (a *pair) buffer(i int) []byte {
	return a.area[(2*i+int(a.ends[i].buffer))*ArmedSize:][:ArmedSize]
}

func address(p []byte) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(p)))) }

// push adds an operation to what enter submits.
func (a *pair) push(s submission) {
	u := a.ring
	tail := *u.sqTail
	u.sqes[tail&u.sqMask] = s
	atomic.StoreUint32(u.sqTail, tail+1)
	a.unsent++
}

// enter submits what was pushed and waits for n completions, up to ms milliseconds if
// that is not 0.
func (a *pair) enter(n, ms int) {
	arg, size, flags := uintptr(0), uintptr(0), uintptr(enterGetEvents)|a.ring.idleWait
	if ms > 0 {
		a.wait.at.nsec = int64(ms) * 1e6
		a.wait.time = uint64(uintptr(unsafe.Pointer(&a.wait.at)))
		// The loop is on the heap, and so is what the kernel reads here.
		arg, size, flags = uintptr(unsafe.Pointer(&a.wait)), unsafe.Offsetof(a.wait.at), flags|enterExtArg
	}
	taken, _, errno := unix.RawSyscall6(unix.SYS_IO_URING_ENTER, uintptr(a.ring.fd), uintptr(a.unsent), uintptr(n), flags, arg, size)
	switch errno {
	case 0:
		a.unsent -= int(taken)
	case unix.EINTR, unix.ETIME, unix.EAGAIN, unix.EBUSY: // it is asked again
	default:
		a.fail()
	}
}

// reap notes the completions that there are.
func (a *pair) reap() {
	u := a.ring
	if u == nil {
		return
	}
	head, tail := *u.cqHead, atomic.LoadUint32(u.cqTail)
	for ; head != tail; head++ {
		c := &u.cqes[head&u.cqMask]
		switch c.userData {
		case armedRecv, armedRecv + 1:
			e := &a.ends[c.userData-armedRecv]
			e.armed, e.came, e.result = false, true, c.result
		case armedSend, armedSend + 1:
			e := &a.ends[c.userData-armedSend]
			e.failed, e.sent = true, c.result
		case armedPoll:
			a.polled, a.ready = false, true
		}
	}
	atomic.StoreUint32(u.cqHead, head)
}

// fail does without the ring from now on. Nothing was done since the call that failed.
func (a *pair) fail() {
	a.reap()
	u := a.ring
	for at := atomic.LoadUint32(u.sqHead); at != *u.sqTail; at++ {
		if s := &u.sqes[at&u.sqMask]; s.opcode == opSend {
			e := &a.ends[s.userData-armedSend]
			e.failed, e.sent = true, 0
		}
	}
	a.close()
	a.ends[0].armed, a.ends[1].armed = false, false
	a.refused, a.polled, a.unsent = true, false, 0
}

func (a *pair) close() {
	if a.ring != nil {
		a.ring.close()
		a.ring = nil
	}
}
