package config

import "strings"

// nearest returns the known name that a misspelled one most likely stands for.
func nearest(name string, known []string) (string, bool) {
	if len(name) < 3 {
		return "", false
	}
	best, distance := "", min(len(name)/8+1, 3)+1 // one mistake in a short name, up to three in a long one
	for _, k := range known {
		if len(name) >= len(k)+distance || len(k) >= len(name)+distance {
			continue
		}
		if d := editDistance(fold(name), fold(k)); d < distance {
			best, distance = k, d
		}
	}
	return best, best != ""
}

// editDistance counts the letters to insert, delete, replace or swap with their neighbour to get from a to b.
func editDistance(a, b string) int {
	s, t := []rune(a), []rune(b)
	var before []int
	last := make([]int, len(t)+1)
	for j := range last {
		last[j] = j
	}
	for i := range s {
		row := make([]int, len(t)+1)
		row[0] = i + 1
		for j := range t {
			cost := 1
			if s[i] == t[j] {
				cost = 0
			}
			row[j+1] = min(last[j]+cost, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && s[i] == t[j-1] && s[i-1] == t[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(t)]
}

// misplaced finds known keys whose last component was written without its section or in another one: keepalivePeer
// instead of RTMFP.keepalivePeer. In a section of the user's own, short components (port, host) mean nothing.
func misplaced(name string, known []string) (string, bool) {
	dot := strings.LastIndexByte(name, '.')
	last := fold(name[dot+1:])
	if dot >= 0 && len(last) < 8 {
		return "", false
	}
	var found []string
	for _, k := range known {
		if fold(k[strings.LastIndexByte(k, '.')+1:]) == last {
			found = append(found, k)
		}
	}
	return strings.Join(found, " or "), len(found) > 0
}

// suggestion is the known name, or names, that an unknown one most likely stands for.
func suggestion(name string, known []string) (string, bool) {
	if s, ok := nearest(name, known); ok {
		return s, true
	}
	return misplaced(name, known)
}
