package netcfg

import (
	"encoding/hex"
	"net/netip"
	"testing"
	"time"
)

func TestFrames(t *testing.T) {
	src := mac{0x52, 0x54, 0, 0xaa, 0xbb, 0xcc}
	pad := "000000000000000000000000000000000000"
	for _, tt := range []struct {
		name, want string
		got        []byte
	}{
		{"request", "ffffffffffff525400aabbcc08060001080006040001525400aabbccc612000a000000000000c612000a" + pad,
			gratuitousARP(arpRequest, src, netip.MustParseAddr("198.18.0.10"))},
		{"reply", "ffffffffffff525400aabbcc08060001080006040002525400aabbccc612000affffffffffffc612000a" + pad,
			gratuitousARP(arpReply, src, netip.MustParseAddr("198.18.0.10"))},
		// The checksum was computed apart, over the pseudo header of RFC 8200 section 8.1.
		{"advertisement", "333300000001525400aabbcc86dd6000000000203afffd000198001800000000000000000010ff020000000000000000000000000001" +
			"8800" + "4a53" + "20000000fd0001980018000000000000000000100201525400aabbcc", unsolicitedNA(src, netip.MustParseAddr("fd00:198:18::10"))},
	} {
		if got := hex.EncodeToString(tt.got); got != tt.want {
			t.Errorf("%s =\n%s, want\n%s", tt.name, got, tt.want)
		}
	}
}

func TestAnnouncementSchedule(t *testing.T) {
	s, start, addr := announcements{}, time.Unix(0, 0), netip.MustParseAddr("198.18.0.10")
	s.add(start, 2, addr, Announce{Count: 2, Interval: time.Second})
	s.add(start, 3, addr, Announce{})
	for i, tt := range []struct {
		at   time.Duration
		want int
	}{{0, 1}, {999 * time.Millisecond, 0}, {time.Second, 1}, {time.Hour, 0}} {
		if got := s.due(start.Add(tt.at)); len(got) != tt.want {
			t.Errorf("step %d: due(%v) = %v, want %d", i, tt.at, got, tt.want)
		}
	}
	if at, any := s.next(); any {
		t.Errorf("next = %v, want nothing", at)
	}
}
