package config

import (
	"slices"
	"strings"
)

// LogVariable is one row of the table of log-format variables, which HAProxy
// also calls aliases (manual, section 8.2.6).
type LogVariable struct {
	Name  string // without the percent sign
	State State
	Why   string // reason for Refused
	Since string // version of HAProxy's language that brought it, if later than the one spoken here
	Help  string // one sentence without a full stop
}

// LogVariables returns the rows of all log-format variables, sorted by name.
func LogVariables() []LogVariable {
	rows := slices.Clone(logVariables)
	slices.SortFunc(rows, func(a, b LogVariable) int { return strings.Compare(a.Name, b.Name) })
	return rows
}

// logVariable finds a row by name.
func logVariable(name string) *LogVariable {
	for i := range logVariables {
		if logVariables[i].Name == name {
			return &logVariables[i]
		}
	}
	return nil
}

// logVariableNames are those that exist here, for suggestions.
func logVariableNames() []string {
	var names []string
	for _, v := range logVariables {
		if v.State != Refused {
			names = append(names, v.Name)
		}
	}
	return names
}

var logVariables = []LogVariable{
	{"o", Pending, "", "", "sets flags for all that follows"},
	{"T", Pending, "", "", "date of the acceptance in UTC"},
	{"Tl", Pending, "", "", "local date of the acceptance"},
	{"Ts", Pending, "", "", "seconds of the acceptance since 1970"},
	{"t", Pending, "", "", "date of the acceptance with milliseconds"},
	{"ms", Pending, "", "", "milliseconds of the acceptance"},
	{"Tc", Pending, "", "", "milliseconds until the server connection was there"},
	{"Td", Pending, "", "", "milliseconds of data transfer"},
	{"Th", Pending, "", "", "milliseconds of the handshakes"},
	{"Tt", Pending, "", "", "milliseconds of the session"},
	{"Tu", Pending, "", "", "milliseconds that the client saw"},
	{"Tw", Pending, "", "", "milliseconds in queues"},
	{"B", Pending, "", "", "bytes from server to client"},
	{"H", Pending, "", "", "name of this machine"},
	{"ID", Pending, "", "", "unique id"},
	{"ST", Pending, "", "", "HTTP status"},
	{"U", Pending, "", "", "bytes from client to server"},
	{"ac", Pending, "", "", "connections of the process"},
	{"b", Pending, "", "", "backend"},
	{"bc", Pending, "", "", "connections of the backend"},
	{"bi", Pending, "", "", "source address towards the server"},
	{"bp", Pending, "", "", "source port towards the server"},
	{"bq", Pending, "", "", "queue of the backend"},
	{"ci", Pending, "", "", "address of the client"},
	{"cp", Pending, "", "", "port of the client"},
	{"f", Pending, "", "", "frontend"},
	{"fc", Pending, "", "", "connections of the frontend"},
	{"fi", Pending, "", "", "address that the client connected to"},
	{"fp", Pending, "", "", "port that the client connected to"},
	{"ft", Pending, "", "", "frontend, with ~ for TLS"},
	{"lc", Pending, "", "", "log counter of the frontend"},
	{"hr", Pending, "", "", "captured request headers"},
	{"hrl", Pending, "", "", "captured request headers, as a list"},
	{"hs", Pending, "", "", "captured response headers"},
	{"hsl", Pending, "", "", "captured response headers, as a list"},
	{"pid", Pending, "", "", "process id"},
	{"rc", Pending, "", "", "retries"},
	{"rt", Pending, "", "", "number of the request"},
	{"s", Pending, "", "", "server"},
	{"sc", Pending, "", "", "connections of the server"},
	{"si", Pending, "", "", "address of the server"},
	{"sp", Pending, "", "", "port of the server"},
	{"sq", Pending, "", "", "queue of the server"},
	{"ts", Pending, "", "", "termination state"},
	{"sslc", Pending, "", "", "cipher of the client connection"},
	{"sslv", Pending, "", "", "TLS version of the client connection"},
	{"tr", Refused, whyHTTPSample, "", ""},
	{"trg", Refused, whyHTTPSample, "", ""},
	{"trl", Refused, whyHTTPSample, "", ""},
	{"Ta", Refused, whyHTTPSample, "", ""},
	{"Ti", Refused, whyHTTPSample, "", ""},
	{"Tq", Refused, whyHTTPSample, "", ""},
	{"TR", Refused, whyHTTPSample, "", ""},
	{"Tr", Refused, whyHTTPSample, "", ""},
	{"CC", Refused, whyHTTPSample, "", ""},
	{"CS", Refused, whyHTTPSample, "", ""},
	{"HM", Refused, whyHTTPSample, "", ""},
	{"HP", Refused, whyHTTPSample, "", ""},
	{"HPO", Refused, whyHTTPSample, "", ""},
	{"HQ", Refused, whyHTTPSample, "", ""},
	{"HU", Refused, whyHTTPSample, "", ""},
	{"HV", Refused, whyHTTPSample, "", ""},
	{"r", Refused, whyHTTPSample, "", ""},
	{"tsc", Refused, whyHTTPSample, "", ""},
	{"OG", Refused, "", sinceLater, ""},
}
