package rules

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/sluice-lb/sluice/pkg/config"
)

// visitor is a session with fixed details; those that are missing are 0.
type visitor struct {
	numbers map[Detail]int64
	texts   map[Detail]string
	ends    map[Detail]End
}

func (v visitor) Number(d Detail) int64 { return v.numbers[d] }

func (v visitor) AppendText(b []byte, d Detail) []byte { return append(b, v.texts[d]...) }

func (v visitor) End(d Detail) End { return v.ends[d] }

// formatOf parses and compiles a format.
func formatOf(t testing.TB, text string, use Use) *Format {
	t.Helper()
	keyword := map[Use]string{ForLog: "log-format", ForID: "unique-id-format"}[use]
	conf, _, err := config.Parse([]config.Source{{Name: "t.cfg", Text: []byte("frontend px\n mode tcp\n bind :1\n log 127.0.0.1 local0\n " + keyword + " \"" + text + "\"\n")}}, config.Options{})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	parsed := conf.Proxies[0].LogFormat
	if use == ForID {
		parsed = conf.Proxies[0].UniqueIDFormat
	}
	f, err := testCompiler().Format(parsed, use)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return f
}

func visited() *Stream {
	s := testStream()
	s.Session = visitor{
		numbers: map[Detail]int64{Accepted: 1e18 + 7e6, ConnectTime: 3, DataTime: 5, HandshakeTime: 1, TotalTime: 10, QueueTime: 2, BytesOut: 700, BytesIn: 300,
			Partial: 1, Retries: 2, Redispatched: 1, SessionNumber: 0xabcde, LogLines: 10, BackendQueued: 4, ServerQueued: 6},
		texts: map[Detail]string{ServerName: "s1", UniqueID: `a"b`, Termination: "sD"},
		ends: map[Detail]End{ClientEnd: {Addr: netip.MustParseAddrPort("192.0.2.77:40001")}, LocalEnd: {Unix: true, ID: 7},
			ServerEnd: {Addr: netip.MustParseAddrPort("[2001:db8::9]:80")}},
	}
	return s
}

// TestFormat checks what depends on time or is rare; the rest is compared with HAProxy
// in pkg/proxy.
func TestFormat(t *testing.T) {
	tests := []struct {
		name, format, want string
		use                Use
	}{
		{"seconds", "%Ts %{+X}Ts", "1000000000 3B9ACA00", ForLog},
		{"milliseconds", "%ms %{+X}ms", "007 07", ForLog},
		{"date in UTC", "%T", "09/Sep/2001:01:46:40 +0000", ForLog},
		{"times", "%Tc/%Td/%Th/%Tt/%Tu/%Tw", "3/5/1/+10/+10/2", ForLog},
		{"bytes", "%B %U", "+700 300", ForLog},
		{"retries", "%rc", "+2", ForID},
		{"numbers", "%rt %lc %{+X}rt %{+X}lc %{+X}pid", "703710 10 ABCDE 000A 004D", ForID},
		{"queues", "%bq %sq", "4 6", ForLog},
		{"UNIX socket", "%fi:%fp %{+Q}fi %{+X}fp", `unix:7 "unix" 0007`, ForLog},
		{"no source", "%bi:%bp %{+Q}bi %{+X}bi", `-:- "" -`, ForLog},
		{"no source in an id", "%bi:%bp", ":", ForID},
		{"IPv6", "%si %{+X}si %{+Q}si", `2001:db8::9 20010DB8000000000000000000000009 "2001:db8::9"`, ForLog},
		{"id in a log", "%ID %{+Q}ID %{+E}ID", `a"b "a"b" a\"b`, ForLog},
		{"termination", "%{+Q,+X}ts", "sD", ForLog},
		{"host", "%H", "lb1", ForLog},
		{"parts that are switched off", "%{+X,+Q}o%cp %{-X}cp %f %{-Q}f", `9C41 40001 "px" px`, ForLog},
	}
	s := visited()
	for _, tt := range tests {
		if got := string(formatOf(t, tt.format, tt.use).Append(nil, 0, s)); got != tt.want {
			t.Errorf("%s: %q = %q, want %q", tt.name, tt.format, got, tt.want)
		}
	}
	s.Session, s.Backend = visitor{}, nil
	if got, want := string(formatOf(t, "%b/%s", ForLog).Append(nil, 0, s)), "px/<NOSRV>"; got != want {
		t.Errorf("without a backend: %q, want %q", got, want)
	}
}

// TestFormatLimit checks that texts are cut and all else is left out as a whole.
func TestFormatLimit(t *testing.T) {
	for format, want := range map[string]string{"12345678%ci": "12345678192", "12345678%cp": "12345678", "1234567890%{+Q}f": "1234567890", "123456789%{+X}ci": "123456789",
		"123456789%[int(12345)]": "12345678912", "123456789012345": "12345678901", "12345 6789 12": "12345 6789 "} {
		if got := string(formatOf(t, format, ForID).Append([]byte("x"), 11, visited())); got != "x"+want {
			t.Errorf("%q = %q, want %q behind x", format, got, want)
		}
	}
}

// TestLateFormats compares with when HAProxy writes lines that have nothing but one
// variable: what is not here it writes as soon as the server is reached.
func TestLateFormats(t *testing.T) {
	late := " Tc Td Th Tt Tu Tw B U ID ac bc bq fc rc sc sq ts "
	for _, v := range config.LogVariables() {
		if v.State != config.Done || v.Name == "o" {
			continue
		}
		if got, want := formatOf(t, "%"+v.Name, ForLog).Late(), strings.Contains(late, " "+v.Name+" "); got != want {
			t.Errorf("%%%s: late: %v, want %v", v.Name, got, want)
		}
	}
	if formatOf(t, "%[src] hello", ForLog).Late() {
		t.Error("an expression makes a line late")
	}
}

// TestNeeds checks that sessions are told what to note.
func TestNeeds(t *testing.T) {
	for format, d := range map[string]Detail{"%bp": SourceEnd, "%si": ServerEnd, "%fi": LocalEnd, "%rt": SessionNumber, "%lc": LogLines} {
		c := testCompiler()
		if c.Needs(d) {
			t.Errorf("%s: needed without it", format)
		}
		if _, err := c.variable(format[1:]); err != nil || !c.Needs(d) {
			t.Errorf("%s: not needed, %v", format, err)
		}
	}
}

func TestFormatsDoNotAllocate(t *testing.T) {
	s := visited()
	b := make([]byte, 0, 1000)
	for _, text := range []string{"%ci:%cp [%t] %f %b/%s %Tw/%Tc/%Tt %B %ts %ac/%fc/%bc/%sc/%rc %sq/%bq", "%{+X}o %ci:%cp_%fi:%fp_%Ts_%rt:%pid", "%[src,upper] %[dst_port] %ID %{+Q}s"} {
		f := formatOf(t, text, ForLog)
		f.Append(b, 0, s)
		if n := testing.AllocsPerRun(100, func() { f.Append(b, 0, s) }); n != 0 {
			t.Errorf("%s: %v allocations, want 0", text, n)
		}
	}
}

// TestStructuredIsRefused checks the flags that are not there yet.
func TestStructuredIsRefused(t *testing.T) {
	for _, flag := range []string{"json", "cbor"} {
		text := fmt.Sprintf("frontend px\n mode tcp\n bind :1\n log-format \"%%{+%s}o %%(a)ci\"\n", flag)
		if _, _, err := config.Parse([]config.Source{{Name: "t.cfg", Text: []byte(text)}}, config.Options{}); err == nil || !strings.Contains(err.Error(), "flag '"+flag+"'") {
			t.Errorf("%s: %v", flag, err)
		}
	}
}
