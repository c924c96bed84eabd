package balance_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/sluice-lb/sluice/pkg/balance"
)

// hashTypes are all "hash-type" lines that name a function, and the two that do not.
func hashTypes() map[string]balance.HashType {
	types := map[string]balance.HashType{
		"map-based":  balance.DefaultHash(false),
		"consistent": balance.DefaultHash(true),
	}
	for _, consistent := range []bool{false, true} {
		for f := balance.SDBM; f <= balance.None; f++ {
			line := "map-based " + f.String()
			if consistent {
				line = "consistent " + f.String()
			}
			types[line] = balance.HashType{Consistent: consistent, Function: f}
			types[line+" avalanche"] = balance.HashType{Consistent: consistent, Function: f, Avalanche: true}
		}
	}
	return types
}

var hashWeights = [][]int{{1, 1, 1}, {1, 2, 3, 4}, {256, 1, 0, 100, 7}}

// numbers are keys that reach everywhere on the ring, for each function.
func numbers(n int) []string {
	rnd := rand.New(rand.NewPCG(5, 6))
	keys := []string{"0", "1", "4294967295", "-1", "+7", "12ab", "ab", " 3", "99999999999999999999", "-99999999999999999999", "4294967297"}
	for range n {
		keys = append(keys, fmt.Sprint(rnd.Uint32()))
	}
	return keys
}

// ask looks each key up, as the first bytes of a connection.
func (st *stage) ask(keys []string) {
	st.t.Helper()
	for _, k := range keys {
		st.open(st.scene.method.Hash.Key([]byte(k)), "10.0.0.1", k)
	}
}

func hashScene(line string, h balance.HashType, weights []int, play func(*stage)) scene {
	return scene{
		name: fmt.Sprintf("hash %s %v", line, weights), lines: "balance hash var(txn.key); hash-type " + line,
		method: balance.Method{Name: "hash", Hash: h}, weights: weights, play: play,
	}
}

func TestHAProxyHashes(t *testing.T) {
	keys := append(numbers(15), "a", "abc", "user-17", "\xff\x80\x01\x00", strings.Repeat("long", 200))
	var scenes []scene
	for line, h := range hashTypes() {
		for _, w := range hashWeights {
			scenes = append(scenes, hashScene(line, h, w, func(st *stage) { st.ask(keys) }))
		}
	}
	play(t, scenes)
}

// The ends of the ranges that belong to a place are found on our ring and asked
// for, so that a place elsewhere shows.
func TestHAProxyRing(t *testing.T) {
	none := balance.HashType{Consistent: true, Function: balance.None}
	edges := func(st *stage) { st.ask(st.edges(60)) }
	scenes := []scene{
		hashScene("consistent none", none, []int{1, 1, 1}, edges),
		hashScene("consistent none", none, []int{256, 3, 10}, edges),
	}
	many := make([]int, 300)
	for i := range many {
		many[i] = 256 - i%7
	}
	large := hashScene("consistent none", none, many, edges)
	large.name = "300 servers"
	scenes = append(scenes, large)
	ids := hashScene("consistent none", none, []int{1, 2, 1}, edges)
	ids.name, ids.ids = "ids", []int{70000, 3, 4096}
	scenes = append(scenes, ids)
	for _, key := range []string{"addr", "addr-port"} {
		s := hashScene("consistent none", none, []int{1, 2, 1}, edges)
		s.name, s.hashKey = "hash-key "+key, key
		scenes = append(scenes, s)
		s.name, s.hosts = s.name+" IPv6", []string{"::ffff:127.1.0.0", "127.1.0.1", "::ffff:127.1.0.2"}
		scenes = append(scenes, s)
	}
	play(t, scenes)
}

// edges returns n pairs of neighbouring hashes that belong to different servers.
func (st *stage) edges(n int) []string {
	owner := func(h uint32) int {
		i, _ := st.pick.Pick(st.scene.method.Hash.Key([]byte(fmt.Sprint(h))), -1, nil)
		return i
	}
	rnd := rand.New(rand.NewPCG(7, 8))
	var keys []string
	for len(keys) < 2*n {
		lo, hi := rnd.Uint32(), rnd.Uint32()
		if lo > hi {
			lo, hi = hi, lo
		}
		if owner(lo) == owner(hi) {
			continue
		}
		for hi-lo > 1 {
			if mid := lo + (hi-lo)/2; owner(mid) == owner(lo) {
				lo = mid
			} else {
				hi = mid
			}
		}
		keys = append(keys, fmt.Sprint(lo), fmt.Sprint(hi))
	}
	return keys
}

func TestHAProxySource(t *testing.T) {
	addrs := []string{"10.0.0.1", "10.0.0.2", "192.168.77.3", "255.255.255.255", "0.0.0.1", "172.16.5.4", "2001:db8::1", "2001:db8:1:2:3:4:5:6", "::1", "fe80::1234:5678:9abc:def0", "::ffff:10.9.8.7"}
	for i := range 10 {
		addrs = append(addrs, fmt.Sprintf("10.%d.%d.%d", i*25, i*17, i*7+1), fmt.Sprintf("2001:db8:%x::%x", i*3000, i*777))
	}
	var scenes []scene
	for line, h := range hashTypes() {
		scenes = append(scenes, scene{
			name: "source " + line, lines: "balance source; hash-type " + line,
			method: balance.Method{Name: "source", Hash: h}, weights: []int{3, 1, 2, 5},
			play: func(st *stage) {
				for _, a := range addrs {
					st.open(h.AddrKey(netip.MustParseAddr(a)), a, "x")
				}
			},
		})
	}
	play(t, scenes)
}

func TestHAProxyRDPCookie(t *testing.T) {
	var scenes []scene
	for line, h := range hashTypes() {
		scenes = append(scenes, scene{
			name: "rdp-cookie " + line, lines: "balance rdp-cookie; hash-type " + line,
			method: balance.Method{Name: "rdp-cookie", Hash: h}, weights: []int{3, 1, 2, 5},
			play: func(st *stage) {
				for _, user := range append(numbers(0), "alice", "bob", "carol", "DOMAIN-dave") {
					st.open(h.Key([]byte(user)), "10.0.0.1", connectionRequest(user))
				}
				for range 4 {
					st.open(balance.Key{}, "10.0.0.1", "no cookie")
				}
			},
		})
	}
	play(t, scenes)
}

// connectionRequest is the first packet of an RDP client: TPKT, X.224, cookie.
func connectionRequest(user string) string {
	cookie := "Cookie: mstshash=" + user + "\r\n"
	n := 11 + len(cookie)
	return string([]byte{3, 0, byte(n >> 8), byte(n), byte(n - 5), 0xe0, 0, 0, 0, 0, 0}) + cookie
}

// Connections without a key. No server has a maxconn: HAProxy lets such a connection
// wait at the ring after it has once found all servers full, even if one is free by
// then.
func TestHAProxyHashWithoutKey(t *testing.T) {
	var scenes []scene
	for _, line := range []string{"map-based", "consistent"} {
		h := balance.DefaultHash(line == "consistent")
		for seed := range uint64(3) {
			scenes = append(scenes, scene{
				name:    fmt.Sprintf("%s seed %d", line, seed),
				lines:   "balance hash var(sess.no); hash-type " + line,
				method:  balance.Method{Name: "hash", Hash: h},
				weights: []int{1, 2, 3, 4, 1},
				play:    wander(seed, 100, h.Consistent, true, func(st *stage) { st.visit(1) }),
			})
		}
	}
	play(t, scenes)
}

// Keys, servers that come and go, and full servers.
func TestHAProxyHashWanders(t *testing.T) {
	var scenes []scene
	for _, line := range []string{"map-based", "consistent"} {
		h := balance.DefaultHash(line == "consistent")
		for seed := range uint64(3) {
			s := hashScene(line, h, []int{1, 2, 3, 4, 1}, wanderKeyed(seed, 120, h.Consistent))
			s.name, s.maxconn = fmt.Sprintf("%s seed %d", line, seed), 4
			scenes = append(scenes, s)
		}
	}
	play(t, scenes)
}

func TestHAProxyBoundedLoads(t *testing.T) {
	var scenes []scene
	for _, factor := range []int{101, 125, 150, 300} {
		for seed := range uint64(2) {
			s := hashScene("consistent", balance.DefaultHash(true), []int{1, 2, 3, 4, 1}, wanderKeyed(seed, 150, true))
			s.name = fmt.Sprintf("factor %d seed %d", factor, seed)
			s.method.Factor = factor
			s.lines += fmt.Sprintf("; hash-balance-factor %d", factor)
			scenes = append(scenes, s)
		}
	}
	play(t, scenes)
}

func wanderKeyed(seed uint64, steps int, weights bool) func(*stage) {
	return func(st *stage) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		wander(seed, steps, weights, true, func(st *stage) {
			k := fmt.Sprint("key-", rnd.IntN(25))
			st.open(st.scene.method.Hash.Key([]byte(k)), "10.0.0.1", k)
		})(st)
	}
}

// Draws cannot be foreseen, but shares can: with one draw, servers get what their
// part of the ring is; with many, the least loaded always wins.
func TestHAProxyRandom(t *testing.T) {
	const n = 600
	shares := scene{
		name: "random(1)", lines: "balance random(1)", method: balance.Method{Name: "random", Draws: 1}, weights: []int{1, 2, 4},
	}
	shares.play = func(st *stage) {
		rnd := rand.New(rand.NewPCG(9, 9))
		m := st.scene.method
		m.Rand = rnd.Uint32
		ours := balance.New(m, balance.Numbered(3))
		for i, w := range st.scene.weights {
			ours.SetShares(i, w*balance.Scale)
		}
		st.pick = ours
		st.visit(n)
		count := func(picks []int) (c [3]int) {
			for _, i := range picks {
				c[i]++
			}
			return c
		}
		got, want := count(st.got), count(st.want)
		for i := range got {
			if d := got[i] - want[i]; d*d > 16*(got[i]+want[i]) {
				st.t.Errorf("random(1): shares %v, HAProxy %v", got, want)
			}
		}
		st.got, st.want = nil, nil
	}
	least := scene{
		name: "random(99)", lines: "balance random(99)", method: balance.Method{Name: "random", Draws: 99, Rand: rand.New(rand.NewPCG(9, 9)).Uint32}, weights: []int{1, 2, 4},
	}
	least.play = func(st *stage) {
		st.visit(70)
		load := [3]int{}
		for _, i := range st.want {
			load[i]++
		}
		if load != [3]int{10, 20, 40} {
			st.t.Errorf("random(99): HAProxy's loads %v, want 10, 20, 40", load)
		}
		st.got, st.want = nil, nil
	}
	play(t, []scene{shares, least})
}
