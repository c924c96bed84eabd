package main

import "testing"

func TestKeyboard(t *testing.T) {
	tests := []struct {
		name, typed, console string
		actions              []action
	}{
		{"plain", "ls\r", "ls\r", nil},
		{"off", "a\x01xb", "ab", []action{powerOff}},
		{"off twice", "\x01x\x01X", "", []action{powerOff, powerOff}},
		{"literal", "\x01\x01\x01a", "\x01\x01", nil},
		{"unknown", "\x01?x", "x", []action{help}},
		{"interrupt goes to the console", "\x03", "\x03", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var k keyboard
			var console []byte
			var actions []action
			for _, b := range []byte(tt.typed) {
				out, act := k.press(b)
				console = append(console, out...)
				if act != nothing {
					actions = append(actions, act)
				}
			}
			if string(console) != tt.console {
				t.Errorf("console gets %q, want %q", console, tt.console)
			}
			if len(actions) != len(tt.actions) {
				t.Fatalf("actions %v, want %v", actions, tt.actions)
			}
			for i := range actions {
				if actions[i] != tt.actions[i] {
					t.Errorf("actions %v, want %v", actions, tt.actions)
				}
			}
		})
	}
}
