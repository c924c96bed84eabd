package rules

import "fmt"

// variable is one row of the table of log-format variables.
type variable struct {
	add  func(b []byte, flags itemFlags, s *Stream) []byte
	text bool // it may be cut
	late bool // it is final only at the end of a session, as HAProxy counts it
}

// variable finds a variable's row and notes what it asks for. Those without any here
// are refused by pkg/config.
func (c *Compiler) variable(name string) (*variable, error) {
	if d, ok := variableDetails[name]; ok {
		c.note(d)
	}
	switch name {
	case "H":
		return constantText(c.Host.Name), nil
	case "pid":
		pid := int64(c.Host.PID)
		return &variable{add: func(b []byte, f itemFlags, _ *Stream) []byte { return appendNumber(b, f, pid, 4) }}, nil
	}
	if v, ok := variables[name]; ok {
		return v, nil
	}
	return nil, fmt.Errorf("log variable '%%%s' is not supported yet", name)
}

// variableDetails are the details that a session has to keep for a variable.
var variableDetails = map[string]Detail{
	"bi": SourceEnd, "bp": SourceEnd, "si": ServerEnd, "sp": ServerEnd, "fi": LocalEnd, "fp": LocalEnd,
	"rt": SessionNumber, "lc": LogLines, "ID": UniqueID,
}

// variables by name; pkg/config has their meaning.
var variables = map[string]*variable{
	"T":  {add: func(b []byte, _ itemFlags, s *Stream) []byte { return accepted(s).UTC().AppendFormat(b, date) }},
	"Tl": {add: func(b []byte, _ itemFlags, s *Stream) []byte { return accepted(s).AppendFormat(b, date) }},
	"t":  {add: func(b []byte, _ itemFlags, s *Stream) []byte { return accepted(s).AppendFormat(b, stamp) }},
	"Ts": {add: func(b []byte, f itemFlags, s *Stream) []byte { return appendNumber(b, f, accepted(s).Unix(), 4) }},
	"ms": {add: appendMillis},

	"Tc": sessionNumber(ConnectTime),
	"Td": sessionNumber(DataTime),
	"Th": sessionNumber(HandshakeTime),
	"Tt": sum(TotalTime),
	"Tu": sum(TotalTime), // in TCP the time that the client saw is that of the session
	"Tw": sessionNumber(QueueTime),
	"B":  sum(BytesOut),
	"U":  sessionNumber(BytesIn),
	"ac": sessionNumber(ProcessConns),
	"fc": sessionNumber(OwnFrontend),
	"bc": sessionNumber(OwnBackend),
	"sc": sessionNumber(OwnServer),
	"bq": sessionNumber(BackendQueued),
	"sq": sessionNumber(ServerQueued),
	"rc": {late: true, add: func(b []byte, _ itemFlags, s *Stream) []byte {
		if s.Session.Number(Redispatched) != 0 {
			b = append(b, '+')
		}
		return appendNumber(b, itemFlags{}, s.Session.Number(Retries), 0)
	}},
	"lc": {add: func(b []byte, f itemFlags, s *Stream) []byte {
		return appendNumber(b, f, s.Session.Number(LogLines), 4)
	}},
	"rt": {add: func(b []byte, f itemFlags, s *Stream) []byte {
		return appendNumber(b, f, s.Session.Number(SessionNumber), 4)
	}},
	"ST": {add: func(b []byte, _ itemFlags, _ *Stream) []byte { return append(b, '0') }},
	"ts": {late: true, add: func(b []byte, _ itemFlags, s *Stream) []byte { return s.Session.AppendText(b, Termination) }},

	"f":  frontendName,
	"ft": frontendName, // nothing comes in over TLS
	"b": {text: true, add: func(b []byte, f itemFlags, s *Stream) []byte {
		if s.Backend == nil {
			return appendText(b, f, s.Frontend.Name)
		}
		return appendText(b, f, s.Backend.Name)
	}},
	"s": {text: true, add: func(b []byte, f itemFlags, s *Stream) []byte {
		if s.scratch = s.Session.AppendText(s.scratch[:0], ServerName); len(s.scratch) == 0 {
			return appendText(b, f, "<NOSRV>")
		}
		return appendText(b, f, s.scratch)
	}},
	"ID": {text: true, late: true, add: func(b []byte, f itemFlags, s *Stream) []byte {
		s.scratch = s.Session.AppendText(s.scratch[:0], UniqueID)
		return appendText(b, f, s.scratch)
	}},
	"sslc": constantText(""),
	"sslv": constantText(""),

	"ci": address(ClientEnd), "cp": port(ClientEnd),
	"fi": address(LocalEnd), "fp": port(LocalEnd),
	"bi": address(SourceEnd), "bp": port(SourceEnd),
	"si": address(ServerEnd), "sp": port(ServerEnd),

	"hr": nothing, "hrl": nothing, "hs": nothing, "hsl": nothing, // there are no captures
}

var (
	nothing      = &variable{add: func(b []byte, _ itemFlags, _ *Stream) []byte { return b }}
	frontendName = &variable{text: true, add: func(b []byte, f itemFlags, s *Stream) []byte { return appendText(b, f, s.Frontend.Name) }}
)

func constantText(text string) *variable {
	return &variable{text: true, add: func(b []byte, f itemFlags, _ *Stream) []byte { return appendText(b, f, text) }}
}

// sessionNumber is a variable that is decimal whatever the flags say.
func sessionNumber(d Detail) *variable {
	return &variable{late: true, add: func(b []byte, _ itemFlags, s *Stream) []byte {
		return appendNumber(b, itemFlags{}, s.Session.Number(d), 0)
	}}
}

// sum is a number that has a plus sign where it may still grow.
func sum(d Detail) *variable {
	return &variable{late: true, add: func(b []byte, _ itemFlags, s *Stream) []byte {
		if s.Session.Number(Partial) != 0 {
			b = append(b, '+')
		}
		return appendNumber(b, itemFlags{}, s.Session.Number(d), 0)
	}}
}

func address(d Detail) *variable {
	return &variable{text: true, add: func(b []byte, f itemFlags, s *Stream) []byte { return appendAddr(b, f, s.Session.End(d)) }}
}

func port(d Detail) *variable {
	return &variable{add: func(b []byte, f itemFlags, s *Stream) []byte { return appendPort(b, f, s.Session.End(d)) }}
}

// appendMillis appends the milliseconds of the acceptance.
func appendMillis(b []byte, flags itemFlags, s *Stream) []byte {
	ms := accepted(s).Nanosecond() / 1e6
	if flags.hex {
		return appendHex(b, uint64(ms), 2)
	}
	return append(b, byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10))
}
