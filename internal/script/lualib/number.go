package lualib

import (
	"math"
	"strconv"
	"strings"
)

// formatNumber converts a number as tostring of Lua 5.1 does (LUAI_NUMFFORMAT, "%.14g").
func formatNumber(f float64) string {
	if i, ok := shortInteger(f); ok { // the common case
		return strconv.FormatInt(i, 10)
	}
	return string(appendNumber(nil, f))
}

func appendNumber(b []byte, f float64) []byte {
	if i, ok := shortInteger(f); ok {
		return strconv.AppendInt(b, i, 10)
	}
	if special := specialNumber(f); special != "" {
		return append(b, special...)
	}
	return strconv.AppendFloat(b, f, 'g', 14, 64)
}

// shortInteger reports whether f is an integer of at most fourteen digits. Minus zero is none: it is printed as such.
func shortInteger(f float64) (int64, bool) {
	i := int64(f)
	return i, float64(i) == f && i > -1e14 && i < 1e14 && (i != 0 || !math.Signbit(f))
}

// specialNumber names the values that are no numbers as the C library does, which prints the sign of NaN: the result of
// 0/0 has one on most machines.
func specialNumber(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	case math.IsNaN(f) && math.Signbit(f):
		return "-nan"
	case math.IsNaN(f):
		return "nan"
	}
	return ""
}

// isSpace is isspace of the C locale.
func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

const spaces = " \t\n\v\f\r"

// parseNumber converts a text as Lua 5.1 does (luaO_str2d: strtod of the C library, with surrounding space).
func parseNumber(s string) (float64, bool) {
	if len(s) > 0 && len(s) < 16 { // plain integers, most of all
		n, i := int64(0), 0
		for ; i < len(s) && s[i]-'0' <= 9; i++ {
			n = n*10 + int64(s[i]-'0')
		}
		if i == len(s) {
			return float64(n), true
		}
	}
	s = strings.Trim(s, spaces)
	body, neg := s, false
	if body != "" && (body[0] == '-' || body[0] == '+') {
		neg, body = body[0] == '-', body[1:]
	}
	var f float64
	var ok bool
	switch {
	case len(body) > 2 && body[0] == '0' && body[1]|0x20 == 'x':
		f, ok = parseHex(body[2:])
	case isDecimal(body):
		f, ok = parseFloat(body)
	default:
		f, ok = parseSpecial(body)
	}
	if neg {
		f = -f
	}
	return f, ok
}

// parseFloat converts a well formed number; what is too large is infinite.
func parseFloat(s string) (float64, bool) {
	f, _ := strconv.ParseFloat(s, 64)
	return f, true
}

// isDecimal reports whether s is digits, at most one point among them, and an exponent. strconv accepts more.
func isDecimal(s string) bool {
	i, digits := 0, 0
	for point := false; i < len(s); i++ {
		switch c := s[i]; {
		case c-'0' <= 9:
			digits++
			continue
		case c == '.' && !point:
			point = true
			continue
		}
		break
	}
	if digits == 0 {
		return false
	}
	if i == len(s) {
		return true
	}
	return s[i]|0x20 == 'e' && isExponent(s[i+1:])
}

func isExponent(s string) bool {
	if s != "" && (s[0] == '-' || s[0] == '+') {
		s = s[1:]
	}
	for i := range len(s) {
		if s[i]-'0' > 9 {
			return false
		}
	}
	return s != ""
}

// parseHex converts what follows 0x: an integer, or a fraction with an exponent of two as C has it.
func parseHex(s string) (float64, bool) {
	mantissa, exponent, hasExponent := s, "", false
	if i := strings.IndexAny(s, "pP"); i >= 0 {
		mantissa, exponent, hasExponent = s[:i], s[i+1:], true
	}
	digits := 0
	for i, point := 0, false; i < len(mantissa); i++ {
		switch c := mantissa[i]; {
		case hexDigit(c) < 16:
			digits++
		case c == '.' && !point:
			point = true
		default:
			return 0, false
		}
	}
	if digits == 0 || hasExponent && !isExponent(exponent) {
		return 0, false
	}
	if !hasExponent {
		exponent = "0"
	}
	return parseFloat("0x" + mantissa + "p" + exponent)
}

// hexDigit is the value of a digit of any base, 255 if it is none.
func hexDigit(c byte) byte {
	switch {
	case c-'0' <= 9:
		return c - '0'
	case c|0x20 >= 'a' && c|0x20 <= 'z':
		return c | 0x20 - 'a' + 10
	}
	return 255
}

// parseSpecial converts the names strtod knows.
func parseSpecial(s string) (float64, bool) {
	switch strings.ToLower(s) {
	case "inf", "infinity":
		return math.Inf(1), true
	case "nan":
		return math.NaN(), true
	}
	return 0, false
}

// parseBase converts an integer of a base from 2 to 36: with surrounding space, a sign, and 0x for base 16. What is larger
// than 64 bits becomes their largest number, as with strtoul; negative numbers are negative, as in LuaJIT.
func parseBase(s string, base int) (float64, bool) {
	s = strings.Trim(s, spaces)
	neg := false
	if s != "" && (s[0] == '-' || s[0] == '+') {
		neg, s = s[0] == '-', s[1:]
	}
	if base == 16 && len(s) > 2 && s[0] == '0' && s[1]|0x20 == 'x' && hexDigit(s[2]) < 16 {
		s = s[2:]
	}
	if s == "" {
		return 0, false
	}
	n, overflow := uint64(0), false
	for i := range len(s) {
		d := uint64(hexDigit(s[i]))
		if d >= uint64(base) {
			return 0, false
		}
		if n > (math.MaxUint64-d)/uint64(base) {
			overflow = true
		}
		n = n*uint64(base) + d
	}
	if overflow {
		n = math.MaxUint64
	}
	f := float64(n)
	if neg {
		f = -f
	}
	return f, true
}
