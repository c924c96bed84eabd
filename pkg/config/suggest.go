package config

// maxCandidates bounds the work for one suggestion.
const maxCandidates = 2000

// nearest returns the candidate with the smallest edit distance to word, or ""
// when none is near enough to be a slip of the fingers.
func nearest(word string, candidates []string) string {
	best, limit := "", min(2, len(word)/2)
	if len(candidates) > maxCandidates {
		return ""
	}
	for _, c := range candidates {
		d := distance(word, c, limit)
		if d < 0 || d == limit && best != "" && best < c {
			continue
		}
		best, limit = c, d
	}
	return best
}

// distance counts the insertions, deletions, replacements and swaps of
// neighbours that turn a into b; -1 when there are more than limit.
func distance(a, b string, limit int) int {
	if diff := len(a) - len(b); diff > limit || -diff > limit {
		return -1
	}
	var rows [3][64]int
	before, prev, row := &rows[0], &rows[1], &rows[2]
	if len(b) >= len(row) {
		return -1
	}
	for j := range len(b) + 1 {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
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
