package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/sluice-lb/sluice/qemu"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "run:", err)
		os.Exit(1)
	}
}

// options are the command's flags.
type options struct {
	build    string
	port     int
	web      int
	firmware string
	memory   int
}

// bootLimit is how long the VIP may take to answer before the terminal says so.
const bootLimit = 5 * time.Minute

// offLimit is how long the machine may take to switch itself off. A machine that
// still boots hears the power button once its driver is there, so the button is
// pressed again after each pressPause.
const (
	offLimit   = 30 * time.Second
	pressPause = 3 * time.Second
)

// run builds the lab, serves the terminal until the machine is off or ctx ends,
// and takes everything down again.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) (err error) {
	var opt options
	flags := flag.NewFlagSet("run", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&opt.build, "build", "build", "`directory` with the built image")
	flags.IntVar(&opt.port, "port", 3306, "`port` of 127.0.0.1 for the VIP; another one when it is taken")
	flags.IntVar(&opt.web, "web", 4444, "`port` of 127.0.0.1 for the web pages; another one when it is taken")
	flags.StringVar(&opt.firmware, "firmware", string(qemu.BIOS), "what the machine boots with, bios or uefi")
	flags.IntVar(&opt.memory, "memory", 256, "memory of the machine in `MiB`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	disk := filepath.Join(opt.build, "sluice.raw")
	if _, err := os.Stat(disk); err != nil {
		return fmt.Errorf("find the disk image (make image builds it): %w", err)
	}
	lab, err := qemu.NewLab()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lab.Close()) }()
	say := func(format string, args ...any) { fmt.Fprintf(stdout, "\r*** "+format+"\r\n", args...) }
	return serve(ctx, lab, opt, disk, stdin, stdout, say)
}

// serve is run inside a lab. say prints a line of ours on the terminal, whatever
// mode that is in.
func serve(ctx context.Context, lab *qemu.Lab, opt options, disk string, stdin io.Reader, stdout io.Writer, say func(string, ...any)) error {
	engine, err := lab.OpenEngine(ctx, opt.build)
	if err != nil {
		return err
	}
	say("containers: %s", engine.About)
	if err := engine.EnsureMariaDB(ctx, opt.build, func(step string) { say("containers: %s", step) }); err != nil {
		return err
	}
	servers, err := lab.StartServers(ctx, engine)
	if err != nil {
		return err
	}
	for _, s := range servers {
		say("server: %s at %s:3306", s.Name, s.Addr)
	}
	client, err := lab.AddClient()
	if err != nil {
		return err
	}
	accel := qemu.PickAccelerator()
	say("appliance: booting %s with %s, %d MiB, %s (%s)", disk, opt.firmware, opt.memory, accel.Name, accel.Reason)
	say("keys: ctrl-a x switches the machine off, twice at once; ctrl-a ctrl-a is ctrl-a")
	// Quitting must not cost the image its factory state: writes go to a snapshot.
	vm, err := lab.Boot(qemu.Config{Name: "sluice", Firmware: qemu.Firmware(opt.firmware), MemoryMB: opt.memory,
		Disk: disk, Snapshot: true, Log: stdout})
	if err != nil {
		return err
	}
	restore, err := rawTerminal(stdin)
	if err != nil {
		return err
	}
	defer restore()

	target := qemu.VIP.String() + ":3306"
	vip, err := forward(ctx, lab, client, opt.port, target)
	if err != nil {
		return fmt.Errorf("listen for clients of the VIP: %w", err)
	}
	web, err := forward(ctx, lab, client, opt.web, qemu.ApplianceAddr.String()+":4444")
	if err != nil {
		return fmt.Errorf("listen for browsers: %w", err)
	}
	ready := make(chan error, 1)
	go func() { // ends with the first answer, with ctx, or after bootLimit
		ctx, cancel := context.WithTimeout(ctx, bootLimit)
		defer cancel()
		ready <- qemu.AwaitGreeting(ctx, client.DialContext, target)
	}()
	announce := func(err error) { announce(err, vip, web, say) }
	return attend(ctx, vm, keys(stdin, vm.Console), ready, announce, say)
}

// forward makes target, as client reaches it, available on 127.0.0.1 at port or
// another one, and returns the address. It ends with the lab.
func forward(ctx context.Context, lab *qemu.Lab, client *qemu.Netns, port int, target string) (string, error) {
	l, err := qemu.ListenLoopback(ctx, port)
	if err != nil {
		return "", err
	}
	lab.Defer(qemu.Forward(l, client.DialContext, target))
	return l.Addr().String(), nil
}

// attend waits for the end: the machine is off, somebody asked for it, or ctx.
func attend(ctx context.Context, vm *qemu.VM, actions <-chan action, ready <-chan error, announce func(error), say func(string, ...any)) error {
	asked := false
	var deadline, again <-chan time.Time
	for {
		select {
		case err := <-ready:
			announce(err)
		case act := <-actions:
			switch {
			case act == help:
				say("keys: ctrl-a x switches the machine off, twice at once; ctrl-a ctrl-a is ctrl-a")
			case asked:
				say("pulling the plug")
				return nil
			default:
				asked = true
				deadline = time.After(offLimit)
				say("pressing the power button")
				if err := vm.PressPowerButton(); err != nil {
					return err
				}
				press := time.NewTicker(pressPause)
				defer press.Stop()
				again = press.C
			}
		case <-again:
			_ = vm.PressPowerButton() // the first press showed that it can be; it may be off by now
		case <-deadline:
			say("the machine still runs after %s: pulling the plug", offLimit)
			return nil
		case <-vm.Done():
			say("the machine is off")
			return vm.WaitOff(ctx, time.Second)
		case <-ctx.Done():
			say("%v: taking the lab down", context.Cause(ctx))
			return nil
		}
	}
}

// announce tells how to reach the VIP and the pages, or that it does not answer.
func announce(err error, addr, web string, say func(string, ...any)) {
	if err != nil {
		say("the VIP does not answer: %v", err)
		return
	}
	host, port, _ := net.SplitHostPort(addr)
	say("the VIP answers; from another terminal on this machine:")
	say("    mysql -h %s -P %s -u %s -p%s -e 'select @@hostname'", host, port, qemu.MariaDBUser, qemu.MariaDBPassword)
	say("web pages, once the console has your password: https://%s", web)
}

// keys copies what is typed to the console and returns what is asked of the lab.
// Its goroutine ends with the terminal's input or with the process.
func keys(stdin io.Reader, console *qemu.Console) <-chan action {
	actions := make(chan action)
	go func() {
		var k keyboard
		buf := make([]byte, 256)
		for {
			n, err := stdin.Read(buf)
			for _, b := range buf[:n] {
				out, act := k.press(b)
				if act != nothing {
					actions <- act
				}
				if len(out) > 0 && console.Send(string(out)) != nil {
					return // the machine is off
				}
			}
			if err != nil {
				return
			}
		}
	}()
	return actions
}

// rawTerminal hands every key to us when stdin is a terminal.
func rawTerminal(stdin io.Reader) (restore func(), err error) {
	f, ok := stdin.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return func() {}, nil
	}
	old, err := term.MakeRaw(int(f.Fd()))
	if err != nil {
		return nil, fmt.Errorf("switch the terminal to raw mode: %w", err)
	}
	return func() { _ = term.Restore(int(f.Fd()), old) }, nil
}
