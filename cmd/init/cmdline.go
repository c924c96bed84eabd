package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"regexp"
	"strings"

	kernel "github.com/u-root/u-root/pkg/cmdline"
)

// cmdline holds what init takes from the kernel's command line. All sluice.*
// keys are read here:
//
//	sluice.syslog=host:port   send every log line there by UDP
//	sluice.watchdog=off       leave hardware watchdogs and kernel.panic alone
//	sluice.modules=off        load no drivers
//	sluice.log=console        print the services' log lines on the console
//	sluice.slot=a|b           the image slot that was booted; init only logs it
//	sluice.disk=<GUID>        the boot partition that was booted; empty if the
//	                          loader could not tell
//	sluice.console=open       the console asks for no login; read by sluice
type cmdline struct {
	syslog     string
	noWatchdog bool
	noModules  bool
	logConsole bool
	slot       string
	disk       string // GUID of the boot partition
	// params returns the options of a kernel module, from words like
	// "virtio_net.napi_tx=0".
	params func(module string) string
}

// readCmdline parses the kernel's command line, or the replacement given to
// init.
func (m *machine) readCmdline(context.Context) error {
	m.cmd.params = func(string) string { return "" }
	words := m.words
	if words == "" {
		c := kernel.NewCmdLine()
		if c.Err != nil {
			return fmt.Errorf("read kernel command line: %w", c.Err)
		}
		words = c.Raw
		m.cmd.params = c.FlagsForModule
	}
	return m.cmd.parse(words)
}

// parse takes the sluice.* keys out of words; it reports unknown ones together.
func (c *cmdline) parse(words string) error {
	var bad []string
	for _, word := range strings.Fields(words) {
		key, value, _ := strings.Cut(word, "=")
		if !strings.HasPrefix(key, "sluice.") {
			continue
		}
		switch {
		case word == "sluice.watchdog=off":
			c.noWatchdog = true
		case word == "sluice.modules=off":
			c.noModules = true
		case word == "sluice.log=console":
			c.logConsole = true
		case word == "sluice.console=open":
		case key == "sluice.slot":
			c.slot = value
		case key == "sluice.disk" && (value == "" || validGUID.MatchString(value)):
			c.disk = value
		case key == "sluice.syslog" && validHostPort(value):
			c.syslog = value
		default:
			bad = append(bad, word)
		}
	}
	if len(bad) > 0 {
		return fmt.Errorf("kernel command line: not understood: %s; accepted are sluice.syslog=host:port, "+
			"sluice.watchdog=off, sluice.modules=off, sluice.log=console, sluice.console=open, sluice.slot=<slot>, sluice.disk=<GUID of the boot partition>", strings.Join(bad, " "))
	}
	return nil
}

// validGUID is a GUID as GRUB and Linux print it, in either case.
var validGUID = regexp.MustCompile(`^(?i:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$`)

func validHostPort(s string) bool {
	host, port, err := net.SplitHostPort(s)
	return err == nil && host != "" && port != ""
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// setHostname takes the first word of /etc/hostname.
func (m *machine) setHostname(context.Context) error {
	text, err := os.ReadFile("/etc/hostname")
	if err != nil {
		return fmt.Errorf("read host name: %w", err)
	}
	fields := strings.Fields(string(text))
	if len(fields) == 0 {
		return fmt.Errorf("/etc/hostname is empty")
	}
	return sethostname(fields[0])
}
