package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// peer is one proxy program.
type peer struct {
	name, version string
	config        func(dir string, listen, servers serverPorts) string
	command       func(file string) *exec.Cmd
}

// serverPorts are the ports of the servers, or those of a proxy in front of them.
type serverPorts struct{ redis, mysql, down, up, http int }

// pairs lists listening port and server port of each service.
func pairs(listen, servers serverPorts) [][2]int {
	return [][2]int{{listen.redis, servers.redis}, {listen.mysql, servers.mysql}, {listen.down, servers.down}, {listen.up, servers.up}, {listen.http, servers.http}}
}

// haproxyConfig is what haproxy and Sluice both get. Sessions are logged by none.
func haproxyConfig(_ string, listen, servers serverPorts) string {
	return haproxyMode("tcp", listen, servers)
}

// haproxyMode is haproxyConfig with a mode for the HTTP service.
func haproxyMode(mode string, listen, servers serverPorts) string {
	var s strings.Builder
	fmt.Fprintf(&s, "global\n    maxconn 8000\n    nbthread %d\n", runtime.NumCPU())
	s.WriteString("defaults\n    mode tcp\n    timeout connect 5s\n    timeout client 1m\n    timeout server 1m\n")
	for i, p := range pairs(listen, servers) {
		fmt.Fprintf(&s, "listen l%d\n    bind 127.0.0.1:%d\n    server s1 127.0.0.1:%d\n", i, p[0], p[1])
		if p[0] == listen.http {
			fmt.Fprintf(&s, "    mode %s\n", mode)
		}
	}
	return s.String()
}

func sluicePeer(path string) peer {
	return peer{name: "sluice", version: firstLine(path, "-v"),
		config: func(dir string, listen, servers serverPorts) string {
			quiet := "defaults\n    log 127.0.0.1:9 local0 emerg\n"
			return strings.Replace(haproxyConfig(dir, listen, servers), "defaults\n", quiet, 1)
		},
		command: func(file string) *exec.Cmd { return exec.Command(path, "-q", "-db", "-f", file) }}
}

func haproxyPeer(name, path string) (peer, error) {
	found, err := exec.LookPath(path)
	if err != nil {
		return peer{}, fmt.Errorf("%s: %w: sh ci/setup.sh bench installs it", name, err)
	}
	return peer{name: name, version: firstLine(found, "-v"), config: haproxyConfig,
		command: func(file string) *exec.Cmd { return exec.Command(found, "-q", "-db", "-f", file) }}, nil
}

// inHTTPMode is a haproxy that reads the headers of the HTTP service.
func (p peer) inHTTPMode() peer {
	p.name += " mode http"
	p.config = func(_ string, listen, servers serverPorts) string { return haproxyMode("http", listen, servers) }
	return p
}

func nginxPeer() (peer, error) {
	path, err := exec.LookPath("/usr/sbin/nginx")
	const module = "/usr/lib/nginx/modules/ngx_stream_module.so"
	if _, missing := os.Stat(module); err != nil || missing != nil {
		return peer{}, fmt.Errorf("nginx with its stream module is missing: sh ci/setup.sh bench installs it")
	}
	config := func(dir string, listen, servers serverPorts) string {
		var s strings.Builder
		fmt.Fprintf(&s, "load_module %s;\nuser root;\ndaemon off;\nworker_processes %d;\npid %s/nginx.pid;\nerror_log %s/nginx.log;\n",
			module, runtime.NumCPU(), dir, dir)
		s.WriteString("worker_rlimit_nofile 16000;\nevents { worker_connections 8000; }\nstream {\n    proxy_connect_timeout 5s;\n    proxy_timeout 1m;\n    tcp_nodelay on;\n")
		for _, p := range pairs(listen, servers) {
			fmt.Fprintf(&s, "    server { listen 127.0.0.1:%d reuseport; proxy_pass 127.0.0.1:%d; }\n", p[0], p[1])
		}
		s.WriteString("}\n")
		return s.String()
	}
	return peer{name: "nginx", version: firstLine(path, "-v"), config: config,
		command: func(file string) *exec.Cmd { return exec.Command(path, "-c", file) }}, nil
}

// firstLine is the first line that a program prints, on either stream.
func firstLine(path string, arg string) string {
	out, _ := exec.Command(path, arg).CombinedOutput()
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(line)
}

// runningPeer is a started proxy.
type runningPeer struct {
	peer
	cmd   *exec.Cmd
	ports serverPorts
}

// startPeer starts the program and returns when it accepts on all its ports.
func (b *bench) startPeer(ctx context.Context, p peer) (*runningPeer, error) {
	ports, err := freePorts()
	if err != nil {
		return nil, err
	}
	file := filepath.Join(b.dir, p.name+".conf")
	if err := os.WriteFile(file, []byte(p.config(b.dir, ports, b.ports)), 0o644); err != nil {
		return nil, err
	}
	cmd := p.command(file)
	cmd.Stdout, cmd.Stderr = b.log, b.log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	r := &runningPeer{peer: p, cmd: cmd, ports: ports}
	for _, pair := range pairs(ports, b.ports) {
		if err := awaitPort(ctx, pair[0]); err != nil {
			r.stop()
			return nil, err
		}
	}
	return r, nil
}

func (r *runningPeer) stop() {
	_ = r.cmd.Process.Signal(syscall.SIGTERM)
	_ = r.cmd.Wait()
}

// freePorts returns ports that were free a moment ago. They are below those that
// the kernel gives to outgoing connections, of which a benchmark makes many.
func freePorts() (serverPorts, error) {
	const lowest, number = 20000, 12000
	var ports [5]int
	for i := range ports {
		var l net.Listener
		err := errors.New("no free port")
		for try := 0; err != nil && try < 100; try++ {
			l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", lowest+rand.IntN(number)))
		}
		if err != nil {
			return serverPorts{}, err
		}
		defer l.Close()
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return serverPorts{redis: ports[0], mysql: ports[1], down: ports[2], up: ports[3], http: ports[4]}, nil
}

// awaitPort returns when something accepts connections at the port.
func awaitPort(ctx context.Context, port int) error {
	deadline := time.Now().Add(30 * time.Second)
	for {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return conn.Close()
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return fmt.Errorf("port %d: %w", port, err)
		}
		runtime.Gosched()
		<-time.After(20 * time.Millisecond)
	}
}
