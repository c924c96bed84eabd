package supervisor

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/coreos/go-systemd/v22/unit"
	"github.com/hashicorp/go-multierror"
	"github.com/sluice-lb/sluice/pkg/slip"
)

// Fault is one mistake in a unit file.
type Fault struct {
	File string
	Line int // from 1; 0 when it concerns the whole file
	Text string
}

// Error returns "file:line: text".
func (f *Fault) Error() string {
	if f.Line == 0 {
		return f.File + ": " + f.Text
	}
	return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Text)
}

// Parse reads the unit called name from the text of file. All mistakes are
// reported together, as a *multierror.Error of *Fault.
func Parse(name, file string, text []byte) (*Unit, error) {
	p := &parser{unit: defaults(name, file), file: file}
	lines := p.joinLines(text)
	for _, l := range lines {
		p.option(l)
	}
	if p.errs == nil {
		p.check()
	}
	if p.errs != nil {
		slices.SortStableFunc(p.errs.Errors, func(a, b error) int { return a.(*Fault).Line - b.(*Fault).Line })
		return nil, p.errs
	}
	return p.unit, nil
}

type parser struct {
	unit *Unit
	file string
	line int // of the option at work
	errs *multierror.Error
}

func (p *parser) fault(line int, format string, args ...any) {
	p.errs = multierror.Append(p.errs, &Fault{p.file, line, fmt.Sprintf(format, args...)})
}

// logicalLine is an option with its continuation lines joined.
type logicalLine struct {
	line    int // where it starts, from 1
	section string
	name    string
	value   string
}

// joinLines cuts the text into logical lines: continuations are joined with a
// space, comments between them skipped (systemd.syntax(7)). go-systemd's
// tokenizer then takes each logical line apart; it is given one at a time since
// its options carry no line numbers and it keeps backslash-newline in values.
func (p *parser) joinLines(text []byte) []logicalLine {
	var out []logicalLine
	section := ""
	raw := strings.Split(string(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))), "\n")
	for i := 0; i < len(raw); i++ {
		line := strings.TrimSpace(raw[i])
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		start := i + 1
		for strings.HasSuffix(line, "\\") {
			line = strings.TrimSuffix(line, "\\")
			for i++; i < len(raw) && isComment(raw[i]); {
				i++
			}
			if i >= len(raw) {
				p.fault(start, "the last line ends with a continuation backslash")
				break
			}
			line += " " + strings.TrimSpace(raw[i])
		}
		if line[0] == '[' {
			section = p.section(start, line)
			continue
		}
		if l, ok := p.tokenize(start, section, line); ok {
			out = append(out, l)
		}
	}
	return out
}

func isComment(line string) bool {
	line = strings.TrimSpace(line)
	return strings.HasPrefix(line, "#") || strings.HasPrefix(line, ";")
}

// sectionIgnored stands for a section that is skipped on purpose, or after its
// fault was reported.
const sectionIgnored = "-"

func (p *parser) section(line int, text string) string {
	name, ok := strings.CutSuffix(text[1:], "]")
	switch {
	case !ok:
		p.fault(line, "section header %q does not end with \"]\"", text)
	case name == "Unit" || name == "Install":
		return name
	case name == "Service" && unitSuffix(p.unit.Name) == ".service":
		return name
	case strings.HasPrefix(name, "X-"):
	default:
		p.fault(line, "unknown section [%s]; accepted are [Unit], [Service] and [Install]%s",
			name, suggestion(name, []string{"Unit", "Service", "Install"}))
	}
	return sectionIgnored
}

// tokenize splits one logical line into name and value.
func (p *parser) tokenize(line int, section, text string) (logicalLine, bool) {
	if section == sectionIgnored {
		return logicalLine{}, false
	}
	if section == "" {
		p.fault(line, "%q stands before the first section", text)
		return logicalLine{}, false
	}
	if !strings.Contains(text, "=") {
		p.fault(line, "%q is no \"Key=value\"", text)
		return logicalLine{}, false
	}
	opts, err := unit.DeserializeOptions(strings.NewReader("[" + section + "]\n" + text + "\n"))
	if err != nil {
		p.fault(line, "%v", err)
		return logicalLine{}, false
	}
	if len(opts) != 1 {
		p.fault(line, "%q is no \"Key=value\"", text)
		return logicalLine{}, false
	}
	return logicalLine{line, section, opts[0].Name, opts[0].Value}, true
}

// option applies one logical line through the key table.
func (p *parser) option(l logicalLine) {
	p.line = l.line
	if strings.HasPrefix(l.name, "X-") {
		return
	}
	for i := range keys {
		k := &keys[i]
		if k.section != l.section || k.name != l.name {
			continue
		}
		if k.set == nil {
			return // accepted without effect
		}
		value, err := expandSpecifiers(l.value, p.unit.Name)
		if err == nil {
			err = k.set(p.unit, value)
		}
		if err != nil {
			p.fault(l.line, "%s=: %v", l.name, err)
		}
		return
	}
	p.fault(l.line, "unknown key %s= in [%s]%s", l.name, l.section, suggestion(l.name, keyNames(l.section)))
}

// check finds faults that concern the unit as a whole.
func (p *parser) check() {
	u, s := p.unit, &p.unit.Service
	if u.isTarget() {
		return
	}
	if s.Type == "" {
		s.Type = TypeSimple
		if len(s.ExecStart) == 0 {
			s.Type = TypeOneshot
		}
	}
	switch {
	case len(s.ExecStart) == 0 && len(s.ExecStop) == 0 && s.Type != TypeOneshot:
		p.fault(0, "ExecStart= is missing")
	case len(s.ExecStart) == 0 && !s.RemainAfterExit:
		p.fault(0, "ExecStart= is missing; only with Type=oneshot and RemainAfterExit=yes it may be")
	case len(s.ExecStart) > 1 && s.Type != TypeOneshot:
		p.fault(0, "more than one ExecStart= needs Type=oneshot")
	}
	if s.Type == TypeOneshot && (s.Restart == "always" || s.Restart == "on-success") {
		p.fault(0, "Restart=%s cannot go with Type=oneshot", s.Restart)
	}
	if s.usesTTY() && s.TTYPath == "" {
		s.TTYPath = "/dev/console"
	}
}

// suggestion returns " (did you mean X?)" for the closest candidate, or "".
func suggestion(word string, candidates []string) string {
	best := slip.Nearest(word, candidates, 1+len(word)/3)
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %s?)", best)
}
