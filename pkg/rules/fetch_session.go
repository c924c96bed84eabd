package rules

import (
	"encoding/binary"
	"time"

	"github.com/sluice-lb/sluice/pkg/config"
)

// detailFetch is a number of the session.
func detailFetch(d Detail) fetchMaker {
	return func(c *Compiler, _ []config.Arg) (step, error) {
		c.note(d)
		return func(s *Stream) bool { s.value.setInt(s.Session.Number(d)); return true }, nil
	}
}

// flagFetch is a number of the session that is true or false.
func flagFetch(d Detail) fetchMaker {
	return func(*Compiler, []config.Arg) (step, error) {
		return func(s *Stream) bool { s.value.setBool(s.Session.Number(d) != 0); return true }, nil
	}
}

// textFetch is a text of the session; an empty one is none.
func textFetch(d Detail) fetchMaker {
	return func(*Compiler, []config.Arg) (step, error) {
		return func(s *Stream) bool {
			s.write(config.TypeString, func(b []byte, _ *value) []byte { return s.Session.AppendText(b, d) })
			return len(s.value.bytes) > 0
		}, nil
	}
}

// fetchServerID is the id of the server, if there is one.
func fetchServerID(*Compiler, []config.Arg) (step, error) {
	return func(s *Stream) bool {
		n := s.Session.Number(ServerID)
		s.value.setInt(n)
		return n >= 0
	}, nil
}

func endAddr(d Detail) fetchMaker {
	return func(c *Compiler, _ []config.Arg) (step, error) {
		c.note(d)
		return func(s *Stream) bool { return s.value.setAddr(s.Session.End(d).Addr.Addr()) }, nil
	}
}

func endPort(d Detail) fetchMaker {
	return func(c *Compiler, _ []config.Arg) (step, error) {
		c.note(d)
		return func(s *Stream) bool {
			a := s.Session.End(d).Addr
			s.value.setInt(int64(a.Port()))
			return a.IsValid()
		}, nil
	}
}

// fetchAcceptDate is the time of the acceptance since 1970, in seconds unless told
// otherwise.
func fetchAcceptDate(_ *Compiler, args []config.Arg) (step, error) {
	unit := time.Second
	if len(args) > 0 {
		unit = map[string]time.Duration{"ms": time.Millisecond, "us": time.Microsecond, "s": time.Second}[args[0].Text]
	}
	return func(s *Stream) bool { s.value.setInt(s.Session.Number(Accepted) / int64(unit)); return true }, nil
}

// fetchDateMicros is the part of the date below a second, in microseconds.
func fetchDateMicros(c *Compiler, _ []config.Arg) (step, error) {
	now := c.Host.Now
	return func(s *Stream) bool { s.value.setInt(int64(now().Nanosecond() / 1000)); return true }, nil
}

// fixed is a number that is always the same here.
func fixed(n int64) fetchMaker {
	return func(*Compiler, []config.Arg) (step, error) { return always(value{kind: config.TypeInt, n: n}), nil }
}

func fetchConns(c *Compiler, _ []config.Arg) (step, error) {
	conns := c.Host.Conns
	return func(s *Stream) bool { s.value.setInt(conns()); return true }, nil
}

func fetchStopping(c *Compiler, _ []config.Arg) (step, error) {
	stopping := c.Host.Stopping
	return func(s *Stream) bool { s.value.setBool(stopping()); return true }, nil
}

// fetchUptime is the age of the process in seconds.
func fetchUptime(c *Compiler, _ []config.Arg) (step, error) {
	now, started := c.Host.Now, c.Host.Started
	return func(s *Stream) bool { s.value.setInt(int64(now().Sub(started) / time.Second)); return true }, nil
}

// fetchUUID is a new identifier of version 4, or of version 7 (RFC 9562).
func fetchUUID(c *Compiler, args []config.Arg) (step, error) {
	version := byte(4)
	if len(args) > 0 {
		version = byte(args[0].Int)
	}
	now, random := c.Host.Now, c.Host.Random
	return func(s *Stream) bool {
		var id [16]byte
		for i := 0; i < len(id); i += 4 {
			binary.BigEndian.PutUint32(id[i:], random())
		}
		if version == 7 {
			ms := uint64(now().UnixMilli())
			binary.BigEndian.PutUint16(id[0:], uint16(ms>>32))
			binary.BigEndian.PutUint32(id[2:], uint32(ms))
		}
		id[6], id[8] = id[6]&0xf|version<<4, id[8]&0x3f|0x80
		s.write(config.TypeString, func(b []byte, _ *value) []byte { return appendUUID(b, &id) })
		return true
	}, nil
}

// appendUUID appends the usual form, 8-4-4-4-12 digits.
func appendUUID(b []byte, id *[16]byte) []byte {
	const digits = "0123456789abcdef"
	for i, c := range id {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			b = append(b, '-')
		}
		b = append(b, digits[c>>4], digits[c&15])
	}
	return b
}

// currentTimeout is a timeout in force, in milliseconds: once the server is reached
// "timeout tunnel" replaces those of client and server. before is the one until then.
func currentTimeout(before, after func(*Stream) time.Duration) fetchMaker {
	return func(*Compiler, []config.Arg) (step, error) {
		return func(s *Stream) bool {
			t := time.Duration(0)
			switch {
			case s.Session == nil || s.Backend == nil || s.Session.Number(ConnectTime) < 0:
				t = before(s)
			case s.Backend.Timeouts.Tunnel > 0:
				t = s.Backend.Timeouts.Tunnel
			default:
				t = after(s)
			}
			s.value.setInt(t.Milliseconds())
			return true
		}, nil
	}
}

func noTimeout(*Stream) time.Duration       { return 0 }
func clientTimeout(s *Stream) time.Duration { return s.Frontend.Timeouts.Client }
func serverTimeout(s *Stream) time.Duration { return s.Backend.Timeouts.Server }
