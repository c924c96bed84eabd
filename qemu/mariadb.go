package qemu

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

// Account of the MariaDB servers, valid from everywhere in the lab.
const (
	MariaDBUser     = "sluice"
	MariaDBPassword = "sluice"
)

// mariadbImage is what the MariaDB servers are started from.
var mariadbImage = debianImage{name: "mariadb", recipe: "1", packages: "mariadb-server"}

// mariadbInit runs at each start of a server.
const mariadbInit = "CREATE OR REPLACE USER " + MariaDBUser + "@'%' IDENTIFIED BY '" + MariaDBPassword + "';\n" +
	"GRANT ALL ON *.* TO " + MariaDBUser + "@'%';\n"

// ready is the server's line when it takes connections.
var ready = regexp.MustCompile(`ready for connections`)

// EnsureMariaDB makes sure that the engine has the MariaDB image: built once from
// Debian's packages, kept as a tar file in cacheDir, imported once per engine.
// progress is told about steps that take long.
func (e *Engine) EnsureMariaDB(ctx context.Context, cacheDir string, progress func(string)) error {
	return e.ensure(ctx, mariadbImage, cacheDir, progress)
}

// MariaDB is a MariaDB server on the segment. Its addresses belong to a second
// container that only holds the network, so they stay while the server is down:
// clients are then refused, as by a host whose service was stopped. For a host
// that is gone, see Lab.SetLink.
type MariaDB struct {
	Name   string // host name, also @@hostname
	Addr   netip.Addr
	engine *Engine
	id     string // the server's container
}

// StartMariaDB starts a server at addrs on port 3306 and waits until it takes
// connections.
func (l *Lab) StartMariaDB(ctx context.Context, e *Engine, name string, addrs ...netip.Prefix) (*MariaDB, error) {
	holder, _, err := l.addContainerHost(ctx, e, mariadbImage, name, addrs...)
	if err != nil {
		return nil, err
	}
	initFile := filepath.Join(l.Dir, "init.sql")
	if err := os.WriteFile(initFile, []byte(mariadbInit), 0o644); err != nil {
		return nil, err
	}
	if err := os.Chmod(l.Dir, 0o711); err != nil { // the server's user reads the file
		return nil, err
	}
	start := time.Now()
	id, err := l.runContainer(ctx, e, "--network", "container:"+holder, "--volume", initFile+":/init.sql:ro", mariadbImage.tag(),
		"mariadbd", "--user=mysql", "--bind-address=*", "--port=3306", "--socket=/tmp/mariadb.sock", "--pid-file=/tmp/mariadb.pid",
		"--skip-name-resolve", "--skip-log-bin", "--performance-schema=off", "--max-connections=600", "--back-log=512",
		"--innodb-buffer-pool-size=16M", "--innodb-flush-log-at-trx-commit=0", "--init-file=/init.sql",
		"--server-id="+strconv.Itoa(int(addrs[0].Addr().As4()[3])))
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	m := &MariaDB{Name: name, Addr: addrs[0].Addr(), engine: e, id: id}
	return m, m.awaitReady(ctx, start)
}

// Stop stops the server as an administrator would; its connections end.
func (m *MariaDB) Stop(ctx context.Context) error {
	_, err := m.engine.run(ctx, "stop", m.id)
	return err
}

// Start starts a stopped server and waits until it takes connections.
func (m *MariaDB) Start(ctx context.Context) error {
	start := time.Now()
	if _, err := m.engine.run(ctx, "start", m.id); err != nil {
		return err
	}
	return m.awaitReady(ctx, start)
}

func (m *MariaDB) awaitReady(ctx context.Context, since time.Time) error {
	if err := m.engine.awaitLog(ctx, m.id, since, ready, 2*time.Minute); err != nil {
		return fmt.Errorf("wait for MariaDB on %s: %w", m.Name, err)
	}
	return nil
}
