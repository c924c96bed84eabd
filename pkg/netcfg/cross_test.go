package netcfg

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFaultsAcrossKeys has one file per row besides a sound one.
func TestFaultsAcrossKeys(t *testing.T) {
	const sound = "[Match]\nName=eth0\n[Network]\nAddress=198.18.0.2/24\n"
	for _, tt := range []struct{ name, file, text, want string }{
		{"gateway off link", "b.network", "[Match]\nName=eth1\n[Network]\nGateway=10.0.0.1\n", "b.network:4:9: gateway 10.0.0.1 is not on the link"},
		{"no match", "b.network", "[Network]\nAddress=10.0.0.1/8\n", "b.network:1:1: [Match] selects no link"},
		{"address twice", "b.network", "[Match]\nName=e\n[Network]\nAddress=10.0.0.1/8\nAddress=10.0.0.1/24\n", "b.network:5:9: address 10.0.0.1 was given on line 4 already"},
		{"vip without place", "b.vip", "[VIP]\nAddress=10.0.0.1/32\n", "b.vip:2:9: no .network file has an address whose prefix holds 10.0.0.1"},
		{"vip is static", "b.vip", "[VIP]\nAddress=198.18.0.2/32\n", "b.vip:2:9: address 198.18.0.2 is in a.network already"},
		{"vip glob", "b.vip", "[VIP]\nAddress=198.18.0.9/32\nLink=eth[\n", "b.vip:3:6: Link=: \"eth[\" is no glob"},
		{"ipv6 mtu", "b.network", "[Match]\nName=e\n[Link]\nMTUBytes=1000\n[Network]\nAddress=fd00::1/64\n", "b.network:6:9: IPv6 does not work"},
		{"families", "b.network", "[Match]\nName=e\n[Route]\nDestination=10.0.0.0/8\nGateway=fd00::1\n", "b.network:3:1: destination 10.0.0.0/8 and gateway fd00::1 are of different families"},
		{"dhcpv6", "b.network", "[Match]\nName=e\n[Network]\nDHCP=ipv6\n", "b.network:4:6: DHCP=: DHCPv6 is not there; IPv6AcceptRA=yes"},
		{"dhcp word", "b.network", "[Match]\nName=e\n[Network]\nDHCP=yse\n", "b.network:4:6: DHCP=: unknown word \"yse\" (did you mean \"yes\"?)"},
		{"client id", "b.network", "[Match]\nName=e\n[DHCPv4]\nClientIdentifier=duid-only\n", "b.network:4:18: ClientIdentifier=: unknown word"},
		{"dhcp host name", "b.network", "[Match]\nName=e\n[DHCPv4]\nHostname=a b\n", "b.network:4:10: Hostname=: \"a b\" is no host name"},
		{"dhcp metric", "b.network", "[Match]\nName=e\n[DHCPv4]\nRouteMetric=-1\n", "b.network:4:13: RouteMetric=: -1 is out of range"},
		{"ntp url", "b.network", "[Match]\nName=e\n[Network]\nNTP=ntp://x\n", "b.network:4:5: NTP=: \"ntp://x\" is no host name"},
		{"ntp half address", "b.network", "[Match]\nName=e\n[Network]\nNTP=10.0.0\n", "b.network:4:5: NTP=: \"10.0.0\" is no host name"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range map[string]string{"a.network": sound, tt.file: tt.text} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			_, err := Load(dir)
			if got := Diagnostics(err); len(got) != 1 || !strings.HasPrefix(got[0].Error(), dir+"/"+tt.want) {
				t.Errorf("Load = %v, want only %q", err, tt.want)
			}
		})
	}
}

func TestOverlappingMatchIsReported(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.network"), []byte("[Match]\nType=ether\n[Network]\nAddress=198.18.0.2/24\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	cfg, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	d := Resolve(cfg, newFakeOS().Links, nil)
	if want := "a.network matches eth0 and eth1: address 198.18.0.2 is set on eth0 only"; len(d.Problems) != 1 || d.Problems[0] != want {
		t.Errorf("Problems = %q, want %q", d.Problems, want)
	}
}

// TestWatchNotes checks what is kept of events between two looks.
func TestWatchNotes(t *testing.T) {
	link := func(kind uint16, index byte, flags uint32) syscall.NetlinkMessage {
		data := make([]byte, unix.SizeofIfInfomsg)
		data[4] = index
		data[8], data[9], data[10] = byte(flags), byte(flags>>8), byte(flags>>16)
		return syscall.NetlinkMessage{Header: syscall.NlMsghdr{Type: kind}, Data: data}
	}
	w := &Watch{}
	w.note([]syscall.NetlinkMessage{
		link(unix.RTM_NEWLINK, 2, unix.IFF_UP|unix.IFF_RUNNING|unix.IFF_LOWER_UP),
		link(unix.RTM_NEWLINK, 3, unix.IFF_UP), link(unix.RTM_DELLINK, 4, 0)}, false)
	w.note([]syscall.NetlinkMessage{link(unix.RTM_NEWLINK, 3, unix.IFF_UP|unix.IFF_RUNNING|unix.IFF_LOWER_UP)}, false)
	w.note(nil, true)
	got := w.Take()
	if len(got.NoCarrier) != 2 || !got.NoCarrier[3] || !got.NoCarrier[4] || got.Lost != 1 {
		t.Errorf("Take = %+v, want links 3 and 4 without carrier, 1 loss", got)
	}
	if again := w.Take(); again.NoCarrier != nil || again.Lost != 0 {
		t.Errorf("second Take = %+v, want nothing", again)
	}
}
