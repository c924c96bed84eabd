package netcfg

import (
	"fmt"
	"math/bits"
	"time"

	"golang.org/x/sys/unix"
)

// Clock is the clock that NTP= keeps.
type Clock interface {
	Now() time.Time
	// Step moves the clock at once; Slew lets it run faster or slower until offset
	// is made up, poll is the time to the next call.
	Step(offset time.Duration) error
	Slew(offset, poll time.Duration) error
}

// SystemClock is the kernel's clock, adjtimex(2). Slewing is the kernel's
// phase-locked loop, which learns the oscillator's error as well; with it set the
// kernel copies the time to the hardware clock.
type SystemClock struct{}

// Now returns the time.
func (SystemClock) Now() time.Time { return time.Now() }

// Step moves the clock at once.
func (SystemClock) Step(offset time.Duration) error {
	if _, err := unix.Adjtimex(stepping(offset)); err != nil {
		return fmt.Errorf("step clock by %v: %w", offset, err)
	}
	return nil
}

// Slew makes up the offset slowly; the kernel takes at most 0.5 s.
func (SystemClock) Slew(offset, poll time.Duration) error {
	if _, err := unix.Adjtimex(slewing(offset, poll)); err != nil {
		return fmt.Errorf("slew clock by %v: %w", offset, err)
	}
	return nil
}

func stepping(offset time.Duration) *unix.Timex {
	sec := offset / time.Second
	if offset%time.Second < 0 {
		sec-- // the fraction must not be negative
	}
	return &unix.Timex{Modes: unix.ADJ_SETOFFSET | unix.ADJ_NANO | unix.ADJ_STATUS | unix.ADJ_MAXERROR | unix.ADJ_ESTERROR,
		Status: unix.STA_PLL, Time: unix.Timeval{Sec: int64(sec), Usec: int64(offset - sec*time.Second)}}
}

// slewing has the loop's time constant fit the poll interval, as systemd-timesyncd
// does.
func slewing(offset, poll time.Duration) *unix.Timex {
	return &unix.Timex{Modes: unix.ADJ_OFFSET | unix.ADJ_NANO | unix.ADJ_STATUS | unix.ADJ_TIMECONST | unix.ADJ_MAXERROR | unix.ADJ_ESTERROR,
		Status: unix.STA_PLL, Offset: int64(offset), Constant: int64(max(0, bits.Len64(uint64(poll/time.Second))-1-6))}
}
