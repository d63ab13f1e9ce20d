package store

import (
	"cmp"
	"errors"
	"strings"
)

// A path in the file is its keys one after the other, each with its zero bytes written as 00 FF and ended by
// 00 01. So keys are any bytes, empty ones included, no path is the beginning of another one by accident,
// and a table's entries stand together.
const (
	pathZero   = 0x00
	pathEscape = 0xFF
	pathEnd    = 0x01
)

func appendKey(b []byte, key string) []byte {
	for i := range len(key) {
		b = append(b, key[i])
		if key[i] == pathZero {
			b = append(b, pathEscape)
		}
	}
	return append(b, pathZero, pathEnd)
}

var errPath = errors.New("a path that nobody wrote")

// splitPath reads the keys of a path.
func splitPath(b []byte) ([]string, error) {
	var keys []string
	var key []byte
	for i := 0; i < len(b); i++ {
		if b[i] != pathZero {
			key = append(key, b[i])
			continue
		}
		if i++; i == len(b) {
			return nil, errPath
		}
		switch b[i] {
		case pathEscape:
			key = append(key, pathZero)
		case pathEnd:
			keys = append(keys, string(key))
			key = key[:0]
		default:
			return nil, errPath
		}
	}
	if len(key) > 0 || len(keys) == 0 {
		return nil, errPath
	}
	return keys, nil
}

// compareKeys is the order of iterations: decimal integers by value, then all other keys as text.
func compareKeys(a, b string) int {
	x, y := isIndex(a), isIndex(b)
	switch {
	case x && y:
		return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
	case x:
		return -1
	case y:
		return 1
	}
	return strings.Compare(a, b)
}

// isIndex says whether a key is an integer as a program writes it.
func isIndex(key string) bool {
	if key == "" || (key[0] == '0' && len(key) > 1) {
		return false
	}
	for i := range len(key) {
		if key[i] < '0' || key[i] > '9' {
			return false
		}
	}
	return true
}
