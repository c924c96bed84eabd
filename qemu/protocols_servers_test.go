package qemu

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// protocolImage is what the servers other than MariaDB are started from.
var protocolImage = debianImage{name: "protocols", recipe: "1",
	packages: "nginx-light,opensmtpd,redis-server,nfs-ganesha,nfs-ganesha-vfs,openssh-server"}

// The NFS client: libnfs of Debian 13. That of Debian 12 (4.0.0) cannot write
// pieces of 4,000 bytes and more over NFS v4.
const (
	nfsClientDir   = "nfs-client-1" // in the build folder
	nfsClientSuite = "trixie"
)

// service is one server of a pool.
type service struct {
	name  string                                 // of the server in the configuration
	pid   func(ctx context.Context) (int, error) // of the process whose end is the end of all its processes
	start func(ctx context.Context) error
}

// serverFiles are mounted at /etc/lab of all containers.
var serverFiles = map[string]string{
	"nginx.conf": `user www-data;
daemon off;
worker_processes 1;
error_log stderr;
events { worker_connections 512; }
http {
  access_log off;
  sendfile on;
  server { listen 80 backlog=512; root /lab/www; }
}
`,
	"smtpd.conf": `listen on 0.0.0.0 proxy-v2
table catchall { "@" = "mail" }
action "deliver" maildir "/lab/mail" virtual <catchall>
match from any for any action "deliver"
`,
	"redis.conf": `bind 0.0.0.0
protected-mode no
save ""
appendonly no
`,
	"ganesha.conf": `NFS_CORE_PARAM { Protocols = 3, 4; MNT_Port = 20048; Enable_NLM = false; Enable_RQUOTA = false; }
NFSV4 { Graceless = true; }
EXPORT {
  Export_Id = 1; Path = /export; Pseudo = /export; Protocols = 3, 4; Transports = TCP;
  Access_Type = RW; Squash = No_Root_Squash; SecType = sys; FSAL { Name = VFS; }
}
`,
	"sshd_config": `HostKey /etc/lab/hostkey
AuthorizedKeysFile /etc/lab/userkey.pub
StrictModes no
PasswordAuthentication no
UsePAM no
PermitRootLogin prohibit-password
MaxStartups 100
`,
	// Only a client with a certificate may log in, so only with TLS.
	"mariadb.sql": `CREATE OR REPLACE USER ` + MariaDBUser + `@'%' IDENTIFIED BY '` + MariaDBPassword + `' REQUIRE X509;
GRANT ALL ON *.* TO ` + MariaDBUser + `@'%';
CREATE DATABASE IF NOT EXISTS load_test;
CREATE DATABASE IF NOT EXISTS relayed;
CREATE DATABASE IF NOT EXISTS direct;
`,
}

// serverCommands start the servers, by the section of docs/protocols.md that they
// are in. rpcbind is for nfs-ganesha, which wants to register itself.
var serverCommands = map[string][]string{
	"web":   {protocolImage.tag(), "nginx", "-c", "/etc/lab/nginx.conf"},
	"mail":  {protocolImage.tag(), "smtpd", "-d", "-f", "/etc/lab/smtpd.conf"},
	"redis": {protocolImage.tag(), "redis-server", "/etc/lab/redis.conf"},
	"mysql": {mariadbImage.tag(), "mariadbd", "--user=mysql", "--bind-address=*", "--port=3306", "--socket=/tmp/mariadb.sock",
		"--pid-file=/tmp/mariadb.pid", "--skip-name-resolve", "--skip-log-bin", "--performance-schema=off",
		"--innodb-buffer-pool-size=16M", "--innodb-flush-log-at-trx-commit=0", "--init-file=/etc/lab/mariadb.sql",
		"--ssl-ca=/etc/lab/cert.pem", "--ssl-cert=/etc/lab/cert.pem", "--ssl-key=/etc/lab/key.pem"},
	// The file system VFS works with file handles, which Docker forbids.
	"nfs": {"--cap-add=DAC_READ_SEARCH", "--security-opt=seccomp=unconfined", protocolImage.tag(), "sh", "-c",
		"mkdir -p /run/ganesha && rpcbind -h 127.0.0.1 && exec ganesha.nfsd -F -L STDOUT -f /etc/lab/ganesha.conf"},
	"ssh": {protocolImage.tag(), "sh", "-c", "mkdir -p /run/sshd && exec /usr/sbin/sshd -D -e -f /etc/lab/sshd_config"},
}

// serverHost is a machine with one server of each pool.
type serverHost struct {
	dir    string // its own part of the lab's directory, /lab in its containers
	ns     *Netns
	holder string // the container that holds its network
}

// startServers puts two hosts on the segment and starts all servers on them. It
// returns the servers by section, in the order of the hosts.
func (p *protocols) startServers(ctx context.Context, t *testing.T) map[string][]*service {
	t.Helper()
	build := buildDir(t)
	e, err := p.lab.OpenEngine(ctx, build)
	if err != nil {
		t.Fatal(err)
	}
	for _, image := range []debianImage{mariadbImage, protocolImage} {
		if err := e.ensure(ctx, image, build, func(s string) { t.Log(s) }); err != nil {
			t.Fatal(err)
		}
	}
	p.writeServerFiles(ctx, t)
	out := map[string][]*service{}
	for i, addr := range []string{"198.18.0.31/24", "198.18.0.32/24"} {
		number := fmt.Sprint(i + 1)
		h := serverHost{dir: filepath.Join(p.lab.Dir, "host"+number)}
		for _, dir := range []string{"www", "mail"} {
			mkdir(t, filepath.Join(h.dir, dir))
		}
		h.holder, h.ns, err = p.lab.addContainerHost(ctx, e, protocolImage, "host"+number, netip.MustParsePrefix(addr))
		if err != nil {
			t.Fatal(err)
		}
		p.hosts = append(p.hosts, h)
		for section, command := range serverCommands {
			id, err := p.lab.runContainer(ctx, e, append([]string{"--network", "container:" + h.holder, "--volume", h.dir + ":/lab",
				"--volume", p.path("etc") + ":/etc/lab:ro", "--volume", p.path("export") + ":/export"}, command...)...)
			if err != nil {
				t.Fatalf("start %s%s: %v", section, number, err)
			}
			out[section] = append(out[section], containerService(e, section+number, id))
		}
		s, err := echoService("websocket"+number, h.ns)
		if err != nil {
			t.Fatal(err)
		}
		out["websocket"] = append(out["websocket"], s)
	}
	return out
}

// containerService is a server in a container of its own.
func containerService(e *Engine, name, id string) *service {
	return &service{name: name,
		pid: func(ctx context.Context) (int, error) { return e.pid(ctx, id) },
		start: func(ctx context.Context) error {
			_, err := e.run(ctx, "start", id)
			return err
		}}
}

// killAndWait kills a process and waits for its end. The first process of a
// container ends after all others of it. Then its port refuses connections.
func killAndWait(pid int) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return fmt.Errorf("find process %d: %w", pid, err)
	}
	defer unix.Close(fd)
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil {
		return fmt.Errorf("kill process %d: %w", pid, err)
	}
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(10*time.Second/time.Millisecond))
		if err == syscall.EINTR {
			continue
		}
		if n == 0 {
			err = fmt.Errorf("process %d does not end", pid)
		}
		return err
	}
}

// echoService is the test binary as a WebSocket server, see TestMain.
func echoService(name string, ns *Netns) (*service, error) {
	var proc *process
	start := func(context.Context) (err error) {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), echoServerEnv+"="+name)
		cmd.Stderr = os.Stderr
		proc, err = startProcess(ns, cmd, syscall.SIGKILL)
		return err
	}
	pid := func(context.Context) (int, error) { return proc.cmd.Process.Pid, nil }
	return &service{name: name, pid: pid, start: start}, start(context.Background())
}

// writeServerFiles writes configurations, keys and the directory that both NFS
// servers export.
func (p *protocols) writeServerFiles(ctx context.Context, t *testing.T) {
	t.Helper()
	if err := os.Chmod(p.lab.Dir, 0o711); err != nil { // the servers' users read below it
		t.Fatal(err)
	}
	for _, dir := range []string{"etc", "export", "work"} {
		mkdir(t, p.path(dir))
	}
	for name, text := range serverFiles {
		writeFile(t, p.path("etc", name), []byte(text))
	}
	for _, name := range []string{"hostkey", "userkey"} {
		out, err := exec.CommandContext(ctx, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", p.path("etc", name)).CombinedOutput()
		if err != nil {
			t.Fatalf("ssh-keygen: %v: %s", err, out)
		}
	}
	cert, key := selfSigned(t)
	writeFile(t, p.path("etc", "cert.pem"), cert)
	writeFile(t, p.path("etc", "key.pem"), key)
	// These are the names that sysbench looks for in its working directory.
	writeFile(t, p.path("work", "cacert.pem"), cert)
	writeFile(t, p.path("work", "client-cert.pem"), cert)
	writeFile(t, p.path("work", "client-key.pem"), key)
}

// path names a file in the lab's directory.
func (p *protocols) path(elem ...string) string {
	return filepath.Join(append([]string{p.lab.Dir}, elem...)...)
}

// mkdir makes a directory that the servers' users may write to.
func mkdir(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
}

// writeFile writes a file that the servers' users may read.
func writeFile(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// selfSigned makes a certificate that vouches for itself, for both ends.
func selfSigned(t *testing.T) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "lab"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

// ensureNFSClient makes sure that the NFS client is in the build folder and
// returns the command line that starts it: Debian 13's program with Debian 13's
// libraries, wherever it runs.
func ensureNFSClient(ctx context.Context, t *testing.T) []string {
	t.Helper()
	dir := filepath.Join(buildDir(t), nfsClientDir)
	if _, err := os.Stat(dir); err != nil {
		t.Log("unpacking the NFS client from Debian packages")
		if err := buildDebian(ctx, dir, nfsClientSuite, "extract", "libnfs-utils"); err != nil {
			t.Fatalf("unpack the NFS client: %v", err)
		}
	}
	lib := filepath.Join(dir, "usr/lib/x86_64-linux-gnu")
	return []string{filepath.Join(lib, "ld-linux-x86-64.so.2"), "--library-path", lib, filepath.Join(dir, "usr/bin/nfs-cp")}
}

// output runs a client program on a host of the lab, in the directory work, and
// returns its standard output. Its end is awaited; ctx kills it. It leaves the
// processors to the appliance, which is emulated.
func (p *protocols) output(ctx context.Context, ns *Netns, stdin string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "nice", append([]string{name}, args...)...)
	cmd.Dir = p.path("work")
	var stdout, stderr strings.Builder
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	if err := ns.Do(cmd.Run); err != nil {
		return stdout.String(), fmt.Errorf("%s: %w: %s %s", filepath.Base(name), err, tail(stdout.String()), tail(stderr.String()))
	}
	return stdout.String(), nil
}

// tail is the end of what a program has said, for messages.
func tail(text string) string { return strings.TrimSpace(text[max(0, len(text)-400):]) }
