package qemu

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	keeping "github.com/sluice-lb/sluice/pkg/appliance" // appliance is the booted machine here
)

// movedVIP is where a configuration puts the VIP that nobody asked for.
var movedVIP = netip.MustParseAddr("198.18.7.10")

// goBackAfter is the timed apply of TestTimedApply.
const goBackAfter = 15 * time.Second

// TestTimedApply applies, on trial, a configuration that moves all addresses to
// another network: an administrator who came over the network is cut off. Nobody
// confirms, and the old addresses come back by themselves.
func TestTimedApply(t *testing.T) {
	lab := newLab(t)
	ctx := testContext(t, 5*time.Minute)
	client, err := lab.AddClient()
	if err != nil {
		t.Fatal(err)
	}
	moved := wordFiles("moved")
	for name, text := range moved {
		if keeping.IsNetwork(name) {
			moved[name] = strings.ReplaceAll(text, "198.18.0.", "198.18.7.")
		}
	}
	m := newSavedMachine(t, map[string]keeping.Files{"moved": moved})
	m.lab = lab
	m.boot(ctx, t)
	m.state(ctx, t)
	answers := func(addr netip.Addr, within time.Duration) bool {
		ctx, cancel := context.WithTimeout(ctx, within)
		defer cancel()
		_, err := client.AskARP(ctx, hostLink, addr, 50*time.Millisecond)
		return err == nil
	}
	if !answers(VIP, 10*time.Second) || answers(movedVIP, time.Second) {
		t.Fatal("before the apply, the VIP is not where the factory put it")
	}
	applied := time.Now()
	out := m.sh(ctx, t, "sluice restore /etc/sluice/lab/moved.tar.gz && sluice apply --confirm "+goBackAfter.String())
	if !answers(movedVIP, goBackAfter/2) || answers(VIP, time.Second) {
		t.Fatalf("the apply did not move the VIP: %s", out)
	}
	if !answers(VIP, 2*goBackAfter) {
		t.Fatalf("the VIP did not come back")
	}
	took := time.Since(applied)
	t.Logf("the old addresses were back after %s", took)
	if took < goBackAfter {
		t.Errorf("the old addresses came back after %s, before %s had passed", took, goBackAfter)
	}
	if answers(movedVIP, time.Second) {
		t.Error("the new addresses are still there")
	}
	if s := m.state(ctx, t); s.Pending != nil || s.Running.Number != 0 || s.Unsaved || s.Problem != "" {
		t.Errorf("state = %+v", s)
	}
}
