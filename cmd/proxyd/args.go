package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// arguments are haproxy(1)'s command line (management guide, section 3).
type arguments struct {
	files        []string
	help         bool
	version      int // 1: -v, 2: -vv
	check        bool
	condition    *string // -cc
	quiet        bool
	verbose      bool // -V: revokes -q
	daemon       bool
	foreground   bool   // -db, -d
	master       bool   // -W, -Ws
	socket       string // -S, with its bind options
	takeover     string // -x
	pidfile      string
	chdir        string
	maxconn      int // -n; 0: the configuration's
	proxyMaxconn int // -N; 0: that of global
	peer         string
	finish       []int // -sf: these processes end softly once we listen
	terminate    []int // -st: these end at once

	diagnose    bool // -dD
	zeroWarning bool // -dW
	lines       *lineDump
	classes     []string // -dK
	objects     bool     // -dL
	memoryHelp  bool     // -dMhelp
}

// silent reports whether nothing is to be said.
func (a *arguments) silent() bool { return a.quiet && !a.verbose }

// argument is one row of the command line. A word selects the row with the longest
// name that it begins with: HAProxy looks no further than that, so "-Wx" is "-W".
// tail is what the word has behind the name; value, the next word, is only taken
// by rows with an arg.
type argument struct {
	name, arg string
	tail      string // how help shows what may follow the name directly
	help      string
	set       func(a *arguments, tail, value string) error
}

// flag makes a setter of a row without value.
func flag(set func(a *arguments)) func(*arguments, string, string) error {
	return func(a *arguments, _, _ string) error { set(a); return nil }
}

// ignored accepts a row that changes nothing here; its help says why.
var ignored = flag(func(*arguments) {})

// argumentRows is the command line in the order of help; "-sf" and "-st" take all
// words up to the next option.
var argumentRows = []argument{
	{"-f", "<cfgfile|cfgdir>", "", "reads a file, or the *.cfg files of a directory; may be repeated",
		func(a *arguments, _, v string) error { a.files = append(a.files, v); return nil }},
	{"-vv", "", "", "displays the version and what is built in", flag(func(a *arguments) { a.version = 2 })},
	{"-v", "", "", "displays the version", flag(func(a *arguments) { a.version = 1 })},
	{"-h", "", "", "displays this help", flag(func(a *arguments) { a.help = true })},
	{"-cc", "<condition>", "", "evaluates a condition: exit code 0 true, 1 false, 2 faulty",
		func(a *arguments, _, v string) error { a.condition = &v; return nil }},
	{"-c", "", "", "checks the files: exit code 0 valid, 1 not, 2 valid without a listener", flag(func(a *arguments) { a.check = true })},
	{"-V", "", "", "says more, and revokes -q", flag(func(a *arguments) { a.verbose = true })},
	{"-q", "", "", "says nothing: the exit code tells", flag(func(a *arguments) { a.quiet = true })},
	{"-D", "", "", "goes to the background once it serves", flag(func(a *arguments) { a.daemon = true })},
	{"-Ws", "", "", "accepted: readiness is told to the service manager anyway", flag(func(a *arguments) { a.master = true })},
	{"-W", "", "", "accepted: reloads need no master process here", flag(func(a *arguments) { a.master = true })},
	{"-db", "", "", "stays in the foreground, whatever the files say", flag(func(a *arguments) { a.foreground = true })},
	{"-C", "<dir>", "", "changes to <dir> before files are read", func(a *arguments, _, v string) error { a.chdir = v; return nil }},
	{"-L", "<name>", "", "name of this process among peers (default: the host name)", func(a *arguments, _, v string) error { a.peer = v; return nil }},
	{"-p", "<pidfile>", "", "writes the process id to <pidfile>", func(a *arguments, _, v string) error { a.pidfile = v; return nil }},
	{"-n", "<maxconn>", "", "limit of concurrent connections, before that of global",
		func(a *arguments, _, v string) error { a.maxconn = number(v); return nil }},
	{"-N", "<maxpconn>", "", "limit of each frontend that sets none",
		func(a *arguments, _, v string) error { a.proxyMaxconn = number(v); return nil }},
	{"-m", "<max megs>", "", "accepted: memory is limited by the unit (MemoryMax=)", func(*arguments, string, string) error { return nil }},
	{"-S", "<path>", "", "control socket of level admin; options of \"stats socket\" may follow after commas",
		func(a *arguments, _, v string) error { a.socket = v; return nil }},
	{"-x", "<unix_socket>", "", "takes the listening sockets over from the process with this \"stats socket ... expose-fd listeners\"",
		func(a *arguments, _, v string) error { a.takeover = v; return nil }},
	{"-sf", "[pid ]*", "", "tells these processes to finish, once it serves (SIGUSR1)", nil},
	{"-st", "[pid ]*", "", "tells these processes to stop, once it serves (SIGTERM)", nil},
	{"-dC", "", "[[key],line]", "displays the lines as they are read; a key other than 0 hides names and addresses", setLines},
	{"-dD", "", "", "passes on .diag messages; with -c also displays what is in force", flag(func(a *arguments) { a.diagnose = true })},
	{"-dK", "", "<class[,class]*>", "displays the keywords that are supported (help: the classes)",
		func(a *arguments, tail, _ string) error { a.classes = strings.Split(tail, ","); return nil }},
	{"-dL", "", "", "displays the loaded object files", flag(func(a *arguments) { a.objects = true })},
	{"-dW", "", "", "takes a warning for an error", flag(func(a *arguments) { a.zeroWarning = true })},
	{"-dM", "", "[<byte>][,<option>]*", "accepted: memory is the Go runtime's", setMemory},
	{"-dr", "", "", "accepted: a server without an address waits for one anyway", ignored},
	{"-dt", "", "[<trace>]*", "accepted: there are no traces", ignored},
	{"-de", "", "", "accepted: epoll is the only poller", ignored},
	{"-dp", "", "", "accepted: poll is not used", ignored},
	{"-dS", "", "", "accepted: data goes by splice where the kernel can", ignored},
	{"-dG", "", "", "accepted: names are looked up without getaddrinfo", ignored},
	{"-dR", "", "", "accepted: several loops need SO_REUSEPORT", ignored},
	{"-dI", "", "", "accepted: no line starts a program", ignored},
	{"-dV", "", "", "accepted: no server is asked for a certificate", ignored},
	{"-dF", "", "", "accepted: there is no other way than forwarding at once", ignored},
	{"-dZ", "", "", "accepted: data is not copied where the kernel can", ignored},
	{"-d", "", "", "stays in the foreground; there is no debug mode", flag(func(a *arguments) { a.foreground = true })},
}

// number reads a number as atol does; what is no number is 0.
func number(v string) int {
	v = strings.TrimLeft(v, " \t+")
	end := 0
	for end < len(v) && v[end] >= '0' && v[end] <= '9' {
		end++
	}
	n, _ := strconv.ParseInt(v[:end], 10, 32) // a limit beyond 2^31 is none
	return int(n)
}

// errUsage asks for the help page after words that are no option.
var errUsage = errors.New("unknown option")

// parseArgs reads the command line; what follows "--" are configuration files.
func parseArgs(args []string) (*arguments, error) {
	a := &arguments{}
	for i := 0; i < len(args); i++ {
		word := args[i]
		if word == "--" {
			a.files = append(a.files, args[i+1:]...)
			return a, nil
		}
		row := findArgument(word)
		if row == nil {
			return a, errUsage
		}
		if row.set == nil {
			n, err := a.pids(row.name, args[i+1:])
			if err != nil {
				return a, err
			}
			i += n
			continue
		}
		value := ""
		if row.arg != "" {
			if i++; i == len(args) && row.name == "-cc" {
				return a, errUsage
			}
			if i == len(args) {
				return a, fmt.Errorf("%s option: %s is missing", row.name, row.arg)
			}
			value = args[i]
		}
		if err := row.set(a, word[len(row.name):], value); err != nil {
			return a, err
		}
		if a.version > 0 || a.help || a.condition != nil || a.memoryHelp {
			return a, nil
		}
	}
	return a, nil
}

func findArgument(word string) *argument {
	var best *argument
	for i := range argumentRows {
		row := &argumentRows[i]
		if strings.HasPrefix(word, row.name) && (best == nil || len(row.name) > len(best.name)) {
			best = row
		}
	}
	return best
}

// pids takes the process ids after -sf or -st; there may be none, as in
// "-sf $(cat pidfile)" at the first start.
func (a *arguments) pids(name string, rest []string) (taken int, err error) {
	list := &a.finish
	if name == "-st" {
		list = &a.terminate
	}
	for _, word := range rest {
		if strings.HasPrefix(word, "-") {
			break
		}
		for _, field := range strings.Fields(word) {
			pid, err := strconv.Atoi(field)
			if err != nil || pid <= 0 {
				return 0, fmt.Errorf("%s option: some bytes unconsumed in PID list {%s}", name, strings.TrimLeft(field, "0123456789"))
			}
			*list = append(*list, pid)
		}
		taken++
	}
	return taken, nil
}

// memoryOptions are the words of -dM, each also with "no-" or its opposite.
var memoryOptions = strings.Fields("fail no-fail no-merge merge cold-first hot-first integrity no-integrity no-global global " +
	"no-cache cache caller no-caller tag no-tag poison no-poison uaf no-uaf")

func setMemory(a *arguments, tail, _ string) error {
	for i, word := range strings.Split(tail, ",") {
		_, err := strconv.ParseUint(word, 0, 8)
		known := word == "" || i == 0 && err == nil
		for _, option := range memoryOptions {
			known = known || word == option
		}
		if word == "help" {
			a.memoryHelp = true
			return nil
		}
		if !known {
			return fmt.Errorf("-dM: unknown pool debugging feature <%s>", word)
		}
	}
	return nil
}
