package proxy

import (
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// stormReloads is how many reloads follow each other without a pause.
func stormReloads() int {
	if fullRun && !raceDetector {
		return 10_000
	}
	return 500
}

// echoLine sends a line to an echo server and reads it again.
func echoLine(c net.Conn, number int) error {
	line := fmt.Sprintf("%08d\n", number)
	if _, err := io.WriteString(c, line); err != nil {
		return err
	}
	got := make([]byte, len(line))
	if _, err := io.ReadFull(c, got); err != nil {
		return err
	}
	if string(got) != line {
		return fmt.Errorf("sent %q, got %q", line, got)
	}
	return nil
}

// openFiles counts the process's descriptors.
func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// liveHeap is what the garbage collector leaves.
func liveHeap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestReloadStorm reloads without a pause, between configurations with another
// algorithm, other servers and one more listener, while connections come, go and
// stay. None is refused or broken, and nothing is left behind.
func TestReloadStorm(t *testing.T) {
	echo := func(c *net.TCPConn) {
		_ = c.SetDeadline(time.Now().Add(5 * time.Minute))
		_, _ = io.Copy(c, c)
	}
	s1, s2 := serve(t, echo), serve(t, echo)
	bind, second := freeAddr(t), freeAddr(t)
	one := testConf(bind, "roundrobin", "s1="+s1.Addr().String())
	two := testConf(bind, "leastconn", "s1="+s1.Addr().String(), "s2="+s2.Addr().String())
	other := testConf(second, "roundrobin", "s2="+s2.Addr().String())
	other.Proxies[0].Name, other.Proxies[0].DefaultBackend, other.Proxies[1].Name = "fe2", "be2", "be2"
	two.Proxies = append(two.Proxies, other.Proxies...)
	r := startRig(t, one, Options{})

	var stop atomic.Bool
	var clients sync.WaitGroup
	var served, kept atomic.Int64
	for i := range 4 {
		clients.Go(func() {
			for n := 0; !stop.Load(); n++ {
				c, err := net.DialTimeout("tcp", bind.String(), patience)
				if err != nil {
					t.Errorf("client %d, connection %d: %v", i, n, err)
					return
				}
				_ = c.SetDeadline(time.Now().Add(patience))
				err = echoLine(c, n)
				_ = c.Close()
				if err != nil {
					t.Errorf("client %d, connection %d: %v", i, n, err)
					return
				}
				served.Add(1)
			}
		})
	}
	var began sync.WaitGroup
	for i := range 20 {
		c, err := net.DialTimeout("tcp", bind.String(), patience)
		if err != nil {
			t.Fatal(err)
		}
		began.Add(1)
		clients.Go(func() {
			defer c.Close()
			for n := 0; !stop.Load(); n++ {
				_ = c.SetDeadline(time.Now().Add(patience))
				err := echoLine(c, n)
				if n == 0 {
					began.Done()
				}
				if err != nil {
					t.Errorf("kept connection %d, exchange %d: %v", i, n, err)
					return
				}
				kept.Add(1)
			}
		})
	}
	reload := func(n int) {
		for i := range n {
			conf := one
			if i%2 == 0 {
				conf = two
			}
			if err := r.Reload(conf); err != nil {
				t.Fatalf("reload %d: %v", i, err)
			}
		}
	}
	began.Wait()
	reload(100) // what grows once is no leak
	files, heap, threads := openFiles(t), liveHeap(), runtime.NumGoroutine()
	reload(stormReloads())
	var moreFiles, moreThreads int
	var moreHeap int64
	// Connections come and go while this is counted: each has four descriptors and
	// two goroutines here. What ends late on a busy machine is no leak.
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		moreFiles, moreHeap, moreThreads = openFiles(t)-files, liveHeap()-heap, runtime.NumGoroutine()-threads
		if moreFiles <= 40 && moreThreads <= 40 && moreHeap <= 4<<20 || time.Now().After(end) {
			break
		}
	}
	stop.Store(true)
	clients.Wait()
	if served.Load() == 0 || kept.Load() == 0 {
		t.Errorf("%d connections and %d exchanges during the reloads, want some", served.Load(), kept.Load())
	}
	if moreFiles > 40 || moreThreads > 40 || moreHeap > 4<<20 {
		t.Errorf("after %d reloads: %+d descriptors, %+d goroutines, %+d bytes of heap", stormReloads(), moreFiles, moreThreads, moreHeap)
	}
	t.Logf("%d reloads, %d connections, %d exchanges on kept ones; %+d descriptors, %+d goroutines, %+d bytes",
		stormReloads(), served.Load(), kept.Load(), moreFiles, moreThreads, moreHeap)
}
