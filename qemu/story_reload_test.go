package qemu

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// busyConnections are at work while the configuration changes.
const busyConnections = 200

// worker is a connection that asks its server for its name all the time.
type worker struct {
	held
	answers atomic.Int64
	ended   atomic.Bool
	err     error // read after the worker has ended
}

// work asks until ctx ends or something goes wrong. Each question keeps the
// connection busy for a fifth of a second.
func (w *worker) work(ctx context.Context, stopped <-chan struct{}) {
	defer w.ended.Store(true)
	for {
		select {
		case <-stopped:
			return
		default:
		}
		var slept int
		var server string
		if err := w.conn.QueryRowContext(ctx, "SELECT SLEEP(0.2), @@hostname").Scan(&slept, &server); err != nil {
			w.err = err
			return
		}
		if server != w.server {
			w.err = fmt.Errorf("the connection moved from %s to %s", w.server, server)
			return
		}
		w.answers.Add(1)
	}
}

// startWorkers puts conns to work; finish ends them and returns what went wrong.
func startWorkers(ctx context.Context, conns []held) (workers []*worker, finish func() []error) {
	var wg sync.WaitGroup
	stopped := make(chan struct{})
	for _, h := range conns {
		w := &worker{held: h}
		workers = append(workers, w)
		wg.Go(func() { w.work(ctx, stopped) })
	}
	return workers, sync.OnceValue(func() (errs []error) {
		close(stopped)
		wg.Wait()
		for _, w := range workers {
			if w.err != nil {
				errs = append(errs, w.err)
			}
		}
		return errs
	})
}

// awaitAnswers waits until each worker has had n more answers or has failed.
func awaitAnswers(ctx context.Context, t *testing.T, workers []*worker, n int64) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	goals := make([]int64, len(workers))
	for i, w := range workers {
		goals[i] = w.answers.Load() + n
	}
	for i, w := range workers {
		for w.answers.Load() < goals[i] && !w.ended.Load() {
			select {
			case <-tick.C:
			case <-ctx.Done():
				t.Fatalf("a connection to %s has had %d answers, want %d", w.server, w.answers.Load(), goals[i])
			}
		}
	}
}

// storyReload: a changed file takes effect for new connections, while 200 busy
// ones go on where they are.
func storyReload(t *testing.T, a *appliance) {
	ctx := testContext(t, 4*time.Minute)
	conns := a.open(ctx, t, busyConnections)
	if diff := cmp.Diff(map[string]int{"s1": busyConnections / 2, "s2": busyConnections / 2}, count(conns)); diff != "" {
		t.Errorf("before the reload (-want +got):\n%s", diff)
	}
	workers, finish := startWorkers(ctx, conns)
	defer finish()
	awaitAnswers(ctx, t, workers, 2)
	a.use(t, "s2-only.cfg")
	awaitAnswers(ctx, t, workers, 2)
	if diff := cmp.Diff(map[string]int{"s2": 10}, count(a.open(ctx, t, 10))); diff != "" {
		t.Errorf("new connections after the reload (-want +got):\n%s", diff)
	}
	awaitAnswers(ctx, t, workers, 2)
	if errs := finish(); len(errs) > 0 {
		t.Errorf("%d of %d busy connections broke, the first with: %v", len(errs), len(workers), errs[0])
	}
}

// storyBrokenFile: all mistakes of a file are told with their lines, and the
// proxy goes on with what it had.
func storyBrokenFile(t *testing.T, a *appliance) {
	ctx := testContext(t, 2*time.Minute)
	workers, finish := startWorkers(ctx, a.open(ctx, t, 10))
	defer finish()
	awaitAnswers(ctx, t, workers, 1)
	out, status := a.sh(t, "cp /etc/sluice/lab/broken.cfg /etc/sluice/proxy.cfg && sluice reload")
	if status == 0 {
		t.Errorf("sluice reload accepts a broken file:\n%s", out)
	}
	for _, want := range []string{"proxy.cfg:4:", "nowhere", "proxy.cfg:7:", "leastconn", "proxy.cfg:9:", "server"} {
		if !strings.Contains(out, want) {
			t.Errorf("sluice reload does not say %q:\n%s", want, out)
		}
	}
	awaitAnswers(ctx, t, workers, 2)
	if diff := cmp.Diff(map[string]int{"s1": 2, "s2": 2}, count(a.open(ctx, t, 4))); diff != "" {
		t.Errorf("new connections after the refused reload (-want +got):\n%s", diff)
	}
	if errs := finish(); len(errs) > 0 {
		t.Errorf("%d busy connections broke, the first with: %v", len(errs), errs[0])
	}
}
