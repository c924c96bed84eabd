// Package evloop is the data path's kernel interface: epoll loops with generation
// checked descriptor slots, a timer wheel, a mailbox for other goroutines, the
// nonblocking socket and splice calls, batches of them that cost one system call, and
// receives that are armed for a pair of sockets that is alone on the move. One
// goroutine owns a Loop and everything registered with it; only Post may be called
// from elsewhere.
//
// All raw descriptor code of the data path is here. The package knows nothing of
// sessions, servers or configuration, and must not.
package evloop
