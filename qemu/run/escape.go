package main

// action is what a person asks of the lab on the terminal.
type action int

const (
	nothing action = iota
	powerOff
	help
)

// escape is the key that starts a command to the lab, ctrl-a as in QEMU.
const escape = 0x01

// keyboard tells commands to the lab from what is typed for the console.
type keyboard struct {
	escaped bool // the last byte was escape
}

// press takes one byte from the terminal: bytes for the console, or an action.
func (k *keyboard) press(b byte) ([]byte, action) {
	if !k.escaped {
		k.escaped = b == escape
		if k.escaped {
			return nil, nothing
		}
		return []byte{b}, nothing
	}
	k.escaped = false
	switch b {
	case 'x', 'X':
		return nil, powerOff
	case escape, 'a':
		return []byte{escape}, nothing
	default:
		return nil, help
	}
}
