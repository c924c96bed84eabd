package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/sluice-lb/sluice/ci/loopback"
)

// startServers starts redis, nginx as a web server, MariaDB with a table for sysbench, and two stream
// servers of our own: one that sends as long as the client reads, and one that
// reads what comes and answers with its length.
func (b *bench) startServers(ctx context.Context) error {
	ports, err := freePorts()
	if err != nil {
		return err
	}
	b.ports = ports
	if err := b.startServer(ctx, ports.redis, "redis-server", "--port", strconv.Itoa(ports.redis), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
		"--dir", b.dir, "--maxclients", "10000"); err != nil {
		return err
	}
	if err := b.startMariaDB(ctx); err != nil {
		return err
	}
	if err := b.startNginx(ctx); err != nil {
		return err
	}
	if err := listenStream(ports.down, func(c net.Conn) {
		block := make([]byte, 256<<10)
		for {
			if _, err := c.Write(block); err != nil {
				return
			}
		}
	}); err != nil {
		return err
	}
	return listenStream(ports.up, func(c net.Conn) {
		n, _ := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{c}, make([]byte, 256<<10))
		fmt.Fprint(c, n)
	})
}

// startServer starts a program and returns when it accepts at port.
func (b *bench) startServer(ctx context.Context, port int, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	log, err := os.Create(filepath.Join(b.dir, filepath.Base(name)+".log"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%w: sh ci/setup.sh bench installs it", err)
	}
	b.servers = append(b.servers, cmd)
	return awaitPort(ctx, port)
}

// startNginx serves 1 KiB at every path.
func (b *bench) startNginx(ctx context.Context) error {
	config := filepath.Join(b.dir, "web.conf")
	text := fmt.Sprintf("user root;\ndaemon off;\nworker_processes 1;\npid %[1]s/web.pid;\nerror_log %[1]s/web.log;\nworker_rlimit_nofile 4000;\nevents { worker_connections 2000; }\n"+
		"http { access_log off; keepalive_requests 100000000; server { listen 127.0.0.1:%[2]d; return 200 %[3]s; } }\n", b.dir, b.ports.http, strings.Repeat("x", 1024))
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		return err
	}
	return b.startServer(ctx, b.ports.http, "/usr/sbin/nginx", "-c", config)
}

func (b *bench) startMariaDB(ctx context.Context) error {
	data := filepath.Join(b.dir, "mariadb")
	install := exec.CommandContext(ctx, "mariadb-install-db", "--user=root", "--datadir="+data, "--auth-root-authentication-method=normal", "--skip-test-db")
	if out, err := install.CombinedOutput(); err != nil {
		return fmt.Errorf("mariadb-install-db: %w\n%s", err, out)
	}
	socket := filepath.Join(b.dir, "mariadb.sock")
	if err := b.startServer(ctx, b.ports.mysql, "mariadbd", "--no-defaults", "--user=root", "--datadir="+data, "--socket="+socket, "--bind-address=127.0.0.1",
		"--port="+strconv.Itoa(b.ports.mysql), "--max-connections=300", "--innodb-flush-log-at-trx-commit=0"); err != nil {
		return err
	}
	for _, sql := range []string{"CREATE DATABASE sbtest", "CREATE USER sbtest@'%' IDENTIFIED BY 'sbtest'", "GRANT ALL ON sbtest.* TO sbtest@'%'"} {
		if out, err := exec.CommandContext(ctx, "mariadb", "--no-defaults", "-uroot", "--socket="+socket, "-e", sql).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", sql, err, out)
		}
	}
	if out, err := b.sysbench(ctx, b.ports.mysql, "prepare"); err != nil {
		return fmt.Errorf("sysbench prepare: %w\n%s", err, out)
	}
	return nil
}

func (b *bench) sysbench(ctx context.Context, port int, command string) ([]byte, error) {
	return exec.CommandContext(ctx, "sysbench", "oltp_point_select", "--db-driver=mysql", "--mysql-host=127.0.0.1", "--mysql-port="+strconv.Itoa(port),
		"--mysql-user=sbtest", "--mysql-password=sbtest", "--tables=1", "--table-size=10000", "--threads=8",
		fmt.Sprintf("--time=%.0f", b.seconds.Seconds()), "--percentile=99", command).CombinedOutput()
}

// listenStream serves connections until the process ends.
func listenStream(port int, serve func(net.Conn)) error {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return err
	}
	go loopback.Serve(l, serve)
	return nil
}

func (b *bench) stopServers() {
	for _, cmd := range b.servers {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}
}
