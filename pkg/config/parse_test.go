package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/go-multierror"
)

// parseText parses one text as t.cfg in an empty environment.
func parseText(text string) (*Config, []*Diagnostic, []*Diagnostic) {
	cfg, warnings, err := Parse([]Source{{Name: "t.cfg", Text: []byte(text)}}, Options{})
	return cfg, warnings, alertsOf(err)
}

func alertsOf(err error) []*Diagnostic {
	var all *multierror.Error
	if !errors.As(err, &all) {
		return nil
	}
	var alerts []*Diagnostic
	for _, e := range all.Errors {
		var d *Diagnostic
		if errors.As(e, &d) {
			alerts = append(alerts, d)
		}
	}
	return alerts
}

func format(diags []*Diagnostic) string {
	var b strings.Builder
	for _, d := range diags {
		fmt.Fprintln(&b, d)
	}
	return b.String()
}

// example is the product's first documented configuration.
const example = `frontend mysql
   mode tcp
   bind :3306
   default_backend mysql_servers
backend mysql_servers
   mode tcp
   balance leastconn
   server s1
   server s2
`

func TestParseExample(t *testing.T) {
	cfg, warnings, alerts := parseText(example)
	if alerts != nil {
		t.Fatalf("Parse(example) = %s, want no alert", format(alerts))
	}
	want := "t.cfg:1:10: missing timeouts for frontend 'mysql'; accepted: a non-zero 'timeout' for 'client'\n" +
		"t.cfg:5:9: missing timeouts for backend 'mysql_servers'; accepted: a non-zero 'timeout' for 'connect', 'server'\n"
	if got := format(warnings); got != want {
		t.Errorf("warnings = %s, want %s", got, want)
	}
	servers := cfg.Proxy("mysql_servers", false, true).Servers
	if len(servers) != 2 || servers[1].Host != "s2" || !servers[1].PortRelative || servers[1].Port != 0 {
		t.Errorf("servers = %+v, want s1 and s2 at their names and the client's port", servers)
	}
}

func TestParseSources(t *testing.T) {
	sources := []Source{
		{Name: "b.cfg", Text: []byte("defaults\n timeout client 1s\n timout\n")},
		{Name: "a.cfg", Text: []byte("maxconn 1\nfrontend f\n bind x\n")},
	}
	cfg, _, err := Parse(sources, Options{})
	if cfg != nil {
		t.Errorf("Parse = %v with an error, want nil", cfg)
	}
	want := "b.cfg:3:2: unknown keyword 'timout' in 'defaults' section (did you mean \"timeout\"?); " +
		"accepted: acl, backlog, balance, clitcpka-cnt, clitcpka-idle, clitcpka-intvl, default-server, default_backend, disabled, enabled, fullconn, hash-balance-factor, hash-type, log, log-format, maxconn, mode, option, rate-limit, retries, source, srvtcpka-cnt, srvtcpka-idle, srvtcpka-intvl, tcp-request, timeout, transparent, unique-id-format\n" +
		"a.cfg:1:1: unknown keyword 'maxconn' out of section; accepted: global, defaults, frontend, backend, listen\n" +
		"a.cfg:3:7: missing port specification in 'x'; accepted: " + bindForm
	if err == nil || err.Error() != want {
		t.Errorf("Parse = %v, want %s", err, want)
	}
	var d *Diagnostic
	if !errors.As(err, &d) || d.Pos.File != "b.cfg" {
		t.Errorf("errors.As(%v) = %v, want the first diagnostic", err, d)
	}
}

func TestParseEnvironment(t *testing.T) {
	text := `global
 setenv PORT 81
 presetenv PORT 82
 presetenv OWN 83
 unsetenv A
defaults
 timeout client 1s
frontend f
 bind ":${PORT}","[::1]:${OWN}"
 description "${A-unset}/${LIST}/$.SECTION/$.LINE/$.FILE"
global
 resetenv OWN
frontend g
 bind ":${PORT-99}","[::1]:${OWN}"
`
	cfg, _, err := Parse([]Source{{Name: "t.cfg", Text: []byte(text)}}, Options{Getenv: testEnv})
	if err != nil {
		t.Fatal(err)
	}
	f, g := cfg.Proxies[0], cfg.Proxies[1]
	if got := fmt.Sprint(f.Binds[0].Addr, f.Binds[1].Addr, g.Binds[0].Addr, g.Binds[1].Addr); got != "0.0.0.0:81 [::1]:83 0.0.0.0:99 [::1]:83" {
		t.Errorf("addresses = %s", got)
	}
	if want := "unset/ x  y z/f/10/t.cfg"; f.Description != want {
		t.Errorf("description = %q, want %q", f.Description, want)
	}
}

func TestParseMode(t *testing.T) {
	overridden := "defaults\n mode http\n option httplog\nfrontend f\n mode tcp\n bind :1\n log stdout local0\n timeout client 1s\n"
	cfg, _, alerts := parseText(overridden)
	if alerts != nil || !cfg.Proxies[0].TCPLog {
		t.Errorf("Parse(%q) = %s, want no alert and the TCP log format", overridden, format(alerts))
	}
	used := "defaults\n mode http\n timeout client 1s\nfrontend f\n bind :1\nfrontend g\n bind :2\n"
	_, _, alerts = parseText(used)
	if len(alerts) != 1 || alerts[0].Pos.Line != 2 || !alerts[0].Unsupported {
		t.Errorf("Parse(%q) = %s, want one alert at line 2 marked as unsupported", used, format(alerts))
	}
}

func TestDefaultsUsedBothWays(t *testing.T) {
	_, warnings, alerts := parseText("defaults d\n timeout client 1s\nbackend b from d\nfrontend f\n bind :1\n")
	if alerts != nil || len(warnings) != 1 || warnings[0].Pos.Line != 4 {
		t.Errorf("warnings = %s, alerts = %s, want one warning at line 4", format(warnings), format(alerts))
	}
}

func TestReadFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b.cfg", "a.cfg", "c.txt", ".d.cfg"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sources, err := ReadFiles([]string{filepath.Join(dir, "c.txt"), dir})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range sources {
		got = append(got, filepath.Base(s.Name)+"="+string(s.Text))
	}
	if want := []string{"c.txt=c.txt", "a.cfg=a.cfg", "b.cfg=b.cfg"}; !slices.Equal(got, want) {
		t.Errorf("ReadFiles = %v, want %v", got, want)
	}
	if _, err := ReadFiles([]string{filepath.Join(dir, "none")}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("ReadFiles(none) = %v, want os.ErrNotExist", err)
	}
}

func TestBindLimit(t *testing.T) {
	_, _, alerts := parseText("frontend f\n bind :1-65535,:1-65535,:1-65535\n bind :80\n")
	if len(alerts) != 1 || alerts[0].Pos.Line != 2 || alerts[0].Pos.Col != 16 {
		t.Errorf("alerts = %s, want one at 2:16", format(alerts))
	}
}
