package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"time"

	"github.com/sluice-lb/sluice/pkg/supervisor"
)

func main() {
	if supervisor.IsTrampoline(os.Args) {
		os.Exit(supervisor.ExecUnit(os.Args))
	}
	if os.Getpid() == 1 {
		defer rescue()
	}
	err := run(context.Background(), os.Args, os.Stdin, os.Stdout, os.Stderr)
	if os.Getpid() == 1 {
		panic(fmt.Sprintf("init ends: %v", err))
	}
	fmt.Fprintln(os.Stderr, "init:", err)
	os.Exit(1)
}

// rescue turns a panic of process 1 into a reboot: the kernel would only hang
// where panic= is not set.
func rescue() {
	r := recover()
	if r == nil {
		return
	}
	fmt.Fprintf(os.Stderr, "init: panic: %v\n%s", r, debug.Stack())
	time.Sleep(panicPause) // for whoever reads the console
	_ = finish(actionReboot)
}

// panicPause is how long the reason of a panic stays on the console.
const panicPause = 3 * time.Second

// guarded runs f in a goroutine whose panic reboots the machine.
func guarded(f func()) {
	go func() {
		defer rescue()
		f()
	}()
}

// run boots the machine and serves until it goes down. It only returns when
// that failed.
func run(ctx context.Context, args []string, _ io.Reader, _, stderr io.Writer) error {
	set := flag.NewFlagSet("init", flag.ContinueOnError)
	set.SetOutput(stderr)
	cmdline := set.String("cmdline", "", "use these words instead of the kernel's command line")
	if err := set.Parse(kernelArgs(args[1:])); err != nil {
		return err
	}
	if os.Getpid() != 1 {
		return errors.New("must run as process 1")
	}
	m := newMachine(*cmdline, stderr)
	m.boot(ctx)
	return m.serve(ctx)
}

// kernelArgs drops the words that the kernel did not understand and passed on.
func kernelArgs(args []string) []string {
	if len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' {
		return args
	}
	return nil
}
