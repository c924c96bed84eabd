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
	{"o", Done, "", "", "sets flags for all that follows"},
	{"T", Done, "", "", "date of the acceptance in UTC"},
	{"Tl", Done, "", "", "local date of the acceptance"},
	{"Ts", Done, "", "", "seconds of the acceptance since 1970"},
	{"t", Done, "", "", "date of the acceptance with milliseconds"},
	{"ms", Done, "", "", "milliseconds of the acceptance"},
	{"Tc", Done, "", "", "milliseconds until the server connection was there"},
	{"Td", Done, "", "", "milliseconds of data transfer"},
	{"Th", Done, "", "", "milliseconds of the handshakes"},
	{"Tt", Done, "", "", "milliseconds of the session"},
	{"Tu", Done, "", "", "milliseconds that the client saw"},
	{"Tw", Done, "", "", "milliseconds in queues"},
	{"B", Done, "", "", "bytes from server to client"},
	{"H", Done, "", "", "name of this machine"},
	{"ID", Done, "", "", "unique id"},
	{"ST", Done, "", "", "HTTP status"},
	{"U", Done, "", "", "bytes from client to server"},
	{"ac", Done, "", "", "connections of the process"},
	{"b", Done, "", "", "backend"},
	{"bc", Done, "", "", "connections of the backend"},
	{"bi", Done, "", "", "source address towards the server"},
	{"bp", Done, "", "", "source port towards the server"},
	{"bq", Done, "", "", "queue of the backend"},
	{"ci", Done, "", "", "address of the client"},
	{"cp", Done, "", "", "port of the client"},
	{"f", Done, "", "", "frontend"},
	{"fc", Done, "", "", "connections of the frontend"},
	{"fi", Done, "", "", "address that the client connected to"},
	{"fp", Done, "", "", "port that the client connected to"},
	{"ft", Done, "", "", "frontend, with ~ for TLS"},
	{"lc", Done, "", "", "log counter of the frontend"},
	{"hr", Done, "", "", "captured request headers"},
	{"hrl", Done, "", "", "captured request headers, as a list"},
	{"hs", Done, "", "", "captured response headers"},
	{"hsl", Done, "", "", "captured response headers, as a list"},
	{"pid", Done, "", "", "process id"},
	{"rc", Done, "", "", "retries"},
	{"rt", Done, "", "", "number of the request"},
	{"s", Done, "", "", "server"},
	{"sc", Done, "", "", "connections of the server"},
	{"si", Done, "", "", "address of the server"},
	{"sp", Done, "", "", "port of the server"},
	{"sq", Done, "", "", "queue of the server"},
	{"ts", Done, "", "", "termination state"},
	{"sslc", Done, "", "", "cipher of the client connection"},
	{"sslv", Done, "", "", "TLS version of the client connection"},
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
