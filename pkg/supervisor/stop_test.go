package supervisor

import (
	"slices"
	"strings"
	"testing"
)

func TestStopOrder(t *testing.T) {
	r := newRig(t, map[string]string{
		"all.target":    "[Unit]\nWants=a.service b.service c.service\n",
		"a.service":     "[Service]\nExecStart={helper} wait\n",
		"b.service":     "[Unit]\nRequires=a.service\nAfter=a.service\n[Service]\nExecStart={helper} wait\n",
		"c.service":     "[Unit]\nAfter=b.service\n[Service]\nExecStart={helper} wait\nExecStop=/bin/true\n",
		"other.service": "[Service]\nExecStart={helper} wait\n",
	})
	r.start("all.target")
	for _, u := range []string{"a.service", "b.service", "c.service"} {
		r.awaitLog(u, "up") // its signal handler is not there before
	}
	if st := r.get("other.service"); st.State != Inactive {
		t.Errorf("other.service is %s though nothing wants it", st.State)
	}
	if err := r.Shutdown(r.ctx); err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	all := words(r.events)
	r.mu.Unlock()
	var order []int
	for _, w := range []string{"a.service running", "b.service running", "c.service running", "c.service stop",
		"c.service dead", "b.service stop", "b.service dead", "a.service stop", "a.service dead"} {
		i := slices.Index(all, w)
		if strings.HasSuffix(w, "dead") {
			i = len(all) - 1 - slices.Index(reversed(all), w)
		}
		order = append(order, i)
	}
	if slices.Contains(order, -1) || !slices.IsSorted(order) {
		t.Errorf("order of %v: %v", all, order)
	}
}

func reversed(s []string) []string {
	c := slices.Clone(s)
	slices.Reverse(c)
	return c
}

func TestStopTakesDependents(t *testing.T) {
	r := newRig(t, map[string]string{
		"a.service": "[Service]\nExecStart={helper} wait\n",
		"b.service": "[Unit]\nRequires=a.service\nAfter=a.service\n[Service]\nExecStart={helper} wait\n",
	})
	r.start("b.service")
	if err := r.Restart(r.ctx, "a.service"); err != nil {
		t.Fatal(err)
	}
	r.awaitSub("b.service", "running", 2)
	if err := r.Stop(r.ctx, "a.service"); err != nil {
		t.Fatal(err)
	}
	if st := r.get("b.service"); st.State != Inactive {
		t.Errorf("b.service is %s after a.service was stopped", st.State)
	}
}

func TestKillAfterTimeout(t *testing.T) {
	r := newRig(t, map[string]string{"a.service": `[Service]
Type=notify
ExecStart={helper} stubborn
TimeoutStopSec=100ms
`})
	r.start("a.service")
	if err := r.Stop(r.ctx, "a.service"); err != nil {
		t.Fatal(err)
	}
	if st := r.get("a.service"); st.State != Failed || st.Result != "timeout" {
		t.Errorf("state = %s, result = %s; want failed, timeout", st.State, st.Result)
	}
	r.awaitSub("a.service", "stop-sigkill", 1)
}
