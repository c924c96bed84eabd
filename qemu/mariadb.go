package qemu

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Account of the MariaDB servers, valid from everywhere in the lab.
const (
	MariaDBUser     = "sluice"
	MariaDBPassword = "sluice"
)

// mariadbImage is the image's name in the container engine; its recipe's number
// is the tag, so that a changed recipe makes a new image.
const mariadbImage = "sluice-lab/mariadb:" + mariadbRecipe

// mariadbRecipe is raised with every change to buildMariaDB.
const mariadbRecipe = "1"

// mariadbSuite is the Debian release that MariaDB comes from.
const mariadbSuite = "bookworm"

// mariadbInit runs at each start of a server.
const mariadbInit = "CREATE OR REPLACE USER " + MariaDBUser + "@'%' IDENTIFIED BY '" + MariaDBPassword + "';\n" +
	"GRANT ALL ON *.* TO " + MariaDBUser + "@'%';\n"

// ready is the server's line when it takes connections.
var ready = regexp.MustCompile(`ready for connections`)

// EnsureMariaDB makes sure that the engine has the MariaDB image: built once from
// Debian's packages, kept as a tar file in cacheDir, imported once per engine. No
// image registry is asked. progress is told about steps that take long.
func (e *Engine) EnsureMariaDB(ctx context.Context, cacheDir string, progress func(string)) error {
	if _, err := e.run(ctx, "image", "inspect", mariadbImage); err == nil {
		return nil
	}
	tar := filepath.Join(cacheDir, "mariadb-"+mariadbRecipe+".tar")
	if _, err := os.Stat(tar); errors.Is(err, fs.ErrNotExist) {
		progress("building the MariaDB image from Debian packages (about a minute, once)")
		if err := buildMariaDB(ctx, tar); err != nil {
			return err
		}
	}
	progress("importing the MariaDB image")
	if _, err := e.run(ctx, "import", tar, mariadbImage); err != nil {
		return err
	}
	return nil
}

// buildMariaDB writes a root file system with MariaDB to tar.
func buildMariaDB(ctx context.Context, tar string) error {
	if err := os.MkdirAll(filepath.Dir(tar), 0o755); err != nil {
		return err
	}
	tmp := tar + "." + strconv.Itoa(os.Getpid()) + ".tar"
	defer os.Remove(tmp) // nothing is there after the rename
	args := []string{"--variant=minbase", "--include=mariadb-server",
		"--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*",
		"--dpkgopt=path-exclude=/usr/share/locale/*", "--aptopt=Acquire::Retries 3",
		mariadbSuite, tmp}
	if mirror := hostMirror(ctx); mirror != "" {
		args = append(args, mirror)
	}
	out, err := exec.CommandContext(ctx, "mmdebstrap", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("build MariaDB image with mmdebstrap: %w: %s", err, out[max(0, len(out)-2000):])
	}
	return os.Rename(tmp, tar)
}

// hostMirror returns the Debian mirror that this machine's apt uses for the main
// archive, or "" to let mmdebstrap choose.
func hostMirror(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "apt-get", "indextargets",
		"--format", "$(ORIGIN)|$(LABEL)|$(SITE)|$(REPO_URI)", "Created-By: Packages").Output()
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSpace(line), "|")
		if len(f) == 4 && f[0] == "Debian" && f[1] == "Debian" && strings.HasPrefix(f[3], "http") {
			return strings.TrimSuffix(f[3], "/")
		}
	}
	return ""
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
	// As the first process of its container, sleep hears no signal but KILL.
	holder, err := l.runContainer(ctx, e, "--network", "none", "--hostname", name, "--stop-signal", "KILL", mariadbImage, "sleep", "infinity")
	if err != nil {
		return nil, fmt.Errorf("start network of %s: %w", name, err)
	}
	pid, err := e.pid(ctx, holder)
	if err != nil {
		return nil, err
	}
	ns, err := netnsOfProcess(name, pid)
	if err != nil {
		return nil, err
	}
	l.Defer(ns.Close)
	if err := l.plug(ns, addrs); err != nil {
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
	id, err := l.runContainer(ctx, e, "--network", "container:"+holder, "--volume", initFile+":/init.sql:ro", mariadbImage,
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
