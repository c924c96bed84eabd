package proxy

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sluice-lb/sluice/pkg/config"
	"github.com/sluice-lb/sluice/pkg/ctl"
	"github.com/sluice-lb/sluice/pkg/evloop"
	"golang.org/x/sys/unix"
)

// unixConf is testConf with a UNIX socket in front.
func unixConf(path string, servers ...string) *config.Config {
	conf := testConf(netip.AddrPort{}, "leastconn", servers...)
	conf.Proxies[0].Binds = []config.Bind{{Path: path, ID: 1}}
	return conf
}

// adopt makes descriptors what an engine starts from.
func adopt(fds ...int) []ctl.Socket {
	var out []ctl.Socket
	for _, fd := range fds {
		out = append(out, ctl.Socket{FD: fd})
	}
	return out
}

func TestAdoptedUnixSocketServesItsBacklog(t *testing.T) {
	s := serve(t, named("s1"))
	path := filepath.Join(t.TempDir(), "front.sock")
	fd, err := evloop.ListenUnix(path, 0, evloop.Owner{UID: -1, GID: -1})
	if err != nil {
		t.Fatal(err)
	}
	early, err := net.Dial("unix", path) // nobody accepts yet
	if err != nil {
		t.Fatal(err)
	}
	defer early.Close()
	startRig(t, unixConf(path, "s1="+s.Addr().String()), Options{Adopted: adopt(fd)})
	if name := greeting(t, early); name != "s1" {
		t.Errorf("greeted by %q", name)
	}
}

// A predecessor that stops does not take the socket file of its successor away.
func TestStopLeavesSuccessorsUnixSocket(t *testing.T) {
	s := serve(t, named("s1"))
	path := filepath.Join(t.TempDir(), "front.sock")
	first := startRig(t, unixConf(path, "s1="+s.Addr().String()), Options{})
	second := startRig(t, unixConf(path, "s1="+s.Addr().String()), Options{})
	first.SoftStop()
	<-first.Done()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if name := greeting(t, c); name != "s1" {
		t.Errorf("greeted by %q", name)
	}
	_ = c.Close()
	second.SoftStop()
	<-second.Done()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the last one left %s: %v", path, err)
	}
}

// A kept socket that nothing binds any more is closed in the store too: there it
// would go on taking connections that nobody serves.
func TestUnusedAdoptedSocketLeavesStore(t *testing.T) {
	s := serve(t, named("s1"))
	fd, err := evloop.Listen(netip.MustParseAddrPort("127.0.0.1:0"), evloop.ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	addr, _, _ := evloop.ListenAddr(fd)
	name := storeName(&listener{key: addr.String()})
	store := memoryStore{name: true}
	startRig(t, testConf(freeAddr(t), "leastconn", "s1="+s.Addr().String()), Options{Adopted: adopt(fd), Store: store})
	if store[name] {
		t.Error("the socket stays in the store")
	}
}

// Two sockets of one address on two interfaces are told apart.
func TestAdoptedSocketsKeepTheirInterface(t *testing.T) {
	addr := freeAddr(t)
	conf := testConf(addr, "leastconn")
	conf.Proxies[0].Binds = append(conf.Proxies[0].Binds, config.Bind{Addr: addr, Interface: "lo", ID: 2})
	bound, err := evloop.Listen(addr, evloop.ListenOptions{Interface: "lo"})
	if err != nil {
		t.Skipf("cannot bind to an interface: %v", err)
	}
	free, err := evloop.Listen(addr, evloop.ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r := startRig(t, conf, Options{Adopted: adopt(bound, free)})
	for key, want := range map[string]int{addr.String(): free, addr.String() + "%lo": bound} {
		if l := r.listeners[key]; l == nil || l.fd != want {
			t.Errorf("listener %s = %+v, want descriptor %d", key, l, want)
		}
	}
}

// Sockets of one address in two namespaces, and one that may have foreign
// addresses, are told apart.
func TestAdoptedSocketsKeepTheirPlace(t *testing.T) {
	addr := freeAddr(t)
	listen := func(o evloop.ListenOptions) int {
		fd, err := evloop.Listen(addr, o)
		if err != nil {
			t.Skipf("%+v: %v", o, err)
		}
		return fd
	}
	there, here, transparent := listen(evloop.ListenOptions{}), listen(evloop.ListenOptions{}), listen(evloop.ListenOptions{Transparent: true})
	conf := testConf(addr, "leastconn")
	conf.Proxies[0].Binds = append(conf.Proxies[0].Binds, config.Bind{Addr: addr, ID: 2, Options: &config.BindOptions{Namespace: "there"}},
		config.Bind{Addr: addr, ID: 3, Options: &config.BindOptions{Transparent: true}})
	r := startRig(t, conf, Options{Adopted: []ctl.Socket{{FD: transparent}, {FD: there, Namespace: "there"}, {FD: here}}})
	for suffix, want := range map[string]int{"": here, ",namespace=there": there, ",transparent": transparent} {
		if l := r.listeners[addr.String()+suffix]; l == nil || l.fd != want {
			t.Errorf("listener %s = %+v, want descriptor %d", suffix, l, want)
		}
	}
}

// A process that has handed its sockets over leaves file and stored copy to the
// successor, unless there is none after all.
func TestHandOverLeavesFile(t *testing.T) {
	s := serve(t, named("s1"))
	for name, failure := range map[string]error{"handed over": nil, "failed": errors.New("the successor is gone")} {
		path := filepath.Join(t.TempDir(), "front.sock")
		store := memoryStore{}
		r := startRig(t, unixConf(path, "s1="+s.Addr().String()), Options{Store: store})
		var got []ctl.Socket
		err := r.HandOver(func(sockets []ctl.Socket) error { got = append(got, sockets...); return failure })
		if !errors.Is(err, failure) || len(got) != 1 {
			t.Errorf("%s: HandOver = %v with %d sockets", name, err, len(got))
		}
		r.SoftStop()
		<-r.Done()
		if _, err := os.Lstat(path); os.IsNotExist(err) == (failure == nil) {
			t.Errorf("%s: the file: %v", name, err)
		}
		if kept := len(store) > 0; kept != (failure == nil) {
			t.Errorf("%s: the store holds %v", name, store)
		}
	}
}

// A hand-over that fails before anything is sent leaves all sockets with us.
func TestHandOverThatCannotCopy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "front.sock")
	r := startRig(t, unixConf(path), Options{})
	broken := &listener{key: "broken", fd: -1}
	broken.bind.Store(&config.Bind{})
	r.mu.Lock()
	r.listeners[broken.key] = broken
	r.mu.Unlock()
	for range 20 { // in any order
		if err := r.HandOver(func([]ctl.Socket) error { return nil }); !errors.Is(err, unix.EBADF) {
			t.Fatalf("HandOver = %v, want EBADF", err)
		}
		if l := r.listeners["unix@"+path]; l.shared.Load() {
			t.Fatal("a socket counts as shared that nobody got")
		}
	}
	r.mu.Lock()
	delete(r.listeners, broken.key)
	r.mu.Unlock()
}

// A start that fails closes the sockets that it was given.
func TestFailedStartClosesAdopted(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(c *config.Config)
	}{
		{"limits", func(c *config.Config) { c.Global.Maxconn = 1 << 30 }},
		{"options", func(c *config.Config) { c.Proxies[0].Binds[0].Options = &config.BindOptions{MSS: 1 << 20} }},
		{"another bind line", func(c *config.Config) {
			c.Proxies[0].Binds = append(c.Proxies[0].Binds, config.Bind{Path: filepath.Join(t.TempDir(), "none", "x"), ID: 2})
		}},
	}
	for _, tt := range tests {
		fd, err := evloop.Listen(netip.MustParseAddrPort("127.0.0.1:0"), evloop.ListenOptions{})
		if err != nil {
			t.Fatal(err)
		}
		addr, _, _ := evloop.ListenAddr(fd)
		conf := testConf(addr, "leastconn")
		tt.spoil(conf)
		e, err := Start(conf, Options{Log: slog.New(slog.DiscardHandler), Resolver: hosts{}, Adopted: adopt(fd)})
		if err == nil {
			e.Stop()
			t.Fatalf("%s: it starts", tt.name)
		}
		if c, err := net.Dial("tcp", addr.String()); err == nil {
			_ = c.Close()
			_ = unix.Close(fd)
			t.Errorf("%s: the socket still listens", tt.name)
		}
	}
}

// Sockets from elsewhere, such as systemd's, get the options of our own.
func TestAdoptedSocketGetsOptions(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 8); err != nil {
		t.Fatal(err)
	}
	addr, _, err := evloop.ListenAddr(fd)
	if err != nil {
		t.Fatal(err)
	}
	conf := testConf(addr, "leastconn")
	startRig(t, conf, Options{Adopted: adopt(fd)})
	if n, err := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY); n != 1 || err != nil {
		t.Errorf("TCP_NODELAY = %d, %v, want 1", n, err)
	}
}

// Two bind lines for one address are two sockets, between which the kernel shares
// the connections; the check of a file accepts them with a warning.
func TestAddressBoundTwice(t *testing.T) {
	s := serve(t, named("s1"))
	addr := freeAddr(t)
	conf := testConf(addr, "leastconn", "s1="+s.Addr().String())
	conf.Proxies[0].Binds = append(conf.Proxies[0].Binds, config.Bind{Addr: addr, ID: 2})
	r := startRig(t, conf, Options{})
	if err := r.Reload(conf); err != nil {
		t.Fatal(err)
	}
	for range 8 {
		greeting(t, r.dial())
	}
	if n := len(r.listeners); n != 2 {
		t.Errorf("%d listeners, want 2", n)
	}
}

// A frontend that listens again binds sockets of its own beside those of another one
// at its address.
func TestResumeBesideAnotherFrontend(t *testing.T) {
	addr := freeAddr(t)
	conf := testConf(addr, "leastconn")
	conf.Proxies = append(conf.Proxies, &config.Proxy{Name: "fe2", Kind: config.Frontend, ID: 4, DefaultBackend: "be",
		Binds: []config.Bind{{Addr: addr, ID: 2}}})
	r := startRig(t, conf, Options{})
	for _, name := range []string{"fe", "fe2"} {
		for _, command := range []string{"disable frontend ", "enable frontend "} {
			if got := r.do(command + name); got != "" {
				t.Fatalf("%s%s: %s", command, name, got)
			}
		}
		var got []string
		for _, l := range r.listeners {
			got = append(got, l.frontend.Load().name)
		}
		slices.Sort(got)
		if !slices.Equal(got, []string{"fe", "fe2"}) {
			t.Errorf("after %s was paused the sockets are those of %q", name, got)
		}
	}
}

// An IPv6 wildcard takes IPv4 too unless "v6only" is said, or the system does.
func TestV6WildcardFollowsBindOptions(t *testing.T) {
	s := serve(t, named("s1"))
	tests := []struct {
		name         string
		v4v6, v6only bool
		want         int
	}{
		{"v4v6", true, false, 0},
		{"v6only", false, true, 1},
		{"v6only has precedence", true, true, 1},
		{"the system's default", false, false, systemV6Only(t)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bind := netip.AddrPortFrom(netip.IPv6Unspecified(), 0) // any that is free at all addresses
			conf := testConf(bind, "leastconn", "s1="+s.Addr().String())
			conf.Proxies[0].Binds[0].V4V6, conf.Proxies[0].Binds[0].V6Only = tt.v4v6, tt.v6only
			r := startRig(t, conf, Options{})
			for _, l := range r.listeners {
				if got, err := unix.GetsockoptInt(l.fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY); err != nil || got != tt.want {
					t.Errorf("IPV6_V6ONLY = %d, %v, want %d", got, err, tt.want)
				}
			}
		})
	}
}

func systemV6Only(t *testing.T) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Skipf("no IPv6: %v", err)
	}
	defer unix.Close(fd)
	n, err := unix.GetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
