package qemu

import (
	"context"
	"net/netip"
)

// serverAddrs are the two database servers that the appliance's factory
// configuration and hosts table name.
var serverAddrs = []struct {
	name        string
	addr, addr6 string
}{
	{"s1", "198.18.0.11/24", "fd00:198:18::11/64"},
	{"s2", "198.18.0.12/24", "fd00:198:18::12/64"},
}

// StartServers starts the MariaDB servers s1 and s2 of the factory configuration.
func (l *Lab) StartServers(ctx context.Context, e *Engine) ([]*MariaDB, error) {
	var out []*MariaDB
	for _, s := range serverAddrs {
		m, err := l.StartMariaDB(ctx, e, s.name, netip.MustParsePrefix(s.addr), netip.MustParsePrefix(s.addr6))
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}
