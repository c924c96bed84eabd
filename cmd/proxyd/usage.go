package main

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"

	"github.com/sluice-lb/sluice/pkg/config"
	"golang.org/x/sys/unix"
)

func printUsage(w io.Writer) {
	fmt.Fprint(w, `Usage : proxyd [-f <cfgfile|cfgdir>]* [ -vdVD ] [ -n <maxconn> ] [ -N <maxpconn> ]
        [ -p <pidfile> ] [ -m <max megs> ] [ -C <dir> ] [-- <cfgfile>*]
`)
	for _, row := range argumentRows {
		name := strings.TrimSpace(row.name + row.tail + " " + row.arg)
		fmt.Fprintf(w, "        %s %s\n", name, row.help)
	}
	fmt.Fprintln(w)
}

// printMemoryHelp answers -dMhelp.
func printMemoryHelp(w io.Writer) {
	fmt.Fprintln(w, "-dM changes nothing here: memory is the Go runtime's. These words are accepted :")
	fmt.Fprintln(w, "   ", strings.Join(memoryOptions, ", "))
}

// languageLine tells who this is and which HAProxy it stands in for. Programs look
// for "HAProxy version" and a number behind it.
func languageLine() string {
	return fmt.Sprintf("Sluice proxyd version %s - HAProxy version %s language and command line", version, config.CompatVersion)
}

func printVersion(w io.Writer, long bool) {
	fmt.Fprintln(w, languageLine())
	fmt.Fprintf(w, "Running on: %s\n", system())
	if !long {
		return
	}
	fmt.Fprintf(w, "Build options :\n  TARGET  = %s-%s\n  CC      = %s\n\n", runtime.GOOS, runtime.GOARCH, runtime.Version())
	fmt.Fprintf(w, "Feature list : %s\n\n", featureList())
	fmt.Fprintf(w, "Default settings :\n  bufsize = 32768, maxrewrite = 0, maxpollevents = 256\n\n")
	fmt.Fprintf(w, "Built with multi-threading support (MAX_TGROUPS=1, MAX_THREADS=64, default=%d).\n", runtime.NumCPU())
	fmt.Fprint(w, `Built without TLS, Lua, compression and namespaces.
Built with transparent forwarding by splice.

Available polling systems :
      epoll : pref=300,  test result OK
Total: 1 (1 usable), will use epoll.

Available multiplexer protocols :
(protocols marked as <default> cannot be specified using 'proto' keyword)
  <default> : mode=TCP   side=FE|BE  mux=PASS  flags=

Available services : none

Available filters :
	none

`)
}

// system describes the kernel as uname(1) does.
func system() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return runtime.GOOS + " " + runtime.GOARCH
	}
	words := make([]string, 0, 4)
	for _, field := range [][]byte{u.Sysname[:], u.Release[:], u.Version[:], u.Machine[:]} {
		words = append(words, unix.ByteSliceToString(field))
	}
	return strings.Join(words, " ")
}

// featureNames are HAProxy's build options.
var featureNames = strings.Fields(`51DEGREES ACCEPT4 BACKTRACE CLOSEFROM CPU_AFFINITY CRYPT_H DEVICEATLAS DL ENGINE EPOLL EVPORTS
	GETADDRINFO KQUEUE LIBATOMIC LIBCRYPT LINUX_CAP LINUX_SPLICE LINUX_TPROXY LUA MATH MEMORY_PROFILING NETFILTER NS
	OBSOLETE_LINKER OPENSSL OPENSSL_AWSLC OPENSSL_WOLFSSL OT PCRE PCRE2 PCRE2_JIT PCRE_JIT POLL PRCTL PROCCTL PROMEX
	PTHREAD_EMULATION QUIC QUIC_OPENSSL_COMPAT RT SHM_OPEN SLZ SSL STATIC_PCRE STATIC_PCRE2 SYSTEMD TFO THREAD THREAD_DUMP
	TPROXY WURFL ZLIB`)

// featureList marks what the predicate feature() finds with "+".
func featureList() string {
	have := config.Features()
	names := slices.Concat(featureNames, have)
	slices.Sort(names)
	names = slices.Compact(names)
	for i, name := range names {
		sign := "-"
		if slices.Contains(have, name) {
			sign = "+"
		}
		names[i] = sign + name
	}
	return strings.Join(names, " ")
}
