package supervisor

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// helpers are the programs that the tests' units run: the test binary itself,
// called as "<binary> helper <name> <args>".
var helpers = map[string]func(args []string) error{
	"wait":     helperWait,
	"exit":     func(args []string) error { n, _ := strconv.Atoi(args[0]); os.Exit(n); return nil },
	"notify":   helperNotify,
	"listen":   helperListen,
	"watchdog": helperWatchdog,
	"stubborn": helperStubborn,
	"orphan":   helperOrphan,
	"linger":   func([]string) error { _, err := os.Stdin.Read(make([]byte, 1)); return err },
	"env":      func(args []string) error { fmt.Println(args[0] + "=" + os.Getenv(args[0])); return nil },
	"log":      helperLog,
	"reload":   helperReload,
	"fds":      helperFDs,
}

func runHelper(args []string) {
	f := helpers[args[0]]
	if f == nil {
		fmt.Fprintf(os.Stderr, "no helper %q\n", args[0])
		os.Exit(99)
	}
	if err := f(args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(98)
	}
	os.Exit(0)
}

func untilTerm() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGTERM)
	<-c
}

func helperWait(args []string) error {
	fmt.Println("up", strings.Join(args, " "))
	untilTerm()
	return nil
}

// helperNotify waits until somebody opens the FIFO args[0] for writing, then is
// ready.
func helperNotify(args []string) error {
	if _, err := os.ReadFile(args[0]); err != nil {
		return err
	}
	if _, err := daemon.SdNotify(false, daemon.SdNotifyReady+"\nSTATUS=all fine"); err != nil {
		return err
	}
	untilTerm()
	return nil
}

// helperListen serves on the stored socket, or makes and stores one and writes
// its address to args[0]. A client that sends "crash" gets what it asks for; any
// other is answered with the process id and whether the socket was inherited.
func helperListen(args []string) error {
	listeners, err := activation.ListenersWithNames()
	if err != nil {
		return err
	}
	var l net.Listener
	inherited := len(listeners["front"]) == 1
	if inherited {
		l = listeners["front"][0]
	} else {
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return err
		}
		f, err := l.(*net.TCPListener).File()
		if err != nil {
			return err
		}
		if err := sendFDs("FDSTORE=1\nFDNAME=front", int(f.Fd())); err != nil {
			return err
		}
		if err := os.WriteFile(args[0], []byte(l.Addr().String()), 0o644); err != nil {
			return err
		}
	}
	if _, err := daemon.SdNotify(false, daemon.SdNotifyReady); err != nil {
		return err
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		line, _ := bufio.NewReader(c).ReadString('\n')
		if line == "crash\n" {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
		fmt.Fprintf(c, "%d %v\n", os.Getpid(), inherited)
		_ = c.Close()
	}
}

// sendFDs sends a notify message with descriptors. net's WriteMsgUnix refuses
// connected datagram sockets, so this is the plain system call.
func sendFDs(text string, fds ...int) error {
	s, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	return unix.Sendmsg(s, []byte(text), unix.UnixRights(fds...), &unix.SockaddrUnix{Name: os.Getenv("NOTIFY_SOCKET")}, 0)
}

// helperWatchdog pings as often as told and then falls silent.
func helperWatchdog(args []string) error {
	pings, _ := strconv.Atoi(args[0])
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil || every == 0 {
		return fmt.Errorf("watchdog is not enabled: %v", err)
	}
	if _, err := daemon.SdNotify(false, daemon.SdNotifyReady); err != nil {
		return err
	}
	for range pings {
		<-time.After(every / 8)
		if _, err := daemon.SdNotify(false, daemon.SdNotifyWatchdog); err != nil {
			return err
		}
		fmt.Println("ping")
	}
	return block()
}

func helperStubborn([]string) error {
	signal.Ignore(syscall.SIGTERM)
	if _, err := daemon.SdNotify(false, daemon.SdNotifyReady); err != nil {
		return err
	}
	return block()
}

// helperOrphan leaves a child in a session of its own behind; the child ends
// when the test closes the FIFO args[0].
func helperOrphan(args []string) error {
	f, err := os.Open(args[0])
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	p, err := os.StartProcess(self, []string{self, "helper", "linger"},
		&os.ProcAttr{Files: []*os.File{f, os.Stdout, os.Stderr}, Sys: &syscall.SysProcAttr{Setsid: true}})
	if err != nil {
		return err
	}
	fmt.Println("orphan", p.Pid)
	return nil
}

// helperLog writes to the syslog socket args[0] and to both outputs.
func helperLog(args []string) error {
	c, err := net.Dial("unixgram", args[0])
	if err != nil {
		return err
	}
	if _, err := c.Write([]byte("<27>Jan  2 03:04:05 helper[1]: by syslog")); err != nil {
		return err
	}
	fmt.Println("by stdout")
	fmt.Fprint(os.Stderr, "by stderr without newline\n")
	untilTerm()
	return nil
}

// helperReload says READY=1 again after each SIGHUP.
func helperReload([]string) error {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGHUP, syscall.SIGTERM)
	_, _ = daemon.SdNotify(false, daemon.SdNotifyReady)
	for sig := range c {
		if sig == syscall.SIGTERM {
			return nil
		}
		_, _ = daemon.SdNotify(false, daemon.SdNotifyReloading+"\n"+daemon.SdNotifyMonotonicUsec())
		_, _ = daemon.SdNotify(false, daemon.SdNotifyReady+"\nSTATUS=reloaded")
	}
	return nil
}

// helperFDs stores pipes beyond the limit, a duplicate and one whose other end
// it closes, removes one name, and passes a barrier.
func helperFDs([]string) error {
	pipe := func() [2]int {
		var p [2]int
		if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
			panic(err)
		}
		return p
	}
	a, b, c, d := pipe(), pipe(), pipe(), pipe()
	for _, m := range []struct {
		text string
		fds  []int
	}{
		{"FDSTORE=1\nFDNAME=a", []int{a[1]}},
		{"FDSTORE=1\nFDNAME=again", []int{a[1]}},    // duplicate: dropped
		{"FDSTORE=1\nFDNAME=bad:name", []int{b[1]}}, // becomes "stored"
		{"FDSTORE=1\nFDNAME=gone", []int{c[1]}},     // hangs up below
		{"FDSTORE=1\nFDNAME=over", []int{d[1]}},     // above the limit of 3
		{"FDSTOREREMOVE=1\nFDNAME=a", nil},
		{"FDSTORE=1\nFDNAME=late\nFDPOLL=0", []int{d[1]}},
	} {
		if err := sendFDs(m.text, m.fds...); err != nil {
			return err
		}
	}
	r := pipe()
	if err := sendFDs("BARRIER=1", r[1]); err != nil {
		return err
	}
	_ = unix.Close(r[1])
	if n, err := unix.Read(r[0], make([]byte, 1)); n != 0 || err != nil {
		return fmt.Errorf("barrier: %d, %v", n, err)
	}
	fmt.Println("barrier passed")
	if _, err := daemon.SdNotify(false, daemon.SdNotifyReady); err != nil {
		return err
	}
	_ = unix.Close(c[0]) // reader gone: EPOLLERR on the stored write end
	untilTerm()
	return nil
}

// block never returns. A bare select would be taken for a deadlock where no other
// goroutine runs.
func block() error {
	for {
		<-time.After(time.Hour)
	}
}
