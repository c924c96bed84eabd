package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"regexp"
	"strconv"
	"time"
)

// sample holds the figures of one measurement, by name of the column.
type sample map[string]float64

// The columns and what they mean; a lower value is better but for the rate.
const (
	colRate   = "requests/s"
	colP50    = "p50 ms"
	colP99    = "p99 ms"
	colP999   = "p99.9 ms"
	colCPU    = "CPU us/op"
	colCPUGB  = "CPU s/GB"
	colMemory = "bytes/conn"
)

// work is one kind of load.
type work struct {
	name, title string
	columns     []string
	alsoReading bool // haproxy does it in HTTP mode too
	run         func(ctx context.Context, b *bench, p *runningPeer) (sample, error)
}

func works() []work {
	latency := []string{colRate, colP50, colP99, colP999, colCPU}
	return []work{
		{name: "redis-1", title: "redis GET, 1 connection", columns: latency, run: redisGet(1, 40_000, true)},
		{name: "redis-50", title: "redis GET, 50 connections", columns: latency, run: redisGet(50, 150_000, true)},
		{name: "redis-500", title: "redis GET, 500 connections", columns: latency, run: redisGet(500, 150_000, true)},
		{name: "short", title: "one redis GET for each connection, 50 at a time", columns: latency, run: redisGet(50, 25_000, false)},
		{name: "bulk-down", title: "bulk transfer, server to client", columns: []string{colCPUGB}, run: bulk(true)},
		{name: "bulk-up", title: "bulk transfer, client to server", columns: []string{colCPUGB}, run: bulk(false)},
		{name: "idle", title: "2,000 idle connections", columns: []string{colMemory}, run: idle(2000)},
		{name: "sysbench", title: "sysbench point selects on MariaDB, 8 connections", columns: []string{colRate, colP99, colCPU}, run: pointSelects},
		{name: "half-load", title: "redis GET at half the slowest proxy's rate, 50 connections", columns: []string{colP50, colP99, colP999, colCPU}, run: halfLoad},
		{name: "http", title: "HTTP with keep-alive, nginx behind, 50 connections", columns: []string{colRate, colP50, colP99, colCPU}, run: httpGet, alsoReading: true},
	}
}

var percentileLine = regexp.MustCompile(`(?m)^([0-9.]+)% <= ([0-9.]+) milliseconds`)
var rateLine = regexp.MustCompile(`throughput summary: ([0-9.]+) requests per second`)

// redisGet runs redis-benchmark through the proxy.
func redisGet(conns, requests int, keepalive bool) func(context.Context, *bench, *runningPeer) (sample, error) {
	return func(ctx context.Context, b *bench, p *runningPeer) (sample, error) {
		load := func(n int) ([]byte, error) {
			k := "1"
			if !keepalive {
				k = "0"
			}
			return exec.CommandContext(ctx, "redis-benchmark", "-h", "127.0.0.1", "-p", strconv.Itoa(p.ports.redis), "-c", strconv.Itoa(conns),
				"-n", strconv.Itoa(n), "-k", k, "-t", "get", "--precision", "3").CombinedOutput()
		}
		n := int(float64(requests) * b.scale)
		if out, err := load(max(n/20, conns)); err != nil { // warm-up
			return nil, fmt.Errorf("%w\n%s", err, out)
		}
		before := p.cpuTime()
		out, err := load(n)
		used := p.cpuTime() - before
		if err != nil {
			return nil, fmt.Errorf("%w\n%s", err, out)
		}
		rate := rateLine.FindSubmatch(out)
		if rate == nil {
			return nil, fmt.Errorf("redis-benchmark printed no rate:\n%s", out)
		}
		s := sample{colCPU: float64(used.Microseconds()) / float64(n)}
		s[colRate], _ = strconv.ParseFloat(string(rate[1]), 64)
		// The first line of the distribution at or above each percentile.
		for _, m := range percentileLine.FindAllSubmatch(out, -1) {
			at, _ := strconv.ParseFloat(string(m[1]), 64)
			ms, _ := strconv.ParseFloat(string(m[2]), 64)
			for limit, col := range map[float64]string{50: colP50, 99: colP99, 99.9: colP999} {
				if _, have := s[col]; !have && at >= limit {
					s[col] = ms
				}
			}
		}
		return s, nil
	}
}

// bulk moves some GB over four connections.
func bulk(down bool) func(context.Context, *bench, *runningPeer) (sample, error) {
	return func(_ context.Context, b *bench, p *runningPeer) (sample, error) {
		const conns = 4
		each := int64(b.scale * (1 << 30))
		before := p.cpuTime()
		errs := make(chan error, conns)
		for range conns {
			go func() {
				if down {
					errs <- download(p.ports.down, each)
				} else {
					errs <- upload(p.ports.up, each)
				}
			}()
		}
		var all error
		for range conns {
			all = errors.Join(all, <-errs)
		}
		used := p.cpuTime() - before
		return sample{colCPUGB: used.Seconds() / (float64(conns*each) / 1e9)}, all
	}
}

func download(port int, n int64) error {
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{io.LimitReader(c, n)}, make([]byte, 256<<10))
	return err
}

func upload(port int, n int64) error {
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return err
	}
	defer conn.Close()
	block := make([]byte, 256<<10)
	for sent := int64(0); sent < n; sent += int64(len(block)) {
		if _, err := conn.Write(block); err != nil {
			return err
		}
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		return err
	}
	_, err = io.ReadAll(conn) // the server has it all
	return err
}

// idle opens connections that have each had one answer, and looks at the memory.
func idle(conns int) func(context.Context, *bench, *runningPeer) (sample, error) {
	return func(_ context.Context, _ *bench, p *runningPeer) (sample, error) {
		open := func(n int) ([]net.Conn, error) {
			var list []net.Conn
			for range n {
				c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", p.ports.redis))
				if err != nil {
					return list, err
				}
				list = append(list, c)
				if err := ping(c); err != nil {
					return list, err
				}
			}
			return list, nil
		}
		closeAll := func(list []net.Conn) {
			for _, c := range list {
				_ = c.Close()
			}
		}
		first, err := open(50) // what is made once is not a connection's
		defer closeAll(first)
		if err != nil {
			return nil, err
		}
		before := p.memory()
		rest, err := open(conns)
		defer closeAll(rest)
		if err != nil {
			return nil, err
		}
		return sample{colMemory: float64(p.memory()-before) / float64(conns)}, nil
	}
}

func ping(c net.Conn) error {
	if _, err := io.WriteString(c, "PING\r\n"); err != nil {
		return err
	}
	var answer [7]byte
	_, err := io.ReadFull(c, answer[:])
	return err
}

var (
	queryLine   = regexp.MustCompile(`queries:\s+(\d+)\s+\(([0-9.]+) per sec`)
	percentile9 = regexp.MustCompile(`99th percentile:\s+([0-9.]+)`)
)

func pointSelects(ctx context.Context, b *bench, p *runningPeer) (sample, error) {
	before := p.cpuTime()
	out, err := b.sysbench(ctx, p.ports.mysql, "run")
	used := p.cpuTime() - before
	q, p99 := queryLine.FindSubmatch(out), percentile9.FindSubmatch(out)
	if err != nil || q == nil || p99 == nil {
		return nil, fmt.Errorf("sysbench: %w\n%s", err, out)
	}
	n, _ := strconv.ParseFloat(string(q[1]), 64)
	s := sample{colCPU: float64(used.Microseconds()) / n}
	s[colRate], _ = strconv.ParseFloat(string(q[2]), 64)
	s[colP99], _ = strconv.ParseFloat(string(p99[1]), 64)
	return s, nil
}

// halfLoad sends requests at a fixed rate. A request that could not be sent in
// time since the answer before it was late counts from when it was due.
func halfLoad(_ context.Context, b *bench, p *runningPeer) (sample, error) {
	const conns = 50
	if b.rate == 0 {
		return nil, errors.New("the rate is not known: redis-50 sets it")
	}
	gap := time.Duration(float64(conns) / b.rate * float64(time.Second))
	times := make([][]time.Duration, conns)
	errs := make(chan error, conns)
	before := p.cpuTime()
	begin := time.Now()
	for i := range conns {
		go func() {
			c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", p.ports.redis))
			if err != nil {
				errs <- err
				return
			}
			defer c.Close()
			due := begin.Add(gap * time.Duration(i) / conns)
			for time.Since(begin) < b.seconds {
				from := due
				if wait := time.Until(due); wait > 0 {
					<-time.After(wait)
					from = time.Now() // a timer that was late is not the proxy's fault
				}
				if err := ping(c); err != nil {
					errs <- err
					return
				}
				times[i] = append(times[i], time.Since(from))
				due = due.Add(gap)
			}
			errs <- nil
		}()
	}
	var all error
	for range conns {
		all = errors.Join(all, <-errs)
	}
	used := p.cpuTime() - before
	var merged []time.Duration
	for _, t := range times {
		merged = append(merged, t...)
	}
	if all != nil || len(merged) == 0 {
		return nil, fmt.Errorf("half load: %d answers: %w", len(merged), all)
	}
	return sample{
		colP50: quantile(merged, 0.5), colP99: quantile(merged, 0.99), colP999: quantile(merged, 0.999),
		colCPU: float64(used.Microseconds()) / float64(len(merged)),
	}, nil
}

var (
	wrkTotal   = regexp.MustCompile(`(?m)^\s+(\d+) requests in `)
	wrkRate    = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)
	wrkLatency = regexp.MustCompile(`(?m)^\s+(50|99)%\s+(\S+)`)
)

// httpGet runs wrk on the HTTP service.
func httpGet(ctx context.Context, b *bench, p *runningPeer) (sample, error) {
	load := func(d time.Duration) ([]byte, error) {
		return exec.CommandContext(ctx, "wrk", "-t1", "-c50", "--latency", fmt.Sprintf("-d%.0fs", max(d.Seconds(), 1)),
			fmt.Sprintf("http://127.0.0.1:%d/", p.ports.http)).CombinedOutput()
	}
	if out, err := load(time.Second); err != nil { // warm-up
		return nil, fmt.Errorf("wrk: %w\n%s", err, out)
	}
	before := p.cpuTime()
	out, err := load(b.seconds)
	used := p.cpuTime() - before
	total, rate := wrkTotal.FindSubmatch(out), wrkRate.FindSubmatch(out)
	if err != nil || total == nil || rate == nil {
		return nil, fmt.Errorf("wrk: %w\n%s", err, out)
	}
	if bytes.Contains(out, []byte("Socket errors")) || bytes.Contains(out, []byte("Non-2xx")) {
		return nil, fmt.Errorf("wrk met errors:\n%s", out)
	}
	n, _ := strconv.ParseFloat(string(total[1]), 64)
	s := sample{colCPU: float64(used.Microseconds()) / n}
	s[colRate], _ = strconv.ParseFloat(string(rate[1]), 64)
	for _, m := range wrkLatency.FindAllSubmatch(out, -1) {
		d, err := time.ParseDuration(string(m[2])) // wrk writes units as Go does
		if err != nil {
			return nil, fmt.Errorf("wrk: %w\n%s", err, out)
		}
		s["p"+string(m[1])+" ms"] = float64(d.Microseconds()) / 1000
	}
	return s, nil
}
