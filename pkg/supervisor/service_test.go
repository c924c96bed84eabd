package supervisor

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestReadyGatesDependents(t *testing.T) {
	r := newRig(t, map[string]string{
		"net.service":   "[Service]\nType=notify\nExecStart={helper} notify {dir}/gate\n",
		"proxy.service": "[Unit]\nRequires=net.service\nAfter=net.service\n[Service]\nExecStart={helper} wait\n",
	})
	gate := r.fifo("gate")
	done := make(chan error, 1)
	go func() { done <- r.Start(r.ctx, "proxy.service") }()
	// The helper has opened the gate for reading when this open returns.
	f, err := os.OpenFile(gate, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if st := r.get("proxy.service"); st.State != Waiting {
		t.Errorf("proxy.service is %s before net.service is ready, want waiting", st.State)
	}
	if st := r.get("net.service"); st.State != Starting {
		t.Errorf("net.service is %s before READY=1, want activating", st.State)
	}
	_ = f.Close()
	if err := <-done; err != nil {
		t.Fatalf("Start() = %v", err)
	}
	if st := r.get("net.service"); !st.Ready() || st.Text != "all fine" {
		t.Errorf("net.service = %+v, want active with its STATUS=", st)
	}
}

func TestIdleWaitsForTheOthers(t *testing.T) {
	r := newRig(t, map[string]string{
		"net.service":     "[Service]\nType=notify\nExecStart={helper} notify {dir}/gate\n",
		"console.service": "[Service]\nType=idle\nExecStart={helper} wait\n",
		"all.target":      "[Unit]\nWants=net.service console.service\nAfter=net.service console.service\n",
	})
	gate := r.fifo("gate")
	done := make(chan error, 1)
	go func() { done <- r.Start(r.ctx, "all.target") }()
	f, err := os.OpenFile(gate, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if st := r.get("console.service"); st.State != Waiting {
		t.Errorf("console.service is %s while net.service starts, want waiting", st.State)
	}
	_ = f.Close()
	if err := <-done; err != nil {
		t.Fatalf("Start() = %v", err)
	}
	if st := r.get("console.service"); st.State != Active {
		t.Errorf("console.service is %s, want active", st.State)
	}
}

func TestCrashKeepsListener(t *testing.T) {
	r := newRig(t, map[string]string{"proxy.service": `[Unit]
StartLimitIntervalSec=0
[Service]
Type=notify
ExecStart={helper} listen {dir}/addr
Restart=always
RestartSec=50ms
FileDescriptorStoreMax=8
`})
	r.start("proxy.service")
	addr, err := os.ReadFile(filepath.Join(r.dir, "addr"))
	if err != nil {
		t.Fatal(err)
	}
	first := r.get("proxy.service")
	if first.StoredFDs != 1 {
		t.Fatalf("stored descriptors = %d, want 1", first.StoredFDs)
	}
	ask := func(word string) (string, error) {
		c, err := net.Dial("tcp", string(addr))
		if err != nil {
			return "", err
		}
		defer c.Close()
		fmt.Fprintln(c, word)
		answer, err := io.ReadAll(c)
		return string(answer), err
	}
	killed := time.Now()
	if _, err := ask("crash"); err == nil {
		t.Log("the crashing connection ended with FIN")
	}
	r.awaitSub("proxy.service", "auto-restart", 1)
	// In the gap: the connection waits in the backlog of the stored socket.
	answer, err := ask("who")
	if err != nil {
		t.Fatalf("connection during the restart: %v", err)
	}
	t.Logf("answered %s after the crash", time.Since(killed).Round(time.Millisecond))
	if want := fmt.Sprintf("%d true\n", r.get("proxy.service").MainPID); answer != want {
		t.Errorf("answer = %q, want %q", answer, want)
	}
	if took := time.Since(killed); took > 3*time.Second {
		t.Errorf("service was back after %s", took)
	}
	// An explicit restart keeps the socket as well, a stop closes it.
	if err := r.Restart(r.ctx, "proxy.service"); err != nil {
		t.Fatal(err)
	}
	if answer, err := ask("who"); err != nil || !strings.HasSuffix(answer, "true\n") {
		t.Errorf("after restart: %q, %v", answer, err)
	}
	if err := r.Stop(r.ctx, "proxy.service"); err != nil {
		t.Fatal(err)
	}
	if st := r.get("proxy.service"); st.StoredFDs != 0 {
		t.Errorf("after stop %d descriptors are still stored", st.StoredFDs)
	}
	if _, err := ask("who"); err == nil {
		t.Error("after stop the socket still accepts")
	}
}

func TestNoConnectionRefusedAcrossCrashes(t *testing.T) {
	r := newRig(t, map[string]string{"proxy.service": `[Unit]
StartLimitIntervalSec=0
[Service]
Type=notify
ExecStart={helper} listen {dir}/addr
Restart=always
RestartSec=10ms
FileDescriptorStoreMax=8
`})
	r.start("proxy.service")
	addr, err := os.ReadFile(filepath.Join(r.dir, "addr"))
	if err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	refused := 0
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			c, err := net.Dial("tcp", string(addr))
			if err != nil {
				refused++
				continue
			}
			fmt.Fprintln(c, "who")
			_, _ = io.ReadAll(c)
			_ = c.Close()
		}
	})
	for i := range 3 {
		kill(t, r.get("proxy.service").MainPID)
		r.awaitSub("proxy.service", "running", i+2)
	}
	close(stop)
	wg.Wait()
	if refused > 0 {
		t.Errorf("%d connections refused", refused)
	}
}

func TestFDStore(t *testing.T) {
	r := newRig(t, map[string]string{"a.service": `[Service]
Type=notify
ExecStart={helper} fds
FileDescriptorStoreMax=3
`})
	r.start("a.service")
	r.awaitLog("a.service", "barrier passed")
	r.awaitLog("a.service", `store descriptor "over": FileDescriptorStoreMax=3 is reached`)
	// a was removed, "again" and "over" never kept, "gone" hangs up: left are
	// "stored" and "late".
	r.await("2 stored descriptors", func(events []Event) bool {
		last := events[len(events)-1]
		return last.Status.StoredFDs == 2 && last.Status.State == Active
	})
	var names string
	if err := r.call(r.ctx, func() { names = r.services["a.service"].store.names() }); err != nil {
		t.Fatal(err)
	}
	if want := "stored:late"; names != want {
		t.Errorf("names = %q, want %q", names, want)
	}
}

func TestWatchdog(t *testing.T) {
	r := newRig(t, map[string]string{"a.service": `[Service]
Type=notify
ExecStart={helper} watchdog 3
WatchdogSec=2s
Restart=on-watchdog
RestartSec=1ms
`})
	r.start("a.service")
	pid := r.get("a.service").MainPID
	events := r.awaitSub("a.service", "auto-restart", 1)
	st := events[len(events)-1].Status
	if st.Result != "watchdog" {
		t.Errorf("result = %s, want watchdog", st.Result)
	}
	if n := countLines(r, "a.service", "ping"); n != 3 {
		t.Errorf("the service lived through %d pings, want 3", n)
	}
	r.awaitSub("a.service", "running", 2)
	if r.get("a.service").MainPID == pid {
		t.Error("the service was not restarted")
	}
}

func countLines(r *rig, unit, text string) int {
	n := 0
	for _, l := range r.Ring(unit).Tail(-1) {
		if l.Text == text {
			n++
		}
	}
	return n
}

func TestStartTimeout(t *testing.T) {
	r := newRig(t, map[string]string{"a.service": `[Service]
Type=notify
ExecStart={helper} wait
TimeoutStartSec=100ms
`})
	err := r.Start(r.ctx, "a.service")
	if err == nil || !strings.Contains(err.Error(), "timeout") {
		t.Errorf("Start() = %v, want a timeout", err)
	}
}

func TestOrphansAreReaped(t *testing.T) {
	r := newRig(t, map[string]string{"a.service": `[Service]
Type=oneshot
ExecStart={helper} orphan {dir}/fifo
`})
	path := r.fifo("fifo")
	done := make(chan error, 1)
	go func() { done <- r.Start(r.ctx, "a.service") }()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	pid := 0
	line := r.awaitLog("a.service", "orphan")
	if _, err := fmt.Sscanf(line.Text, "orphan %d", &pid); err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	r.await("the orphan's end", func(events []Event) bool {
		return slices.ContainsFunc(events, func(e Event) bool { return e.Kind == EventReaped && e.PID == pid })
	})
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("process %d is still there: %v", pid, err)
	}
}

func TestRequiredUnitFails(t *testing.T) {
	for _, tc := range []struct{ name, unit, want string }{
		{"exit status", "[Service]\nType=oneshot\nExecStart={helper} exit 3\n", "status 3"},
		{"no program", "[Service]\nExecStart=/no/such/program\n", "no such file or directory"},
		{"no READY=1", "[Service]\nType=notify\nExecStart={helper} exit 0\n", "ended without READY=1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t, map[string]string{
				"bad.service":  tc.unit,
				"good.service": "[Unit]\nRequires=bad.service\nAfter=bad.service\n[Service]\nExecStart={helper} wait\n",
				"soft.service": "[Unit]\nWants=bad.service\nAfter=bad.service\n[Service]\nExecStart={helper} wait\n",
			})
			err := r.Start(r.ctx, "good.service")
			if err == nil || !strings.Contains(err.Error(), "required unit bad.service is failed") {
				t.Errorf("Start(good.service) = %v", err)
			}
			if err := r.Start(r.ctx, "bad.service"); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Start(bad.service) = %v, want %q", err, tc.want)
			}
			r.start("soft.service")
		})
	}
}

func TestStartLimit(t *testing.T) {
	r := newRig(t, map[string]string{"a.service": `[Unit]
StartLimitIntervalSec=1h
StartLimitBurst=3
[Service]
ExecStart={helper} exit 1
Restart=always
RestartSec=1ms
RestartSteps=1
RestartMaxDelaySec=2ms
`})
	_ = r.Start(r.ctx, "a.service")
	events := r.await("start limit", func(events []Event) bool {
		return events[len(events)-1].Status.Result == "start-limit-hit" && events[len(events)-1].Status.State == Failed
	})
	if n := events[len(events)-1].Status.Restarts; n != 3 {
		t.Errorf("restarts = %d, want 3 (the third was refused)", n)
	}
}

func TestReload(t *testing.T) {
	r := newRig(t, map[string]string{
		"a.service": "[Service]\nType=notify\nExecStart={helper} reload\nExecReload=/bin/sh -c 'kill -HUP $$MAINPID'\n",
		"b.service": "[Service]\nExecStart={helper} wait\nExecReload=/bin/false\n",
		"c.service": "[Service]\nExecStart={helper} wait\n",
	})
	for _, u := range []string{"a.service", "b.service", "c.service"} {
		r.start(u)
	}
	if err := r.Reload(r.ctx, "a.service"); err != nil {
		t.Errorf("Reload(a) = %v", err)
	}
	r.await("STATUS=reloaded", func(events []Event) bool {
		return slices.ContainsFunc(events, func(e Event) bool { return e.Status.Text == "reloaded" })
	})
	r.awaitSub("a.service", "running", 2)
	if err := r.Reload(r.ctx, "b.service"); err == nil || !strings.Contains(err.Error(), "status 1") {
		t.Errorf("Reload(b) = %v, want its failure", err)
	}
	if st := r.get("b.service"); st.State != Active {
		t.Errorf("b.service is %s after a failed reload, want active", st.State)
	}
	if err := r.Reload(r.ctx, "c.service"); !errors.Is(err, errNotReloadable) {
		t.Errorf("Reload(c) = %v, want %v", err, errNotReloadable)
	}
}

func TestLogSources(t *testing.T) {
	r := newRig(t, map[string]string{"a.service": "[Service]\nExecStart={helper} log {dir}/log\n"})
	r.start("a.service")
	l := r.awaitLog("a.service", "by syslog")
	if l.Text != "helper[1]: by syslog" || l.Priority != 3 {
		t.Errorf("syslog line = %+v", l)
	}
	r.awaitLog("a.service", "by stdout")
	r.awaitLog("a.service", "by stderr without newline")
}

func TestEnvironment(t *testing.T) {
	r := newRig(t, map[string]string{"a.service": `[Service]
Type=oneshot
Environment="GREETING=good day" X=1
EnvironmentFile=-/no/such/file
RuntimeDirectory=a
ExecStart={helper} env GREETING
ExecStart={helper} env RUNTIME_DIRECTORY
ExecStart=/bin/sh -c 'echo ${GREETING} $$(ulimit -n)'
LimitNOFILE=77
`})
	r.start("a.service")
	r.awaitLog("a.service", "GREETING=good day")
	r.awaitLog("a.service", "RUNTIME_DIRECTORY="+r.dir+"/a")
	r.awaitLog("a.service", "good day 77")
}

func TestCondition(t *testing.T) {
	r := newRig(t, map[string]string{
		"a.service": "[Unit]\nConditionPathExists=/no/such\n[Service]\nExecStart={helper} wait\n",
		"b.service": "[Unit]\nRequires=a.service\nAfter=a.service\n[Service]\nExecStart={helper} wait\n",
	})
	r.start("b.service")
	if st := r.get("a.service"); st.State != Inactive || st.Result != "condition" {
		t.Errorf("a.service = %+v, want skipped", st)
	}
}
