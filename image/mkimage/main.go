// Command mkimage builds the appliance's kernel, initramfs and disk.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/sluice-lb/sluice/image"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mkimage:", err)
		os.Exit(1)
	}
}

// run builds what the arguments ask for and prints a line per step to stdout.
func run(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("mkimage", flag.ContinueOnError)
	flags.SetOutput(stderr)
	opts := image.Options{Progress: stdout}
	site := ""
	flags.StringVar(&opts.Out, "out", "", "`directory` for the outputs (default: build below the module's root)")
	flags.StringVar(&opts.Source, "source", "", "a `directory` of the module (default: the working directory)")
	flags.StringVar(&site, "site", "", "lay the files of `directory` over the root file system")
	flags.StringVar(&opts.Cmdline, "cmdline", "", "`words` to add to the kernel's command line")
	flags.StringVar(&opts.Version, "version", "", "`version` of the image (default: from git describe)")
	flags.StringVar(&opts.Suite, "suite", "trixie", "Debian `suite` that the kernel comes from")
	flags.StringVar(&opts.Mirror, "mirror", "", "`URL` of the Debian archive (default: the machine's own)")
	flags.BoolVar(&opts.RefreshKernel, "refresh-kernel", false, "look for a newer kernel even if one is in the cache")
	flags.Int64Var(&opts.DiskSize, "disk-size", image.DefaultDiskSize, "size of the disk in `bytes`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if site != "" {
		if info, err := os.Stat(site); err != nil {
			return fmt.Errorf("site files: %w", err)
		} else if !info.IsDir() {
			return fmt.Errorf("site files: %s is not a directory", site)
		}
		opts.Site = os.DirFS(site)
	}
	_, err := image.Build(ctx, opts)
	return err
}
