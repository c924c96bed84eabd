package config

import "github.com/sluice-lb/sluice/pkg/slip"

// maxCandidates is how many candidates are worth collecting for nearest.
const maxCandidates = slip.MaxCandidates

// nearest returns the candidate that word is meant to be, or "" when none is near
// enough to be a slip of the fingers.
func nearest(word string, candidates []string) string {
	return slip.Nearest(word, candidates, min(2, len(word)/2))
}
