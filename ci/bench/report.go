package main

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// quantile returns the q-quantile in milliseconds.
func quantile(d []time.Duration, q float64) float64 {
	slices.Sort(d)
	return float64(d[min(int(q*float64(len(d))), len(d)-1)].Microseconds()) / 1000
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	n := len(v)
	if n == 0 {
		return math.NaN()
	}
	if n%2 == 1 {
		return v[n/2]
	}
	return (v[n/2-1] + v[n/2]) / 2
}

// column collects one figure over the rounds.
func column(samples []sample, col string) []float64 {
	var v []float64
	for _, s := range samples {
		if x, ok := s[col]; ok {
			v = append(v, x)
		}
	}
	return v
}

// slowest is the lowest median rate of any proxy.
func slowest(results map[string][]sample) float64 {
	low := math.Inf(1)
	for _, samples := range results {
		low = min(low, median(column(samples, colRate)))
	}
	return low
}

// report renders all tables: median (lowest to highest), and Sluice's ratio to the
// best of the others, by which less than 1 is better, but for rates: that of the
// medians, and the median of those within each round, which a machine that is slower
// for some rounds disturbs less.
func (b *bench) report(results map[string]map[string][]sample) string {
	var s strings.Builder
	fmt.Fprintf(&s, "Measured on %s: %d CPUs (%s), Linux %s; %d interleaved rounds; median (lowest to highest).\n\n",
		time.Now().UTC().Format(time.DateOnly), runtime.NumCPU(), cpuModel(), kernel(), b.rounds)
	for _, p := range b.peers {
		fmt.Fprintf(&s, "- %s: %s\n", p.name, p.version)
	}
	for _, w := range works() {
		if results[w.name] == nil {
			continue
		}
		fmt.Fprintf(&s, "\n**%s** (%s)\n\n| |", w.title, w.name)
		peers := b.peersOf(w)
		for _, p := range peers {
			fmt.Fprintf(&s, " %s |", p.name)
		}
		s.WriteString(" ratio to the best other | round by round |\n|---|" + strings.Repeat("---|", len(peers)+2) + "\n")
		for _, col := range w.columns {
			fmt.Fprintf(&s, "| %s |", col)
			for _, p := range peers {
				v := column(results[w.name][p.name], col)
				if len(v) == 0 {
					s.WriteString(" |")
					continue
				}
				fmt.Fprintf(&s, " %s (%s to %s) |", figure(median(v)), figure(slices.Min(v)), figure(slices.Max(v)))
			}
			ofMedians, byRound := ratios(peers, results[w.name], col)
			fmt.Fprintf(&s, " %.2f | %.2f |\n", ofMedians, byRound)
		}
	}
	return s.String()
}

// ratios divides Sluice's figure by the best of the others: the medians, and the
// figures of each round.
func ratios(peers []peer, results map[string][]sample, col string) (ofMedians, byRound float64) {
	ours := column(results[peers[0].name], col)
	worse := func(a, b float64) float64 {
		if math.IsNaN(a) || (b < a) == (col == colRate) {
			return b
		}
		return a
	}
	ofMedians, byRound = math.NaN(), math.NaN()
	for _, p := range peers[1:] {
		theirs := column(results[p.name], col)
		if len(theirs) != len(ours) || len(ours) == 0 {
			continue
		}
		ofMedians = worse(ofMedians, median(ours)/median(theirs))
		rounds := make([]float64, len(ours))
		for i := range rounds {
			rounds[i] = ours[i] / theirs[i]
		}
		byRound = worse(byRound, median(rounds))
	}
	return ofMedians, byRound
}

func figure(x float64) string {
	switch {
	case x >= 100:
		return fmt.Sprintf("%.0f", x)
	case x >= 10:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.3f", x)
}

func cpuModel() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.TrimSpace(strings.TrimLeft(name, "\t :"))
		}
	}
	return "unknown"
}

func kernel() string {
	out, _ := exec.Command("uname", "-r").Output()
	return strings.TrimSpace(string(out))
}
