package qemu

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What the owner of TestFirstHour chooses; the factory has other names and
// addresses.
const (
	ownPassword = "horse staple 42"
	ownDiskSize = 1 << 30 // bytes
)

// ownVIP is where the owner wants the databases.
var ownVIP = netip.MustParseAddr("198.18.0.20")

// consoleLimit is how long the console may take for one answer; the longest are
// an apply and the first prompt of a boot.
const consoleLimit = time.Minute

// commandPrompt is the console's when it waits for a command.
const commandPrompt = "sluice> "

// exchange is a prompt of the console, what is typed then, and what the console
// has to say to that before anything else is typed.
type exchange struct{ prompt, typed, reply string }

// firstLogin sets the password, after an attempt that is too short and one with
// a slip, and accepts the wizard.
var firstLogin = []exchange{
	{"New password for admin: ", "short", "at least 8 are needed"},
	{"New password for admin: ", ownPassword, ""},
	{"The same again: ", ownPassword + "!", "The two are not the same"},
	{"New password for admin: ", ownPassword, ""},
	{"The same again: ", ownPassword, "The password is set."},
	{"step by step [yes]: ", "perhaps", "accepted are yes and no"},
	{"step by step [yes]: ", "", "ctrl-c leaves and changes nothing"},
}

// carefulSetup is the wizard with a wrong answer to each question first.
var carefulSetup = []exchange{
	{"Host name [sluice]: ", "lb_1", "accepted are letters, digits and dashes"},
	{"Host name [sluice]: ", "lb1", ""},
	{"Link [first]: ", "eth7", "accepted are first, eth0"},
	{"Link [first]: ", "?", "the first Ethernet link, whatever its name"},
	{"Link [first]: ", "", ""},
	{"Address, or dhcp [198.18.0.2/24 fd00:198:18::2/64]: ", "198.18.0.2", "accepted are ADDRESS/LENGTH such as"},
	{"Address, or dhcp [198.18.0.2/24 fd00:198:18::2/64]: ", "198.18.0.2/24", ""},
	{"Gateway [none]: ", "198.18.7.1", "accepted is an address in one of them, or none"},
	{"Gateway [none]: ", "", ""},
	{"Name servers [none]: ", "dns.example", "accepted are addresses such as"},
	{"Name servers [none]: ", "", ""},
	{"Virtual address (VIP) [198.18.0.10]: ", "198.18.0.20 198.18.0.21", "accepted are one address such as"},
	{"Virtual address (VIP) [198.18.0.10]: ", ownVIP.String(), ""},
	{"Port of the first service [3306]: ", "mysql", "accepted are 1 to 65535, and none"},
	{"Port of the first service [3306]: ", "3306", ""},
	{"Its servers [s1 s2]: ", "s1:0", "accepted are HOST and HOST:PORT"},
	{"Its servers [s1 s2]: ", "198.18.0.11 s2", "Changes to the network:"}, // one by address, one by name
	{"Apply this [yes]: ", "sure", "accepted are yes and no"},
	{"Apply this [yes]: ", "yes", "Revision 1 runs."},
	{"a reboot keeps it [yes]: ", "later", "accepted are yes and no"},
	{"a reboot keeps it [yes]: ", "no", "It runs until the next reboot"},
}

// quickSetup is the wizard once more, by its command, and saved.
var quickSetup = []exchange{
	{commandPrompt, "setup", "ctrl-c leaves and changes nothing"},
	{"Host name [sluice]: ", "lb1", ""},
	{"Link [first]: ", "", ""},
	{"Address, or dhcp [198.18.0.2/24 fd00:198:18::2/64]: ", "198.18.0.2/24", ""},
	{"Gateway [none]: ", "", ""},
	{"Name servers [none]: ", "", ""},
	{"Virtual address (VIP) [198.18.0.10]: ", ownVIP.String(), ""},
	{"Port of the first service [3306]: ", "", ""},
	{"Its servers [s1 s2]: ", "198.18.0.11 s2", ""},
	{"Apply this [yes]: ", "", "Revision 2 runs."},
	{"a reboot keeps it [yes]: ", "", "Revision 2 is saved: a reboot returns to it."},
}

// TestFirstHour is what a new owner does: the image is written to a blank disk,
// the first login sets the password, the wizard makes a configuration, MySQL is
// balanced by it; a reboot forgets it while it is not saved, and keeps it then.
func TestFirstHour(t *testing.T) {
	full(t)
	a, _ := newAppliance(t)
	ctx := testContext(t, 15*time.Minute)
	powerOn := time.Now()
	var err error
	if a.vm, err = a.lab.Boot(Config{Name: "sluice", Disk: flashedDisk(t)}); err != nil {
		t.Fatal(err)
	}
	a.explain(t)
	first := a.awaitBoot(ctx, t, powerOn)

	a.converse(ctx, t, firstLogin)
	a.converse(ctx, t, carefulSetup)
	a.wantOwn(ctx, t)
	a.converse(ctx, t, []exchange{{commandPrompt, "exit", ""}})
	a.logIn(ctx, t, "lb1", `Revision 1 runs, a reboot returns to 0`)

	a.converse(ctx, t, []exchange{
		{commandPrompt, "reboot", ""},
		{"What is not saved is lost. Go on and reboot [no]: ", "yes", "reboot: Restarting system"},
	})
	second := a.awaitBoot(ctx, t, time.Now())
	t.Logf("init to TCP answer %s from the blank disk, %s with a data partition",
		first.initToTCP.Round(time.Millisecond), second.initToTCP.Round(time.Millisecond))
	a.logIn(ctx, t, "sluice", `Revision 0 runs and is saved`)
	a.wantFactory(ctx, t)

	a.converse(ctx, t, quickSetup)
	a.wantOwn(ctx, t)
	// What is saved asks for no agreement.
	a.converse(ctx, t, []exchange{{commandPrompt, "reboot", "reboot: Restarting system"}})
	if _, err := a.vm.Console.Expect(ctx, initStarted, bootTimeout); err != nil {
		t.Fatal(err)
	}
	a.logIn(ctx, t, "lb1", `Revision 2 runs and is saved`)
	a.wantOwn(ctx, t)

	a.converse(ctx, t, []exchange{{commandPrompt, "poweroff", "reboot: Power down"}})
	if err := a.vm.WaitOff(ctx, time.Minute); err != nil {
		t.Fatal(err)
	}
}

// flashedDisk writes the built image to the start of a larger blank disk, as "dd
// conv=sparse,notrunc" does, and returns the disk's path.
func flashedDisk(t *testing.T) string {
	t.Helper()
	raw, err := os.Open(filepath.Join(buildDir(t), "sluice.raw"))
	if err != nil {
		t.Fatalf("make image builds the image: %v", err)
	}
	defer raw.Close()
	path := filepath.Join(t.TempDir(), "disk.raw")
	disk, err := os.Create(path)
	if err == nil {
		err = disk.Truncate(ownDiskSize)
	}
	if err == nil {
		_, err = io.CopyBuffer(sparseWriter{disk}, struct{ io.Reader }{raw}, make([]byte, 64<<10))
	}
	if err = errors.Join(err, disk.Close()); err != nil {
		t.Fatalf("write the image to a disk: %v", err)
	}
	if size := fileSize(t, path); size != ownDiskSize {
		t.Fatalf("the image does not fit on a disk of %d bytes: %d", ownDiskSize, size)
	}
	return path
}

// sparseWriter leaves out blocks of zeros, for a file that is blank.
type sparseWriter struct{ f *os.File }

func (w sparseWriter) Write(p []byte) (int, error) {
	if len(bytes.Trim(p, "\x00")) > 0 {
		return w.f.Write(p)
	}
	_, err := w.f.Seek(int64(len(p)), io.SeekCurrent)
	return len(p), err
}

// converse goes through the exchanges. Nothing is typed before its prompt is
// there: a key during the loader's menu would stop the boot.
func (a *appliance) converse(ctx context.Context, t *testing.T, exchanges []exchange) {
	t.Helper()
	for _, e := range exchanges {
		a.awaitConsole(ctx, t, regexp.QuoteMeta(e.prompt))
		if err := a.vm.Console.Send(e.typed + "\n"); err != nil {
			t.Fatal(err)
		}
		if e.reply != "" {
			a.awaitConsole(ctx, t, regexp.QuoteMeta(e.reply))
		}
	}
}

func (a *appliance) awaitConsole(ctx context.Context, t *testing.T, pattern string) {
	t.Helper()
	if _, err := a.vm.Console.Expect(ctx, regexp.MustCompile(pattern), consoleLimit); err != nil {
		t.Fatal(err)
	}
}

// logIn looks at the banner, which an empty line shows again, then logs in after
// a wrong password and a wrong name.
func (a *appliance) logIn(ctx context.Context, t *testing.T, host, changes string) {
	t.Helper()
	a.converse(ctx, t, []exchange{{"login: ", "", ""}})
	a.awaitConsole(ctx, t, `(?s)Sluice \S+ on `+host+`\r\n.*`+changes)
	a.converse(ctx, t, []exchange{
		{"login: ", "admin", ""},
		{"password: ", "Horse staple 42", "Name or password is wrong."},
		{"login: ", "root", ""},
		{"password: ", ownPassword, "Name or password is wrong."},
		{"login: ", "admin", ""},
		{"password: ", ownPassword, `"help" lists the commands`},
	})
}

// wantOwn checks that the owner's configuration is in force: MySQL is balanced
// over both servers through the owner's VIP, and the factory's is gone.
func (a *appliance) wantOwn(ctx context.Context, t *testing.T) {
	t.Helper()
	a.wantBalanced(ctx, t, ownVIP)
	a.wantSilence(ctx, t, VIP)
}

// wantFactory is the opposite of wantOwn.
func (a *appliance) wantFactory(ctx context.Context, t *testing.T) {
	t.Helper()
	a.wantBalanced(ctx, t, VIP)
	a.wantSilence(ctx, t, ownVIP)
}

// wantBalanced opens connections through vip; each server gets half of them.
func (a *appliance) wantBalanced(ctx context.Context, t *testing.T, vip netip.Addr) {
	t.Helper()
	ask, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if _, err := a.client.AskARP(ask, hostLink, vip, 50*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	a.db = openMySQL(t, a.client, netip.AddrPortFrom(vip, 3306).String())
	conns := a.open(ctx, t, 10)
	if diff := cmp.Diff(map[string]int{"s1": 5, "s2": 5}, count(conns)); diff != "" {
		t.Errorf("10 held connections through %s (-want +got):\n%s", vip, diff)
	}
	for _, h := range conns {
		if err := h.conn.Close(); err != nil {
			t.Errorf("close a connection through %s: %v", vip, err)
		}
	}
}

// wantSilence checks that nobody on the wire says that it has addr.
func (a *appliance) wantSilence(ctx context.Context, t *testing.T, addr netip.Addr) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	mac, err := a.client.AskARP(ctx, hostLink, addr, 50*time.Millisecond)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("AskARP(%s) = %v, %v, want nobody's answer", addr, mac, err)
	}
}
