package main

import "testing"

func TestRatios(t *testing.T) {
	peers := []peer{{name: "sluice"}, {name: "a"}, {name: "b"}}
	samples := func(v ...float64) (s []sample) {
		for _, x := range v {
			s = append(s, sample{colRate: x, colCPU: x})
		}
		return s
	}
	// The machine takes twice as long in the second and third round.
	results := map[string][]sample{"sluice": samples(9, 18, 18), "a": samples(10, 20, 20), "b": samples(40, 12, 80)}
	for _, tt := range []struct {
		col                string
		ofMedians, byRound float64
	}{
		{colCPU, 18. / 20, 0.9}, // a is the best of the others
		{colRate, 18. / 40, 0.225},
	} {
		ofMedians, byRound := ratios(peers, results, tt.col)
		if ofMedians != tt.ofMedians || byRound != tt.byRound {
			t.Errorf("%s: %v, %v, want %v, %v", tt.col, ofMedians, byRound, tt.ofMedians, tt.byRound)
		}
	}
}
