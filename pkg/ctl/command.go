package ctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
)

// Level is the right a connection has, as in HAProxy's "stats socket ... level".
type Level int

// The levels, each including the ones before it.
const (
	LevelUser Level = iota
	LevelOperator
	LevelAdmin
)

// ParseLevel reads "user", "operator" or "admin".
func ParseLevel(s string) (Level, error) {
	switch s {
	case "user":
		return LevelUser, nil
	case "operator":
		return LevelOperator, nil
	case "admin":
		return LevelAdmin, nil
	}
	return 0, fmt.Errorf("level %q: accepted are user, operator, admin", s)
}

// String returns the level's keyword.
func (l Level) String() string {
	return [...]string{"user", "operator", "admin"}[l]
}

// Request is one command as the client sent it.
type Request struct {
	Args    []string // words after the command's name
	Payload []byte   // lines after "<<", or nil
}

// Command is one row of a daemon's command table.
type Command struct {
	Name  string // the words that select it, e.g. "show units"
	Args  string // synopsis of its arguments, e.g. "<unit> [<lines>]"
	Help  string // one sentence for help
	Level Level  // least right needed
	// Run writes the answer to w. What it returns as an error is sent to the
	// client as a failure; it may have written part of an answer before. ctx ends
	// when the client goes away or the server stops.
	Run func(ctx context.Context, req *Request, w io.Writer) error
	// Take is in place of Run for a command after which the connection speaks another
	// protocol. It must be the only one of its line; the connection is closed when
	// Take returns.
	Take func(conn *net.UnixConn)
	// Missing says why a command that clients may expect is not served: "not
	// supported by this version yet". Such a row has no Run, the server answers with
	// the reason, and help does not list it.
	Missing string
}

// ErrUsage makes the server answer with the synopsis of the failed command.
// Commands wrap it or return it for wrong arguments.
var ErrUsage = errors.New("wrong arguments")

// find returns the command whose name is the longest prefix of words, and the
// remaining words.
func find(table []Command, words []string) (*Command, []string) {
	var best *Command
	var rest []string
	for i := range table {
		name := strings.Fields(table[i].Name)
		if len(words) < len(name) || !slices.Equal(words[:len(name)], name) {
			continue
		}
		if best == nil || len(words)-len(name) < len(rest) {
			best, rest = &table[i], words[len(name):]
		}
	}
	return best, rest
}

// splitWords splits one command into words; a backslash takes the next byte
// literally, as in HAProxy's runtime API.
func splitWords(s string) []string {
	var words []string
	var cur strings.Builder
	in := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s):
			i++
			cur.WriteByte(s[i])
			in = true
		case c == ' ' || c == '\t':
			if in {
				words = append(words, cur.String())
				cur.Reset()
				in = false
			}
		default:
			cur.WriteByte(c)
			in = true
		}
	}
	if in {
		words = append(words, cur.String())
	}
	return words
}

// splitCommands splits a request line at ";" that are not escaped.
func splitCommands(line string) []string {
	var out []string
	start := 0
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case '\\':
			i++
		case ';':
			out = append(out, line[start:i])
			start = i + 1
		}
	}
	return append(out, line[start:])
}

// writeHelp lists the commands that level may use, in table order.
func writeHelp(w io.Writer, table []Command, level Level) {
	fmt.Fprintln(w, "The following commands are valid at this level:")
	for _, c := range table {
		if c.Level > level || c.Missing != "" {
			continue
		}
		left := c.Name
		if c.Args != "" {
			left += " " + c.Args
		}
		fmt.Fprintf(w, "  %-40s : %s\n", left, c.Help)
	}
	for _, c := range builtins {
		fmt.Fprintf(w, "  %-40s : %s\n", strings.TrimSpace(c.Name+" "+c.Args), c.Help)
	}
}

// Builtins returns the rows of the commands that every connection understands;
// they have no Run.
func Builtins() []Command { return slices.Clone(builtins) }

var builtins = []Command{
	{Name: "help", Help: "list the commands"},
	{Name: "prompt", Help: "keep the connection open for more commands"},
	{Name: "quit", Help: "close the connection"},
	{Name: "set severity-output", Args: "[none|number|string]", Help: "prefix messages with their severity"},
}
