package qemu

import (
	"database/sql"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestHostsReachEachOther(t *testing.T) {
	lab := newLab(t)
	ctx := testContext(t, time.Minute)
	client, err := lab.AddClient()
	if err != nil {
		t.Fatal(err)
	}
	server, err := lab.AddHost("server", netip.MustParsePrefix("198.18.0.13/24"), netip.MustParsePrefix("fd00:198:18::13/64"))
	if err != nil {
		t.Fatal(err)
	}
	for _, addr := range []string{"198.18.0.13:3306", "[fd00:198:18::13]:3306"} {
		l, err := server.Listen(ctx, "tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		go func() { // ends with l
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = io.WriteString(conn, conn.RemoteAddr().String())
				_ = conn.Close()
			}
		}()
		conn, err := client.DialContext(ctx, "tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(conn)
		if want := conn.LocalAddr().String(); err != nil || string(got) != want {
			t.Errorf("server at %s saw peer %q, %v, want %q", addr, got, err, want)
		}
		_ = conn.Close()
	}

	mac, err := client.AskARP(ctx, hostLink, netip.MustParseAddr("198.18.0.13"), 100*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	inner, err := server.nl.LinkByName(hostLink)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := mac.String(), inner.Attrs().HardwareAddr.String(); got != want {
		t.Errorf("ARP says 198.18.0.13 is at %s, want %s", got, want)
	}

	if err := lab.SetLink("server", false); err != nil {
		t.Fatal(err)
	}
	if mac, err := client.AskARP(testContext(t, time.Second), hostLink, netip.MustParseAddr("198.18.0.13"), 100*time.Millisecond); err == nil {
		t.Errorf("with the cable pulled %s still answers", mac)
	}
}

func TestNamespacesAreNotTheHosts(t *testing.T) {
	lab := newLab(t)
	client, err := lab.AddClient()
	if err != nil {
		t.Fatal(err)
	}
	here, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	out, err := client.CombinedOutput(t.Context(), "readlink", "/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	if string(out) == here+"\n" {
		t.Errorf("a program in the client's namespace ran in %s, which is the host's", here)
	}
	names, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range names {
		if link.Name == "lab" || link.Name == "client" {
			t.Errorf("link %s of the lab is in the host's namespace", link.Name)
		}
	}
}

func TestMariaDBInContainer(t *testing.T) {
	lab := newLab(t)
	ctx := testContext(t, 5*time.Minute)
	engine, err := lab.OpenEngine(ctx, buildDir(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Log(engine.About)
	if err := engine.EnsureMariaDB(ctx, buildDir(t), func(s string) { t.Log(s) }); err != nil {
		t.Fatal(err)
	}
	client, err := lab.AddClient()
	if err != nil {
		t.Fatal(err)
	}
	server, err := lab.StartMariaDB(ctx, engine, "s1", netip.MustParsePrefix("198.18.0.11/24"), netip.MustParsePrefix("fd00:198:18::11/64"))
	if err != nil {
		t.Fatal(err)
	}
	db := openMySQL(t, client, "198.18.0.11:3306")
	type row struct {
		Host string
		ID   int
	}
	whoAmI := func() (r row, err error) {
		err = db.QueryRowContext(ctx, "SELECT @@hostname, @@server_id").Scan(&r.Host, &r.ID)
		return r, err
	}
	got, err := whoAmI()
	if diff := cmp.Diff(row{"s1", 11}, got); err != nil || diff != "" {
		t.Fatalf("server is (-want +got), %v:\n%s", err, diff)
	}
	if err := Greeting(ctx, client.DialContext, "[fd00:198:18::11]:3306"); err != nil {
		t.Errorf("over IPv6: %v", err)
	}
	out, err := client.CombinedOutput(ctx, "mysql", "-h", "198.18.0.11", "-u", MariaDBUser, "-p"+MariaDBPassword, "-N", "-e", "SELECT @@hostname")
	if err != nil || string(out) != "s1\n" {
		t.Errorf("mysql printed %q, %v, want s1", out, err)
	}

	if err := server.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if conn, err := client.DialContext(ctx, "tcp", "198.18.0.11:3306"); err == nil {
		_ = conn.Close()
		t.Error("a stopped server takes connections")
	}
	if err := server.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if got, err := whoAmI(); err != nil || got.Host != "s1" {
		t.Errorf("after the restart the server is %q, %v, want s1", got.Host, err)
	}
}

// openMySQL returns a handle whose connections start at host and go to addr.
func openMySQL(t *testing.T, host *Netns, addr string) *sql.DB {
	t.Helper()
	db := sql.OpenDB(mysqlConnector(t, host, addr))
	db.SetMaxIdleConns(0) // each query that is not on a sql.Conn dials
	t.Cleanup(func() { _ = db.Close() })
	return db
}
