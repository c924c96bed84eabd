package main

import (
	"net"

	"github.com/sluice-lb/sluice/pkg/config"
	"github.com/sluice-lb/sluice/pkg/ctl"
)

// predecessorSockets takes the listening sockets over from the process behind -x
// (management guide, section 3). "/dev/null" stands for none.
func (p *program) predecessorSockets() ([]ctl.Socket, error) {
	path := p.args.takeover
	if path == "" || path == "/dev/null" {
		return nil, nil
	}
	sockets, err := ctl.FetchSockets(path)
	if err != nil {
		p.say.message(config.Warning, "-x %s: %v (does its 'stats socket' line say 'expose-fd listeners'?)", path, err)
		p.say.message(config.Alert, "Failed to get the sockets from the old process!")
		return nil, exitCode(1)
	}
	return sockets, nil
}

// getSockets hands the listening sockets to a successor. A socket that is not
// exposed for that gives no answer: whatever came would be taken for sockets.
func (p *program) getSockets(conn *net.UnixConn, exposed bool) {
	if !exposed {
		p.log.Warn("listening sockets refused", "reason", "the stats socket has no 'expose-fd listeners'")
		return
	}
	err := p.engine.HandOver(func(sockets []ctl.Socket) error { return ctl.SendSockets(conn, sockets) })
	if err != nil {
		p.log.Warn("listening sockets not handed over", "error", err)
		return
	}
	p.log.Info("listening sockets handed over")
}
