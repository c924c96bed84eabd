package main

import (
	"bytes"
	"context"
	"os"

	"golang.org/x/sys/unix"
)

// watchFor returns a context that ends when the file called name is renamed into
// dir, as ctl.Listen does with the socket of a daemon that starts, or with ctx.
// Where dir cannot be watched it ends with ctx only. The caller has to call stop.
func watchFor(ctx context.Context, dir, name string) (changed context.Context, stop func()) {
	changed, cancel := context.WithCancel(ctx)
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return changed, cancel
	}
	events := os.NewFile(uintptr(fd), "inotify")
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_MOVED_TO); err != nil {
		_ = events.Close()
		return changed, cancel
	}
	done := make(chan struct{})
	go func() { // ends with the event, or with stop
		defer close(done)
		defer cancel()
		// A record holds the name, ended by zeros (inotify(7)).
		buf := make([]byte, 4096)
		for n, err := 0, error(nil); err == nil && !bytes.Contains(buf[:n], []byte(name+"\x00")); {
			n, err = events.Read(buf)
		}
	}()
	return changed, func() {
		_ = events.Close()
		<-done
	}
}
