package qemu

import (
	"errors"
	"io"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Limits of the image and of a boot.
const (
	maxInitToVIP = 3 * time.Second
	// The limit holds where the kernel reaches init within this time; an emulated
	// machine whose processor is slower, or shared, gets more in proportion, up to
	// twice as much.
	quickKernel  = 4 * time.Second
	maxInitramfs = 32 << 20 // bytes, compressed
)

// storyARP: the address is on the wire, at the machine's own hardware address.
func storyARP(t *testing.T, a *appliance) {
	ctx := testContext(t, 10*time.Second)
	mac, err := a.client.AskARP(ctx, hostLink, VIP, 100*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	own, err := a.client.AskARP(ctx, hostLink, ApplianceAddr, 100*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if mac.String() != own.String() {
		t.Errorf("the VIP is at %s, the appliance at %s", mac, own)
	}
	// Nothing listens there; the refusal shows that the address is in use.
	conn, err := a.client.DialContext(ctx, "tcp", "["+ApplianceAddr6.String()+"]:9")
	if err == nil {
		_ = conn.Close()
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("connect to a closed port at %s: %v, want %v", ApplianceAddr6, err, syscall.ECONNREFUSED)
	}
}

// storyBoot: the way from init's start to a VIP that answers is short, and the
// image is small. The machine has 256 MB of memory, see bootAppliance.
func storyBoot(t *testing.T, a *appliance) {
	size := fileSize(t, initramfs(t))
	t.Logf("power on to init %s; init to ARP answer %s; init to TCP answer %s; initramfs %.1f MiB",
		a.boot.powerToInit.Round(time.Millisecond), a.boot.initToARP.Round(time.Millisecond),
		a.boot.initToTCP.Round(time.Millisecond), float64(size)/(1<<20))
	t.Logf("the machine's own account:\n%s", a.mustSh(t, "sluice boot"))
	t.Logf("memory:\n%s", a.mustSh(t, "free"))
	limit := time.Duration(float64(maxInitToVIP) * min(max(1, a.boot.kernel.Seconds()/quickKernel.Seconds()), 2))
	if a.boot.initToTCP > limit {
		t.Errorf("the VIP answers %s after init's start, want at most %s (the kernel took %s)", a.boot.initToTCP, limit, a.boot.kernel)
	}
	if size > maxInitramfs {
		t.Errorf("initramfs has %d bytes, want at most %d", size, maxInitramfs)
	}
}

// storyPeers: servers see the appliance's address, the client sees only the VIP.
func storyPeers(t *testing.T, a *appliance) {
	ctx := testContext(t, time.Minute)
	for _, h := range a.open(ctx, t, 4) {
		var peer string
		if err := h.conn.QueryRowContext(ctx, "SELECT host FROM information_schema.processlist WHERE id = CONNECTION_ID()").Scan(&peer); err != nil {
			t.Fatal(err)
		}
		host, _, err := net.SplitHostPort(peer)
		if err != nil || host != ApplianceAddr.String() {
			t.Errorf("%s sees peer %q, want %s", h.server, peer, ApplianceAddr)
		}
	}
	neighbours, err := a.client.CombinedOutput(ctx, "ip", "-4", "neigh", "show", "dev", hostLink)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range a.servers {
		if containsWord(string(neighbours), s.Addr.String()) {
			t.Errorf("the client has talked to %s itself:\n%s", s.Addr, neighbours)
		}
	}
	if !containsWord(string(neighbours), VIP.String()) {
		t.Errorf("the client has not talked to the VIP:\n%s", neighbours)
	}
}

// storyMySQLCommand: the ordinary client works through the VIP.
func storyMySQLCommand(t *testing.T, a *appliance) {
	out, err := a.client.CombinedOutput(testContext(t, time.Minute), "mysql", "-h", VIP.String(),
		"-u", MariaDBUser, "-p"+MariaDBPassword, "-N", "-e", "SELECT @@hostname; SELECT 6*7")
	if err != nil {
		t.Fatal(err)
	}
	if got := string(out); got != "s1\n42\n" && got != "s2\n42\n" {
		t.Errorf("mysql printed %q, want a server's name and 42", got)
	}
}

// storyPowerButton: the machine stops its services and switches itself off; a
// client is told that its connection ends.
func storyPowerButton(t *testing.T, a *appliance) {
	conn := a.visit(t)
	if err := a.vm.PressPowerButton(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the client is not told that its connection ends: %v", err)
	}
	if err := a.vm.WaitOff(t.Context(), time.Minute); err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(strings.TrimSpace(a.vm.Console.Output()), "reboot: Power down") {
		t.Error("the kernel was not told to switch the power off")
	}
	if !a.logsOnConsole {
		return
	}
	// A proxy that is killed, or stopped without a network, has no time for this.
	line := regexp.MustCompile(`proxyd\.service: ` + regexp.QuoteMeta(conn.LocalAddr().String()) + ` .*mysql_servers/s`)
	if _, err := a.vm.Console.Expect(t.Context(), line, time.Second); err != nil {
		t.Errorf("the proxy has not logged the last session: %v", err)
	}
}

// visit opens a connection through the VIP and reads the start of the greeting.
func (a *appliance) visit(t *testing.T) net.Conn {
	t.Helper()
	conn, err := a.client.DialContext(t.Context(), "tcp", vipAddr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		t.Fatalf("read greeting: %v", err)
	}
	return conn
}

// containsWord tells whether text has word between white space.
func containsWord(text, word string) bool { return slices.Contains(strings.Fields(text), word) }
