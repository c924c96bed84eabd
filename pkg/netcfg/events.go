package netcfg

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Changes is what netlink reported since it was last taken.
type Changes struct {
	// NoCarrier has the indices of links that were without carrier for a moment at
	// least, or went.
	NoCarrier map[int]bool
	Lost      int // times that the kernel dropped events
	// Router is what router advertisements said about name servers.
	Router []routerOption
}

// Watch collects netlink events; its goroutine ends with the context.
type Watch struct {
	// C gets a value after events came; it is closed when watching failed, see Err.
	C <-chan struct{}

	mu      sync.Mutex
	pending Changes // guarded by mu
	err     error   // guarded by mu
}

// Take returns the collected changes and starts anew.
func (w *Watch) Take() Changes {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := w.pending
	w.pending = Changes{}
	return out
}

// Err returns why C was closed.
func (w *Watch) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// eventBuffer is the receive buffer of the event socket in bytes; what does not
// fit is made good by a full look at the state.
const eventBuffer = 1 << 20

// Watch subscribes to changes of links, addresses and routes.
func (k *Kernel) Watch(ctx context.Context) (*Watch, error) {
	var sock *nl.NetlinkSocket
	err := k.inside(func() (err error) {
		sock, err = nl.SubscribeAt(netns.None(), netns.None(), unix.NETLINK_ROUTE, unix.RTNLGRP_LINK,
			unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR, unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE, unix.RTNLGRP_ND_USEROPT)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("subscribe to network events: %w", err)
	}
	if err := sock.SetReceiveBufferSize(eventBuffer, true); err != nil {
		_ = sock.SetReceiveBufferSize(eventBuffer, false) // without CAP_NET_ADMIN the limit of the system holds
	}
	c := make(chan struct{}, 1)
	w := &Watch{C: c}
	stop := context.AfterFunc(ctx, sock.Close)
	go func() {
		defer stop()
		defer close(c)
		for {
			msgs, _, err := sock.Receive()
			if err != nil && !errors.Is(err, unix.ENOBUFS) && !errors.Is(err, unix.EINTR) {
				w.mu.Lock()
				w.err = fmt.Errorf("read network events: %w", err)
				w.mu.Unlock()
				return
			}
			w.note(msgs, errors.Is(err, unix.ENOBUFS))
			select {
			case c <- struct{}{}:
			default:
			}
		}
	}()
	return w, nil
}

func (w *Watch) note(msgs []syscall.NetlinkMessage, lost bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if lost {
		w.pending.Lost++
	}
	for _, m := range msgs {
		if m.Header.Type == unix.RTM_NEWNDUSEROPT && len(w.pending.Router) < maxRouterOptions {
			w.pending.Router = append(w.pending.Router, parseRouterOptions(m.Data, time.Now())...)
			continue
		}
		if m.Header.Type != unix.RTM_NEWLINK && m.Header.Type != unix.RTM_DELLINK || len(m.Data) < unix.SizeofIfInfomsg {
			continue
		}
		info := nl.DeserializeIfInfomsg(m.Data)
		if m.Header.Type == unix.RTM_DELLINK || !hasCarrier(info.Flags) {
			if w.pending.NoCarrier == nil {
				w.pending.NoCarrier = map[int]bool{}
			}
			w.pending.NoCarrier[int(info.Index)] = true
		}
	}
}
