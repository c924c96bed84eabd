package qemu

import (
	"context"
	"database/sql/driver"
	"net"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

// mysqlConnector connects from host to the MariaDB server or VIP at addr.
func mysqlConnector(t *testing.T, host *Netns, addr string) driver.Connector {
	t.Helper()
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd = MariaDBUser, MariaDBPassword
	cfg.Net, cfg.Addr = "tcp", addr
	cfg.DBName = "mysql" // the engine of seq_1_to_N needs a database, no matter which
	cfg.Timeout = 30 * time.Second
	cfg.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		return host.DialContext(ctx, network, addr)
	}
	c, err := mysql.NewConnector(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
