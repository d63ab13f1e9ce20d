package netconn

import "strings"

// texts gives equal texts the same memory: most of what clients say when they connect, they all say.
type texts map[string]string

const (
	maxTexts    = 1024
	maxTextSize = 256 // bytes; longer texts are left alone
)

// of returns a copy of s, not always a new one. s may alias a packet.
func (t *texts) of(s string) string {
	if len(s) > maxTextSize {
		return strings.Clone(s)
	}
	known, ok := (*t)[s]
	if ok {
		return known
	}
	if *t == nil || len(*t) >= maxTexts { // when texts are all different, nothing is lost by forgetting them
		*t = make(texts)
	}
	s = strings.Clone(s)
	(*t)[s] = s
	return s
}
