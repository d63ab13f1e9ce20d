// Package decimal reads and writes numbers as text the way scripts expect it.
package decimal

import (
	"math"
	"strconv"
	"strings"
)

// Parse reads a plain decimal: digits, perhaps a minus in front and one point between them. 1e3, 0x10, +1
// and " 1" are none: they are text that somebody wrote.
func Parse(s string) (float64, bool) {
	whole, fraction, point := strings.Cut(strings.TrimPrefix(s, "-"), ".")
	if !digits(whole) || (point && !digits(fraction)) {
		return 0, false
	}
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil // an error is a number out of range
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// Text is f as Lua 5.1 prints it (%.14g).
func Text(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	return strconv.FormatFloat(f, 'g', 14, 64)
}

// Key is a numeric key as text: integers in full, where Text turns to exponents.
func Key(f float64) string {
	if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		return strconv.FormatInt(int64(f), 10)
	}
	return Text(f)
}
