package decimal

import (
	"math"
	"strconv"
	"testing"
)

// The texts are those of Lua 5.1.
func TestText(t *testing.T) {
	tests := []struct {
		f    float64
		want string
	}{
		{0, "0"},
		{math.Copysign(0, -1), "-0"},
		{1, "1"},
		{-12, "-12"},
		{100, "100"},
		{1e14, "1e+14"},
		{1e15, "1e+15"},
		{123456789012345, "1.2345678901234e+14"},
		{12345678901234, "12345678901234"},
		{0.1, "0.1"},
		{0.1 + 0.2, "0.3"},
		{1.0 / 3, "0.33333333333333"},
		{0.0001, "0.0001"},
		{0.00001, "1e-05"},
		{1e100, "1e+100"},
		{1.5e-300, "1.5e-300"},
		{math.Inf(1), "inf"},
		{math.Inf(-1), "-inf"},
		{math.NaN(), "nan"},
	}
	for _, tt := range tests {
		if got := Text(tt.f); got != tt.want {
			t.Errorf("%v: got %s, want %s", tt.f, got, tt.want)
		}
	}
}

func TestKey(t *testing.T) {
	for f, want := range map[float64]string{1: "1", -3: "-3", 1e15: "1000000000000000", 1.5: "1.5", 1e20: "1e+20"} {
		if got := Key(f); got != want {
			t.Errorf("%v: got %s, want %s", f, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "-", "1", "-1.5", "1e3", "0x1", ".5", "5.", "1.2.3", "٣"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := Parse(s)
		if !ok {
			return
		}
		if want, err := strconv.ParseFloat(s, 64); err != nil || want != got {
			t.Errorf("%q: %v", s, got)
		}
		for _, c := range s {
			if (c < '0' || c > '9') && c != '-' && c != '.' {
				t.Errorf("%q is no plain decimal", s)
			}
		}
	})
}
