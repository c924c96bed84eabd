package config

import (
	"errors"
	"fmt"
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
