package config

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// HAProxy renders the finding on one line as haproxy(1) does in the process pid.
// What is accepted and the suggestion belong to the message; the column, which
// HAProxy does not have, ends the line.
//
//	[ALERT]    (123) : config : parsing [proxy.cfg:5] : unknown keyword 'bnd' (column 3)
func (d *Diagnostic) HAProxy(pid int) string {
	text := d.text()
	if d.Pos.Line > 0 {
		text = fmt.Sprintf("parsing [%s:%d] : %s", d.Pos.File, d.Pos.Line, text)
	}
	if d.Pos.Col > 0 {
		text += fmt.Sprintf(" (column %d)", d.Pos.Col)
	}
	return Message(d.Severity, pid, "config : "+text)
}

// oneLine keeps a message on its line, whatever the configuration quotes in it.
var oneLine = strings.NewReplacer("\n", `\n`, "\r", `\r`)

// Message renders any message in the shape of haproxy(1), without a line end.
func Message(sev Severity, pid int, text string) string {
	return fmt.Sprintf("%-10s (%d) : %s", "["+sev.String()+"]", pid, oneLine.Replace(text))
}

var (
	messagePattern = regexp.MustCompile(`^\[(ALERT|WARNING|NOTICE|DIAG)\] +\(\d+\) : (?:config : )?(.*)$`)
	placedPattern  = regexp.MustCompile(`^[Pp]arsing \[(.+):(\d+)\] ?: (.*)$`)
	columnPattern  = regexp.MustCompile(`^(.*) \(column (\d+)\)$`)
	summaryPattern = regexp.MustCompile(`^(?:Error\(s\) found in configuration file : |Fatal errors found in configuration\.$)`)
)

// ParseHAProxy is the inverse of Diagnostic.HAProxy: Message is all of the text. A
// message about no place has an empty Pos. ok is false for lines that are no
// finding: sums, and notices about the program.
func ParseHAProxy(line string) (d *Diagnostic, ok bool) {
	m := messagePattern.FindStringSubmatch(line)
	if m == nil || summaryPattern.MatchString(m[2]) {
		return nil, false
	}
	d = &Diagnostic{Message: m[2]}
	for d.Severity.String() != m[1] {
		d.Severity++
	}
	place := placedPattern.FindStringSubmatch(m[2])
	if place == nil {
		return d, d.Severity != Notice
	}
	d.Pos.File, d.Message = place[1], place[3]
	d.Pos.Line, _ = strconv.Atoi(place[2]) // the pattern has digits only
	if column := columnPattern.FindStringSubmatch(d.Message); column != nil {
		d.Message = column[1]
		d.Pos.Col, _ = strconv.Atoi(column[2])
	}
	return d, true
}
