package qemu

import (
	"context"
	"sync"
	"testing"
	"time"
)

// maxOutage is how long clients may wait for a proxy that was killed.
const maxOutage = time.Second

// visits is what a client saw that connected again and again.
type visits struct {
	mu      sync.Mutex
	refused []error     // attempts that failed
	broken  []error     // connections that ended before the server's greeting
	greeted []time.Time // when greetings came
}

// visitLoop connects, reads the greeting and hangs up until ctx ends.
func (a *appliance) visitLoop(ctx context.Context, v *visits) {
	for ctx.Err() == nil {
		conn, err := a.client.DialContext(ctx, "tcp", vipAddr)
		if err == nil {
			_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
			_, greetErr := conn.Read(make([]byte, 1))
			_ = conn.Close()
			v.note(nil, greetErr)
		} else if ctx.Err() == nil {
			v.note(err, nil)
		}
	}
}

func (v *visits) note(refused, broken error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case refused != nil:
		v.refused = append(v.refused, refused)
	case broken != nil:
		v.broken = append(v.broken, broken)
	default:
		v.greeted = append(v.greeted, time.Now())
	}
}

// total returns how many greetings have come.
func (v *visits) total() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.greeted)
}

// longestGap returns the longest time without a greeting.
func (v *visits) longestGap() time.Duration {
	v.mu.Lock()
	defer v.mu.Unlock()
	var gap time.Duration
	for i := 1; i < len(v.greeted); i++ {
		gap = max(gap, v.greeted[i].Sub(v.greeted[i-1]))
	}
	return gap
}

// awaitTotal waits until at least n greetings have come.
func (v *visits) awaitTotal(ctx context.Context, t *testing.T, n int) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for v.total() < n {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%d greetings, want %d; refused %v, broken %v", v.total(), n, v.refused, v.broken)
		}
	}
}

// storyKilledProxy: kill -9 of the proxy costs clients at most the connection
// that it holds, and no attempt: the listening socket lives on in init.
func storyKilledProxy(t *testing.T, a *appliance) {
	ctx := testContext(t, 2*time.Minute)
	loopCtx, stop := context.WithCancel(ctx)
	defer stop()
	v := &visits{}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	wg.Go(func() { a.visitLoop(loopCtx, v) })

	before := a.mustSh(t, "pidof proxyd")
	v.awaitTotal(ctx, t, 20)
	a.mustSh(t, "kill -9 $(pidof proxyd)")
	v.awaitTotal(ctx, t, v.total()+50)
	after := a.mustSh(t, "pidof proxyd")
	stop()
	wg.Wait()
	if before == after {
		t.Fatalf("the proxy was not killed: its process is still %s", after)
	}
	if len(v.refused) > 0 {
		t.Errorf("%d attempts of %d failed, the first with: %v", len(v.refused), len(v.greeted), v.refused[0])
	}
	if len(v.broken) > 1 {
		t.Errorf("%d connections broke, want at most the one that was open: %v", len(v.broken), v.broken)
	}
	if gap := v.longestGap(); gap > maxOutage {
		t.Errorf("no greeting for %s, want at most %s", gap, maxOutage)
	} else {
		t.Logf("%d connections, longest time without a greeting %s", len(v.greeted), gap.Round(time.Millisecond))
	}
}
