package qemu

import (
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestVirtualizationFlag(t *testing.T) {
	tests := []struct{ name, cpuinfo, want string }{
		{"intel", "processor\t: 0\nflags\t\t: fpu vmx sse2\n", "vmx"},
		{"amd", "flags\t\t: fpu svm\n", "svm"},
		{"neither", "flags\t\t: fpu sse2\n", ""},
		{"only vmx flags line", "vmx flags\t: vnmi\nflags\t\t: fpu\n", ""},
		{"part of a word", "flags\t\t: svm_lock xvmx\n", ""},
		{"model name", "model name\t: svm 9000\n", ""},
	}
	for _, tt := range tests {
		if got := virtualizationFlag(tt.cpuinfo); got != tt.want {
			t.Errorf("%s: virtualizationFlag() = %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestARPPackets(t *testing.T) {
	mac := net.HardwareAddr{2, 0, 0, 0, 0, 1}
	request := encodeARPRequest(mac, netip.MustParseAddr("198.18.0.100"), netip.MustParseAddr("198.18.0.10"))
	const want = "0001080006040001020000000001c6120064000000000000c612000a"
	if got := hex.EncodeToString(request); got != want {
		t.Errorf("encodeARPRequest() = %s, want %s", got, want)
	}
	if _, _, ok := decodeARPReply(request); ok {
		t.Error("decodeARPReply() takes a request for a reply")
	}
	reply, err := hex.DecodeString("0001080006040002525400123456c612000a020000000001c6120064" + "0000")
	if err != nil {
		t.Fatal(err)
	}
	gotMAC, sender, ok := decodeARPReply(reply)
	if !ok || gotMAC.String() != "52:54:00:12:34:56" || sender != netip.MustParseAddr("198.18.0.10") {
		t.Errorf("decodeARPReply() = %s, %s, %t", gotMAC, sender, ok)
	}
	for size := range arpPacket {
		if _, _, ok := decodeARPReply(reply[:size]); ok {
			t.Errorf("decodeARPReply() of %d bytes succeeds", size)
		}
	}
}

func TestSweepRemovesOnlyTheDeadsDirectories(t *testing.T) {
	parent := t.TempDir()
	living, release, err := claimDir(parent)
	if err != nil {
		t.Fatal(err)
	}
	dead := filepath.Join(parent, claimPrefix+"1-dead")
	others := filepath.Join(parent, "precious")
	for _, dir := range []string{dead, others} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "lock"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := sweep(parent); err != nil {
		t.Fatal(err)
	}
	names := func() (out []string) {
		entries, err := os.ReadDir(parent)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			out = append(out, e.Name())
		}
		return out
	}
	want := []string{"precious", filepath.Base(living)}
	if diff := cmp.Diff(want, names()); diff != "" {
		t.Errorf("after sweep() (-want +got):\n%s", diff)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"precious"}, names()); diff != "" {
		t.Errorf("after release() (-want +got):\n%s", diff)
	}
}

func TestTryLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, err := tryLock(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tryLock(path); !errors.Is(err, errLocked) {
		t.Errorf("second tryLock() = %v, want errLocked", err)
	}
	_ = first.Close()
	again, err := tryLock(path)
	if err != nil {
		t.Fatalf("tryLock() after the owner's end = %v", err)
	}
	_ = again.Close()
}

func TestMountsBelow(t *testing.T) {
	const mountinfo = "20 1 254:0 / / rw - ext4 /dev/vda rw\n" +
		"30 20 0:5 / /tmp/lab/exec rw - tmpfs tmpfs rw\n" +
		"31 30 0:4 net:[1] /tmp/lab/exec/netns/a rw - nsfs nsfs rw\n" +
		"32 20 0:6 / /tmp/labour rw - tmpfs tmpfs rw\n"
	want := []string{"/tmp/lab/exec/netns/a", "/tmp/lab/exec"}
	if diff := cmp.Diff(want, mountsBelow(mountinfo, "/tmp/lab")); diff != "" {
		t.Errorf("mountsBelow() (-want +got):\n%s", diff)
	}
}

func TestForward(t *testing.T) {
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	go func() { // answers after the end of the question; ends with the listener
		conn, err := server.Accept()
		if err != nil {
			return
		}
		question, _ := io.ReadAll(conn)
		_, _ = io.WriteString(conn, "you said "+string(question))
		_ = conn.Close()
	}()
	l, err := ListenLoopback(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	stop := Forward(l, (&net.Dialer{}).DialContext, server.Addr().String())
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(conn, "hello")
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(conn)
	if want := "you said hello"; err != nil || string(got) != want {
		t.Errorf("answer %q, %v, want %q", got, err, want)
	}
	_ = conn.Close()

	idle, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := stop(); err != nil {
		t.Errorf("stop() = %v", err)
	}
	if _, err := idle.Read(make([]byte, 1)); err == nil {
		t.Error("a connection lives on after stop()")
	}
	_ = idle.Close()
}

func TestListenLoopbackTakesAnotherPort(t *testing.T) {
	first, err := ListenLoopback(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	second, err := ListenLoopback(t.Context(), first.Addr().(*net.TCPAddr).Port)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if first.Addr().String() == second.Addr().String() {
		t.Errorf("two listeners at %s", first.Addr())
	}
}
