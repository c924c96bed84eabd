package rules

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-lb/sluice/pkg/config"
)

// Use tells what a format is for; the rules differ.
type Use uint8

// The uses.
const (
	ForLog Use = iota // what is missing is "-"
	// ForID is for unique ids. What is missing is empty; samples are not quoted, and
	// control characters in them are "%XX", as in HTTP headers.
	ForID
)

// Format is a compiled log-format string (manual, section 8.2.6). It is immutable.
type Format struct {
	items  []item
	header bool // samples are written as in HTTP headers
	binary bool // NUL does not end a sample
	late   bool // a variable is final only at the end of the session
}

// item is a literal, a run of blanks, a variable or a sample.
type item struct {
	text     string
	blank    bool
	variable *variable
	expr     *Expr
	flags    itemFlags
}

// itemFlags are "{+Q,+X,+E,+M}": quoted, hexadecimal, quotes and brackets escaped,
// "-" for what is missing.
type itemFlags struct{ quote, hex, escape, must bool }

// Format compiles a log-format string.
func (c *Compiler) Format(f *config.LogFormat, use Use) (*Format, error) {
	out := &Format{header: use == ForID}
	all := itemFlags{must: use == ForLog}
	for i := range f.Parts {
		p := &f.Parts[i]
		it := item{flags: all.with(p.Flags)}
		switch {
		case p.Text != "":
			out.literal(p.Text)
			continue
		case p.Variable == "o":
			all = it.flags
			for _, flag := range p.Flags {
				if flag.Name == "bin" {
					out.binary = !flag.Off
				}
			}
			continue
		case p.Variable != "":
			v, err := c.variable(p.Variable)
			if err != nil {
				return nil, err
			}
			it.variable = v
			out.late = out.late || v.late
		default:
			e, err := c.Expr(p.Expr)
			if err != nil {
				return nil, err
			}
			it.expr = e
		}
		out.items = append(out.items, it)
	}
	return out, nil
}

// with returns the flags after changes.
func (f itemFlags) with(changes []config.LogFlag) itemFlags {
	for _, c := range changes {
		switch c.Name {
		case "Q":
			f.quote = !c.Off
		case "X":
			f.hex = !c.Off
		case "E":
			f.escape = !c.Off
		case "M":
			f.must = !c.Off
		}
	}
	return f
}

// literal adds text; blanks stand apart, as runs of them count as one.
func (f *Format) literal(text string) {
	for text != "" {
		n := strings.IndexByte(text, ' ')
		switch {
		case n < 0:
			n = len(text)
			fallthrough
		case n > 0:
			f.items = append(f.items, item{text: text[:n]})
		default:
			n = len(text) - len(strings.TrimLeft(text, " "))
			f.items = append(f.items, item{blank: true})
		}
		text = text[n:]
	}
}

// Late reports whether the format has something that is known only at the end of a
// session; a line without that is written as soon as the server is reached.
func (f *Format) Late() bool { return f.late }

// Append appends the format's text for the session of s, but at most limit bytes; 0
// is any number. At the limit texts are cut, anything else is left out as a whole.
func (f *Format) Append(b []byte, limit int, s *Stream) []byte {
	start, blank := len(b), true
	for i := range f.items {
		it, before := &f.items[i], len(b)
		switch {
		case it.blank && !blank:
			b = append(b, ' ')
		case it.expr != nil:
			b = f.sample(b, it, s)
		case it.variable != nil:
			b = it.variable.add(b, it.flags, s)
		default:
			b = append(b, it.text...)
		}
		if len(b) > before || it.expr != nil {
			blank = it.blank
		}
		if limit > 0 && len(b)-start > limit {
			if it.variable != nil && (!it.variable.text || it.flags.quote || it.flags.hex) {
				return b[:before]
			}
			return b[:start+limit]
		}
	}
	return b
}

// sample appends the value of an expression. Bytes are not turned into hexadecimal
// digits; they end at the first NUL.
func (f *Format) sample(b []byte, it *item, s *Stream) []byte {
	var text []byte
	if it.expr.eval(s) && (s.value.kind == config.TypeBinary || s.cast(config.TypeString)) {
		text = s.value.bytes
	}
	if n := bytes.IndexByte(text, 0); n >= 0 && !f.binary {
		text = text[:n]
	}
	if !f.header {
		return appendText(b, it.flags, text)
	}
	for _, c := range text {
		switch {
		case c < ' ' && c != '\t' || c == 0x7f:
			b = appendHex(append(b, '%'), uint64(c), 2)
		default:
			b = appendEscaped(b, it.flags, c)
		}
	}
	return b
}

// appendText appends a text as the flags want it.
func appendText[T string | []byte](b []byte, flags itemFlags, text T) []byte {
	switch {
	case flags.quote:
		b = append(b, '"')
	case len(text) == 0 && flags.must:
		return append(b, '-')
	}
	for i := range len(text) {
		b = appendEscaped(b, flags, text[i])
	}
	if flags.quote {
		b = append(b, '"')
	}
	return b
}

func appendEscaped(b []byte, flags itemFlags, c byte) []byte {
	if flags.escape && (c == '"' || c == '\\' || c == ']') {
		b = append(b, '\\')
	}
	return append(b, c)
}

// appendHex appends a number in hexadecimal digits, at least width.
func appendHex(b []byte, n uint64, width int) []byte {
	const digits = "0123456789ABCDEF"
	for width < 16 && n>>(4*width) != 0 {
		width++
	}
	for k := width - 1; k >= 0; k-- {
		b = append(b, digits[n>>(4*k)&15])
	}
	return b
}

// date is the layout of %T and %Tl, stamp that of %t.
const (
	date  = "02/Jan/2006:15:04:05 -0700"
	stamp = "02/Jan/2006:15:04:05.000"
)

func accepted(s *Stream) time.Time { return time.Unix(0, s.Session.Number(Accepted)) }

// appendNumber appends a number, with flag X in at least width hexadecimal digits; 0
// is for numbers that are always decimal.
func appendNumber(b []byte, flags itemFlags, n int64, width int) []byte {
	if flags.hex && width > 0 {
		return appendHex(b, uint64(n), width)
	}
	return strconv.AppendInt(b, n, 10)
}

// appendAddr appends the address of an end.
func appendAddr(b []byte, flags itemFlags, e End) []byte {
	switch a := e.Addr.Addr(); {
	case e.Unix:
		return appendText(b, flags, "unix")
	case !a.IsValid():
		return appendText(b, flags, "")
	case flags.hex:
		return upperHex(b, a.AsSlice())
	default:
		if flags.quote {
			b = append(b, '"')
		}
		if b = a.AppendTo(b); flags.quote {
			b = append(b, '"')
		}
		return b
	}
}

// appendPort appends the port of an end, or what a UNIX socket has in its place.
func appendPort(b []byte, flags itemFlags, e End) []byte {
	switch {
	case e.Unix:
		return appendNumber(b, flags, int64(e.ID), 4)
	case e.Addr.IsValid():
		return appendNumber(b, flags, int64(e.Addr.Port()), 4)
	case flags.must:
		return append(b, '-')
	}
	return b
}
