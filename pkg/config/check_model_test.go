package config

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// parsedSections parses a text whose lines are not all supported, which Parse
// gives no Config for.
func parsedSections(t *testing.T, text string) *parser {
	t.Helper()
	p := newParser(nil, Options{})
	p.parseSource(Source{Name: "t.cfg", Text: []byte(text)})
	for _, judge := range p.later {
		judge()
	}
	p.check()
	if p.faults() > 0 {
		t.Fatalf("Parse(%q): %s", text, format(p.diags))
	}
	return p
}

var ignorePos = cmpopts.IgnoreTypes(Pos{})

func TestHealthCheckModel(t *testing.T) {
	request := func(method, uri, version string, implied bool) *CheckRequest {
		return &CheckRequest{Method: method, URI: uri, Version: version, Implied: implied}
	}
	for _, c := range []struct {
		name, lines string
		want        *HealthCheck
	}{
		{"none", "", nil},
		{"only idle steps", "tcp-check connect", nil},
		{"tcp", "option tcp-check\n tcp-check comment c\n tcp-check connect port 80 addr 192.0.2.9:81 ssl linger comment d\n tcp-check send-binary 00ff\n tcp-check expect min-recv 3 ! string x",
			&HealthCheck{Kind: CheckTCP, Rules: []CheckRule{
				{Comment: "c"},
				{Comment: "d", Connect: &CheckConnect{Port: 80, Addr: CheckAddr{Host: "192.0.2.9", Port: 81}, SSL: true, Linger: true}},
				{Send: &CheckSend{Data: []byte{0, 255}}},
				{Expect: &CheckExpect{Not: true, What: "string", Pattern: "x", MinRecv: 3}},
			}}},
		{"mysql", "option mysql-check user u pre-41", &HealthCheck{Kind: CheckMySQL, User: "u", PreMySQL41: true}},
		{"smtp", "option smtpchk EHLO example.com", &HealthCheck{Kind: CheckSMTP, Hello: "EHLO example.com"}},
		{"the last counts", "option redis-check\n option ldap-check", &HealthCheck{Kind: CheckLDAP}},
		{"external", "option redis-check\n option external-check\n external-check command /bin/true\n external-check path /bin",
			&HealthCheck{Kind: CheckExternal, Command: "/bin/true", Path: "/bin"}},
		{"http by option", "option httpchk HEAD /x HTTP/1.1", &HealthCheck{Kind: CheckHTTP, Rules: []CheckRule{{Request: request("HEAD", "/x", "HTTP/1.1", true)}}}},
		{"http merged", "option httpchk /x\n http-check connect\n http-check send meth PUT\n http-check expect status 200-299,304\n http-check disable-on-404",
			&HealthCheck{Kind: CheckHTTP, DisableOn404: true, Rules: []CheckRule{
				{Connect: &CheckConnect{}},
				{Request: request("PUT", "/x", "HTTP/1.0", false)},
				{Expect: &CheckExpect{What: "status", Pattern: "200-299,304", MinRecv: -1, Codes: []StatusRange{{200, 299}, {304, 304}}}},
			}}},
	} {
		text := "global\n external-check\nbackend b\n timeout connect 1s\n timeout server 1s\n " + c.lines + "\n"
		got := parsedSections(t, text).sections[0].px.Check
		if diff := cmp.Diff(c.want, got, ignorePos); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", c.name, diff)
		}
	}
}

// TestHealthCheckDefaults holds that a proxy shares the steps of its defaults
// section until it has one of its own.
func TestHealthCheckDefaults(t *testing.T) {
	p := parsedSections(t, `defaults
 timeout connect 1s
 timeout server 1s
 option tcp-check
 tcp-check send a
backend shares
backend replaces
 tcp-check send b
backend turns
 option redis-check
frontend f
 timeout client 1s
 bind :1
`)
	want := []string{"tcp-check a", "tcp-check b", "redis-check", ""}
	var got []string
	for _, s := range p.sections {
		text := ""
		if h := s.px.Check; h != nil {
			text = string(h.Kind)
			for _, r := range h.Rules {
				text += " " + string(r.Send.Data)
			}
		}
		got = append(got, text)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("checks (-want +got):\n%s", diff)
	}
}

func TestServerCheckModel(t *testing.T) {
	p := parsedSections(t, `backend b
 timeout connect 1s
 timeout server 1s
 default-server check inter 5s agent-inter 7s
 server plain 192.0.2.1:80
 server same 192.0.2.2:80
 server own 192.0.2.3:80 rise 4 downinter 10 addr 192.0.2.9 port 81 slowstart 1500
 server off 192.0.2.4:80 no-check track own
`)
	servers := p.sections[0].px.Servers
	base := *newServerCheck()
	base.Enabled, base.Inter, base.Agent.Inter = true, 5*time.Second, 7*time.Second
	own := base
	own.Rise, own.DownInter, own.Addr.Host, own.Port, own.SlowStart = 4, 10*time.Millisecond, "192.0.2.9", 81, 2*time.Second
	off := base
	off.Enabled, off.Track = false, "own"
	for i, want := range []ServerCheck{base, base, own, off} {
		if diff := cmp.Diff(want, *servers[i].Check); diff != "" {
			t.Errorf("server %s (-want +got):\n%s", servers[i].Name, diff)
		}
	}
	if servers[0].Check != servers[1].Check {
		t.Error("servers without check options of their own do not share those of default-server")
	}
}

func TestMailModel(t *testing.T) {
	p := parsedSections(t, `mailers m
 timeout mail 3s
 mailer a 192.0.2.1:25
 mailer b mail.example.com:587
defaults
 timeout client 1s
 email-alert from f@example.com
 email-alert mailers m
frontend f
 bind :1
 email-alert to t@example.com
 email-alert level info
`)
	wantMailers := []*Mailers{{Name: "m", Timeout: 3 * time.Second, Servers: []Mailer{
		{Name: "a", Host: "192.0.2.1", Port: 25}, {Name: "b", Host: "mail.example.com", Port: 587}}}}
	if diff := cmp.Diff(wantMailers, p.cfg.Mailers, ignorePos); diff != "" {
		t.Errorf("mailers (-want +got):\n%s", diff)
	}
	want := &EmailAlert{From: "f@example.com", To: "t@example.com", Mailers: "m", Level: "info"}
	if diff := cmp.Diff(want, p.sections[0].px.EmailAlert); diff != "" {
		t.Errorf("email-alert (-want +got):\n%s", diff)
	}
}

// TestTrackChain holds that a long chain of tracking servers is judged in time
// that grows with its length only.
func TestTrackChain(t *testing.T) {
	const n = 20_000
	var b strings.Builder
	b.WriteString("backend b\n timeout connect 1s\n timeout server 1s\n server s0 192.0.2.1:80 check\n")
	prev := "s0"
	for i := range n {
		name := "t" + strconv.Itoa(i)
		b.WriteString(" server " + name + " 192.0.2.1:80 track " + prev + "\n")
		prev = name
	}
	start := time.Now()
	parsedSections(t, b.String())
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("%d tracking servers took %v", n, took)
	}
}
