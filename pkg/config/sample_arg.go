package config

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// ArgType is the type of an argument of a fetch or converter, in the words of
// haproxy's "-dKsmp" listing.
type ArgType string

// The types.
const (
	ArgInteger  ArgType = "integer"
	ArgString   ArgType = "string"
	ArgIPv4     ArgType = "IPv4 address"
	ArgIPv6     ArgType = "IPv6 address"
	ArgMask4    ArgType = "IPv4 mask"
	ArgMask6    ArgType = "IPv6 mask"
	ArgFrontend ArgType = "frontend"
	ArgBackend  ArgType = "backend"
	ArgServer   ArgType = "server"
	ArgTable    ArgType = "table"
	ArgUserlist ArgType = "user list"
	ArgRegex    ArgType = "regex"
	ArgField    ArgType = "Protocol buffers field number"
)

// Arg is one argument of a fetch or converter.
type Arg struct {
	Type ArgType
	Text string     // quotes and escapes resolved; a reference may be empty: the section itself
	Int  int64      // of ArgInteger
	Addr netip.Addr // of the addresses and masks
}

// argForms says what is accepted for a type.
var argForms = map[ArgType]string{
	ArgInteger: "an integer", ArgIPv4: "an IPv4 address", ArgIPv6: "an IPv6 address",
	ArgMask4: "an IPv4 mask or 0 to 32", ArgMask6: "an IPv6 mask or 0 to 128", ArgField: "numbers parted by dots",
}

// argTypes takes a synopsis such as "integer[,table]" apart: the types, and how
// many of them must be there.
func argTypes(synopsis string) (types []ArgType, least int) {
	least = -1
	for synopsis != "" {
		if synopsis[0] == '[' && least < 0 {
			least = len(types)
		}
		synopsis = strings.TrimLeft(synopsis, "[,")
		n := strings.IndexAny(synopsis, "[,]")
		if n < 0 {
			n = len(synopsis)
		}
		types = append(types, ArgType(synopsis[:n]))
		if synopsis = synopsis[n:]; synopsis == "]" {
			break
		}
	}
	if least < 0 {
		least = len(types)
	}
	return types, least
}

// arguments reads "(a,b)" behind a name, if it is there, and tells where each
// argument begins. An argument that must be there is empty without parentheses.
func (x *exprParser) arguments(row *SampleRow, what string) (args []Arg, places []Word, ok bool) {
	types, least := argTypes(row.Args)
	inside := strings.HasPrefix(x.text, "(")
	if inside {
		x.text = x.text[1:]
	}
	for (inside || least > 0) && len(args) < len(types) {
		at, text, closed := x.here(), "", true
		if inside {
			text, closed = x.argument()
		}
		if !closed {
			x.p.alert(at, "%s: argument %d is not closed", what, len(args)+1).Accepted = row.synopsis()
			return nil, nil, false
		}
		t := types[len(args)]
		if text == "" && argForms[t] != "" && len(args) >= least {
			break
		}
		arg, ok := x.value(Arg{Type: t, Text: text}, at, what, len(args)+1)
		if !ok {
			return nil, nil, false
		}
		args, places = append(args, arg), append(places, at)
		if !strings.HasPrefix(x.text, ",") || !inside || len(args) == len(types) {
			break
		}
		x.text = x.text[1:]
	}
	return args, places, x.endArguments(row, types, len(args), least, inside, what)
}

// endArguments judges the number of arguments and what stands behind them.
func (x *exprParser) endArguments(row *SampleRow, types []ArgType, n, least int, inside bool, what string) bool {
	if n < least {
		x.p.alert(x.here(), "%s: missing arguments (got %d/%d), type '%s' expected", what, n, least, types[n]).Accepted = row.synopsis()
		return false
	}
	if !inside {
		return true
	}
	if !strings.HasPrefix(x.text, ")") {
		before := ""
		if x.text != "" {
			before = " before '" + x.text + "'"
		}
		x.p.alert(x.here(), "%s: expected ')'%s", what, before).Accepted = row.synopsis()
		return false
	}
	x.text = x.text[1:]
	return true
}

// argument reads up to the comma or parenthesis behind an argument. Quotes
// protect both; a backslash outside of single quotes protects a quote, a
// backslash and a blank.
func (x *exprParser) argument() (text string, closed bool) {
	var out []byte
	quote := byte(0)
	for i := 0; i < len(x.text); i++ {
		c := x.text[i]
		switch {
		case (c == '"' || c == '\'') && (quote == 0 || quote == c):
			quote ^= c
		case c == '\\' && quote != '\'' && i+1 < len(x.text) && escapes[x.text[i+1]] != 0:
			i++
			out = append(out, escapes[x.text[i]])
		case quote == 0 && (c == ',' || c == ')'):
			x.text = x.text[i:]
			return string(out), true
		default:
			out = append(out, c)
		}
	}
	x.text = ""
	return string(out), quote == 0
}

// escapes are what a backslash makes of the byte behind it.
var escapes = map[byte]byte{'r': '\r', 'n': '\n', 't': '\t', '\\': '\\', ' ': ' ', '"': '"', '\'': '\''}

// value reads an argument of a type.
func (x *exprParser) value(arg Arg, at Word, what string, n int) (Arg, bool) {
	t, text := arg.Type, arg.Text
	form := argForms[t]
	if form == "" {
		x.p.refer(arg, at, what)
		return arg, true
	}
	if text == "" {
		x.p.alert(at, "%s: expected type '%s' at position %d, but got nothing", what, t, n).Accepted = form
		return arg, false
	}
	ok := false
	switch t {
	case ArgInteger:
		arg.Int, ok = int64Of(text)
	case ArgIPv4, ArgIPv6:
		var err error
		arg.Addr, err = netip.ParseAddr(text)
		ok = err == nil && arg.Addr.Is4() == (t == ArgIPv4) && arg.Addr.Zone() == ""
	case ArgMask4, ArgMask6:
		arg.Addr, ok = maskOf(text, t == ArgMask4)
	case ArgField:
		ok = isDottedNumber(text)
	}
	if !ok {
		x.p.alert(at, "%s: failed to parse '%s' as type '%s' at position %d", what, text, t, n).Accepted = form
	}
	return arg, ok
}

// int64Of reads a whole decimal number; it saturates, as HAProxy does.
func int64Of(text string) (int64, bool) {
	digits := strings.TrimPrefix(strings.TrimPrefix(text, "-"), "+")
	if digits == "" || len(digits) < len(text)-1 {
		return 0, false
	}
	for i := range len(digits) {
		if !isDigit(digits[i]) {
			return 0, false
		}
	}
	n, _ := strconv.ParseInt(text, 10, 64) // out of range: the nearest end
	return n, true
}

// maskOf reads a network mask, written as an address or as a number of bits.
func maskOf(text string, v4 bool) (netip.Addr, bool) {
	bits, zero := 128, netip.IPv6Unspecified()
	if v4 {
		bits, zero = 32, netip.IPv4Unspecified()
	}
	if a, err := netip.ParseAddr(text); err == nil {
		return a, a.Is4() == v4 && a.Zone() == ""
	}
	n, ok := int64Of(text)
	if !ok || n < 0 || n > int64(bits) {
		return netip.Addr{}, false
	}
	mask := zero.AsSlice()
	for i := range int(n) {
		mask[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(mask)
	return a, true
}

func isDottedNumber(text string) bool {
	for _, part := range strings.Split(text, ".") {
		if _, err := strconv.ParseUint(part, 10, 32); err != nil {
			return false
		}
	}
	return true
}

// argFault is what a check finds wrong with arguments.
type argFault struct {
	arg         int // which one
	msg         string
	accepted    string // "": the synopsis of the row
	unsupported bool
}

func faultf(arg int, accepted, format string, a ...any) *argFault {
	return &argFault{arg: arg, msg: fmt.Sprintf(format, a...), accepted: accepted}
}
