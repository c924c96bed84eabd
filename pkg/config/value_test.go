package config

import (
	"testing"
	"time"
)

// silentParser is a parser outside of any file.
func silentParser() *parser {
	p := newParser(nil, Options{})
	p.width = 80
	return p
}

func TestDuration(t *testing.T) {
	tests := []struct {
		text     string
		want     time.Duration
		col      int // of the alert, 0: none
		warnings int
	}{
		{"0", 0, 0, 0},
		{"100", 100 * time.Millisecond, 0, 0},
		{"99", 99 * time.Millisecond, 0, 1},
		{"99ms", 99 * time.Millisecond, 0, 0},
		{"1us", time.Millisecond, 0, 0},
		{"1001us", 2 * time.Millisecond, 0, 0},
		{"5s", 5 * time.Second, 0, 0},
		{"2m", 2 * time.Minute, 0, 0},
		{"3h", 3 * time.Hour, 0, 0},
		{"24d", 24 * 24 * time.Hour, 0, 0},
		{"2147483647", 2147483647 * time.Millisecond, 0, 0},
		{"2147483648", 0, 5, 0},
		{"25d", 0, 5, 0},
		{"99999999999999999999", 0, 5, 0},
		{"", 0, 5, 0},
		{"s", 0, 5, 0},
		{"-1", 0, 5, 0},
		{"1S", 0, 6, 0},
		{"1.5s", 0, 6, 0},
		{"10 s", 0, 7, 0},
		{"10sx", 10 * time.Second, 0, 1},
		{"5min", 5 * time.Minute, 0, 1},
		{"5u", 0, 6, 0},
		{"5us1", time.Millisecond, 0, 1},
	}
	for _, tt := range tests {
		p := silentParser()
		got, ok := p.duration(Word{Text: tt.text, Col: 5}, "timeout")
		alerts, warnings := p.sorted()
		col := 0
		if len(alerts) == 1 {
			col = alerts[0].Pos.Col
		}
		if got != tt.want || ok != (tt.col == 0) || col != tt.col || len(warnings) != tt.warnings {
			t.Errorf("duration(%q) = %v, %v, alert at %d, %d warnings; want %v, alert at %d, %d warnings",
				tt.text, got, ok, col, len(warnings), tt.want, tt.col, tt.warnings)
		}
	}
}

func TestLooseInt(t *testing.T) {
	tests := []struct {
		text     string
		want     int
		warnings int
	}{
		{"0", 0, 0}, {"7", 7, 0}, {"007", 7, 0}, {"2147483647", 2147483647, 0}, {"2147483648", 2147483647, 1},
		{"99999999999999999999", 2147483647, 1}, {"-1", 0, 1}, {"+7", 7, 1}, {"7x", 7, 1}, {"x", 0, 1}, {"", 0, 1},
	}
	for _, tt := range tests {
		p := silentParser()
		got := p.looseInt(Word{Text: tt.text}, "maxconn")
		if alerts, warnings := p.sorted(); got != tt.want || len(warnings) != tt.warnings || len(alerts) != 0 {
			t.Errorf("looseInt(%q) = %d with %d warnings, want %d with %d", tt.text, got, len(warnings), tt.want, tt.warnings)
		}
	}
}
