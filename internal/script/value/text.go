package value

import (
	"crypto/md5"
	"crypto/sha256"
	"strings"
)

// Options of Split, to be added.
const (
	SplitDropEmpty = 1 // leave empty tokens out
	SplitTrim      = 2 // remove blanks around tokens
)

const blanks = " \t\n\v\f\r"

// Split cuts s at every byte that is one of separators. Without options there is always one token more
// than separators in s. A separator that is a blank and follows another one is trimmed away.
func Split(s, separators string, options int) []string {
	var tokens []string
	for {
		if options&SplitTrim != 0 {
			s = strings.TrimLeft(s, blanks)
		}
		n := 0
		for n < len(s) && strings.IndexByte(separators, s[n]) < 0 {
			n++
		}
		token := s[:n]
		if options&SplitTrim != 0 {
			token = strings.TrimRight(token, blanks)
		}
		if token != "" || options&SplitDropEmpty == 0 {
			tokens = append(tokens, token)
		}
		if n == len(s) {
			return tokens
		}
		s = s[n+1:]
	}
}

// MD5 is the digest of s, 16 bytes.
func MD5(s string) string {
	sum := md5.Sum([]byte(s))
	return string(sum[:])
}

// SHA256 is the digest of s, 32 bytes.
func SHA256(s string) string {
	sum := sha256.Sum256([]byte(s))
	return string(sum[:])
}
