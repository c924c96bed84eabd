// Package slip finds the word that somebody meant who mistyped it. It must not know
// what words there are.
package slip

// MaxCandidates bounds the work for one suggestion: among more there is none.
const MaxCandidates = 2000

// Nearest returns the candidate that the fewest slips of the fingers turn into word,
// whatever the case of its letters: of several the first of the alphabet, and ""
// where all take more than limit. Slips are letters left out, too many or wrong, and
// swaps of neighbours (the optimal string alignment distance, in bytes).
func Nearest(word string, candidates []string, limit int) string {
	if len(candidates) > MaxCandidates {
		return ""
	}
	best, rows := "", newRows(len(word)+limit)
	for _, c := range candidates {
		d := rows.distance(word, c, limit)
		if d < 0 || d == limit && best != "" && best < c {
			continue
		}
		best, limit = c, d
	}
	return best
}

// rows are three rows of the table of distances between the beginnings of two words.
type rows [3][]int

// newRows makes rows for candidates of up to length bytes.
func newRows(length int) rows {
	return rows{make([]int, length+1), make([]int, length+1), make([]int, length+1)}
}

// distance counts the slips between a and b; -1 when there are more than limit.
func (r *rows) distance(a, b string, limit int) int {
	if diff := len(a) - len(b); diff > limit || -diff > limit {
		return -1
	}
	before, prev, row := r[0], r[1], r[2]
	for j := range len(b) + 1 {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if fold(a[i-1]) == fold(b[j-1]) {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && fold(a[i-1]) == fold(b[j-2]) && fold(a[i-2]) == fold(b[j-1]) {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, prev, row = prev, row, before
	}
	if d := prev[len(b)]; d <= limit {
		return d
	}
	return -1
}

// fold is the lower case of an ASCII letter.
func fold(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}
