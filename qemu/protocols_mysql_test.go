package qemu

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// protocolsMySQL is the virtual address of section mysql.
const protocolsMySQL = "198.18.0.24"

// sysbenchDone is the line with the number of transactions.
var sysbenchDone = regexp.MustCompile(`transactions: +(\d+) `)

// sysbench runs transactions of reads and writes as prepared statements over TLS.
// With one thread, the same seed makes the same transactions. Without any, it
// makes the table.
func (p *protocols) sysbench(ctx context.Context, ns *Netns, host, database string, events, seed int) error {
	command := "run"
	if events == 0 {
		command = "prepare"
	}
	args := []string{"oltp_read_write", "--mysql-host=" + host, "--mysql-user=" + MariaDBUser, "--mysql-password=" + MariaDBPassword,
		"--mysql-ssl=on", "--mysql-db=" + database, "--tables=1", "--table-size=1000", "--threads=1", "--time=0",
		"--db-ps-mode=auto", "--events=" + fmt.Sprint(events), "--rand-seed=" + fmt.Sprint(seed), command}
	out, err := p.output(ctx, ns, "", "sysbench", args...)
	if err != nil || events == 0 {
		return err
	}
	if done := sysbenchDone.FindStringSubmatch(out); done == nil || done[1] != fmt.Sprint(events) {
		return fmt.Errorf("sysbench has not done its %d transactions: %s", events, tail(out))
	}
	return nil
}

// ask runs statements with the mysql command; its TLS options are for the file
// names in the directory work.
func (p *protocols) ask(ctx context.Context, ns *Netns, host, statements string, tls ...string) (string, error) {
	return p.output(ctx, ns, statements, "mysql", append([]string{"-h", host, "-u", MariaDBUser, "-p" + MariaDBPassword, "-N"}, tls...)...)
}

var withTLS = []string{"--ssl-ca=cacert.pem", "--ssl-cert=client-cert.pem", "--ssl-key=client-key.pem"}

// mysql: MariaDB. Its servers hold tables of their own, as the appliance copies
// nothing.
func (p *protocols) mysql() *pool {
	hostAddrs := []string{"198.18.0.31", "198.18.0.32"}
	return &pool{section: "mysql", spread: true,
		call: func(ctx context.Context, n int) error {
			return p.sysbench(ctx, p.client, protocolsMySQL, "load_test", 5, n+1)
		},
		contents: func(ctx context.Context, t *testing.T) {
			for _, host := range hostAddrs {
				if err := p.sysbench(ctx, p.admin, host, "load_test", 0, 1); err != nil {
					t.Fatal(err)
				}
				for _, database := range []string{"relayed", "direct"} {
					copied := "CREATE TABLE " + database + ".sbtest1 LIKE load_test.sbtest1; INSERT INTO " + database + ".sbtest1 SELECT * FROM load_test.sbtest1"
					if _, err := p.ask(ctx, p.admin, host, copied, withTLS...); err != nil {
						t.Fatal(err)
					}
				}
			}
			if cipher, err := p.ask(ctx, p.client, protocolsMySQL, "SHOW STATUS LIKE 'Ssl_cipher'", withTLS...); err != nil || !strings.Contains(cipher, "TLS_") {
				t.Errorf("the stream's cipher is %q, %v", cipher, err)
			}
			if out, err := p.ask(ctx, p.client, protocolsMySQL, "SELECT 1", "--skip-ssl"); err == nil || !strings.Contains(err.Error(), "Access denied") {
				t.Errorf("without TLS: %q, %v, want the server's refusal", out, err)
			}
			if err := p.sysbench(ctx, p.client, protocolsMySQL, "load_test", 30, 1); err != nil {
				t.Error(err)
			}
		},
		alone: func(ctx context.Context, t *testing.T, survivor int) { p.sameTables(ctx, t, hostAddrs[survivor]) },
	}
}

// sameTables does the same transactions through the appliance, on the only server
// that is up, and on that server directly: both tables have to end up the same.
func (p *protocols) sameTables(ctx context.Context, t *testing.T, host string) {
	t.Helper()
	sums := func() []string {
		out, err := p.ask(ctx, p.admin, host, "CHECKSUM TABLE relayed.sbtest1, direct.sbtest1", withTLS...)
		if f := strings.Fields(out); err == nil && len(f) == 4 {
			return []string{f[1], f[3]}
		}
		t.Fatalf("CHECKSUM TABLE: %q, %v", out, err)
		return nil
	}
	before := sums()
	if err := p.sysbench(ctx, p.client, protocolsMySQL, "relayed", 20, 7); err != nil {
		t.Fatal(err)
	}
	if err := p.sysbench(ctx, p.admin, host, "direct", 20, 7); err != nil {
		t.Fatal(err)
	}
	after := sums()
	if before[0] != before[1] || after[0] != after[1] || before[0] == after[0] {
		t.Errorf("checksums of the tables through the appliance and directly: %s, then %s; want them equal, and changed", before, after)
	}
}
