package balance_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/sluice-lb/sluice/pkg/balance"
)

// visit makes n connections without a key that end at once.
func (st *stage) visit(n int) {
	st.t.Helper()
	for range n {
		st.open(balance.Key{}, "10.0.0.1", "x")
	}
}

var weightVectors = [][]int{
	{1, 1, 1},
	{3, 1},
	{1, 2, 3},
	{5, 1, 1, 1},
	{256, 1, 100, 0, 7},
	{100, 50, 25, 10, 6},
	{0, 4, 2},
	{255, 254},
	{1},
}

func TestHAProxyTurns(t *testing.T) {
	var scenes []scene
	for _, name := range []string{"roundrobin", "static-rr", "leastconn"} {
		for _, w := range weightVectors {
			scenes = append(scenes, scene{
				name: fmt.Sprintf("%s %v", name, w), lines: "balance " + name, method: balance.Method{Name: name}, weights: w,
				play: func(st *stage) { st.visit(45) },
			})
		}
	}
	many := make([]int, 300)
	for i := range many {
		many[i] = 1 + i*37%256
	}
	for _, name := range []string{"roundrobin", "static-rr"} {
		scenes = append(scenes, scene{
			name: name + " 300 servers", lines: "balance " + name, method: balance.Method{Name: name}, weights: many,
			play: func(st *stage) { st.visit(900) },
		})
	}
	play(t, scenes)
}

// wander opens and closes connections and changes weights and states at random;
// open makes a connection.
func wander(seed uint64, steps int, weights, states bool, open func(*stage)) func(*stage) {
	return func(st *stage) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		isDown := make([]bool, len(st.load))
		ups := len(isDown)
		for range steps {
			i := rnd.IntN(len(isDown))
			switch k := rnd.IntN(16); {
			case k < 3 && len(st.conns) > 0:
				st.close(rnd.IntN(len(st.conns)))
			case k == 3 && weights && !isDown[i]:
				st.scene.weights[i] = 1 + rnd.IntN(10)
				st.weight(i, st.scene.weights[i])
			case k == 4 && states && isDown[i]:
				st.up(i)
				isDown[i], ups = false, ups+1
			case k == 4 && states && ups > 1:
				st.down(i)
				isDown[i], ups = true, ups-1
			default:
				open(st)
			}
		}
	}
}

func TestHAProxyWanders(t *testing.T) {
	var scenes []scene
	for _, name := range []string{"roundrobin", "leastconn", "static-rr", "first"} {
		for seed := range uint64(3) {
			scenes = append(scenes, scene{
				name: fmt.Sprintf("%s seed %d", name, seed), lines: "balance " + name, method: balance.Method{Name: name},
				weights: []int{1, 2, 3, 4, 1}, ids: []int{5, 2, 9, 1, 4}, maxconn: 8,
				play: wander(seed, 150, name == "roundrobin" || name == "leastconn", true, func(st *stage) { st.visit(1) }),
			})
		}
	}
	play(t, scenes)
}

// Servers that warm up have a sixteenth of their weight.
func TestHAProxyWandersSlowly(t *testing.T) {
	var scenes []scene
	for _, line := range []string{"roundrobin", "leastconn", "first", "hash consistent"} {
		for seed := range uint64(3) {
			s := scene{
				name: fmt.Sprintf("%s seed %d", line, seed), lines: "balance " + line, method: balance.Method{Name: line},
				weights: []int{1, 2, 3, 4, 1}, ids: []int{5, 2, 9, 1, 4}, slow: true,
				play: wander(seed, 150, true, true, func(st *stage) { st.visit(1) }),
			}
			if line == "hash consistent" {
				s.lines, s.method = "balance hash var(txn.key); hash-type consistent", balance.Method{Name: "hash", Hash: balance.DefaultHash(true)}
				keys := numbers(40)
				n := 0
				s.play = wander(seed, 150, true, true, func(st *stage) { n++; st.ask(keys[n%len(keys):][:1]) })
			}
			scenes = append(scenes, s)
		}
	}
	play(t, scenes)
}
