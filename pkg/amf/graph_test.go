package amf

import (
	"fmt"
	"math"
)

// sameGraph compares values and the identities in them: where a visits a pointer again, b must visit
// the one that took its place. It returns where they differ, "" when they do not.
func sameGraph(a, b Value) string {
	g := grapher{there: map[Value]Value{}, back: map[Value]Value{}}
	return g.compare("", a, b)
}

type grapher struct{ there, back map[Value]Value }

func (g *grapher) compare(at string, a, b Value) string {
	if KindOf(a) != KindOf(b) {
		return fmt.Sprintf("%s: %v and %v", at, KindOf(a), KindOf(b))
	}
	if KindOf(a) >= KindDate {
		w, seenA := g.there[a]
		v, seenB := g.back[b]
		if seenA || seenB {
			if w != b || v != a {
				return at + ": identities differ"
			}
			return ""
		}
		g.there[a], g.back[b] = b, a
	}
	diff := func(same bool) string {
		if same {
			return ""
		}
		return fmt.Sprintf("%s: %#v and %#v", at, a, b)
	}
	switch a := a.(type) {
	case Number:
		return diff(math.Float64bits(float64(a)) == math.Float64bits(float64(b.(Number))))
	case Bool, String, Null, Undefined:
		return diff(a == b)
	case *Date:
		return diff(math.Float64bits(a.Millis) == math.Float64bits(b.(*Date).Millis))
	case *XML:
		return diff(*a == *b.(*XML))
	case *ByteArray:
		return diff(string(a.Data) == string(b.(*ByteArray).Data))
	case *Object:
		b := b.(*Object)
		if a.Class != b.Class || a.Sealed != b.Sealed || a.Static != b.Static {
			return diff(false)
		}
		return g.members(at, a.Members, b.Members)
	case *Array:
		b := b.(*Array)
		if s := g.members(at, a.Named, b.Named); s != "" {
			return s
		}
		return g.list(at, a.Dense, b.Dense)
	case *Dictionary:
		b := b.(*Dictionary)
		if a.Weak != b.Weak || len(a.Entries) != len(b.Entries) {
			return diff(false)
		}
		for i := range a.Entries {
			if s := g.compare(at+".key", a.Entries[i].Key, b.Entries[i].Key); s != "" {
				return s
			}
			if s := g.compare(at+".value", a.Entries[i].Value, b.Entries[i].Value); s != "" {
				return s
			}
		}
		return ""
	case *Vector:
		b := b.(*Vector)
		if a.Kind != b.Kind || a.Fixed != b.Fixed || a.Class != b.Class || len(a.Numbers) != len(b.Numbers) {
			return diff(false)
		}
		for i := range a.Numbers {
			if math.Float64bits(a.Numbers[i]) != math.Float64bits(b.Numbers[i]) {
				return diff(false)
			}
		}
		return g.list(at, a.Values, b.Values)
	}
	return ""
}

func (g *grapher) members(at string, a, b []Member) string {
	if len(a) != len(b) {
		return fmt.Sprintf("%s: %d and %d members", at, len(a), len(b))
	}
	for i := range a {
		if a[i].Name != b[i].Name {
			return fmt.Sprintf("%s: members %q and %q", at, a[i].Name, b[i].Name)
		}
		if s := g.compare(at+"."+a[i].Name, a[i].Value, b[i].Value); s != "" {
			return s
		}
	}
	return ""
}

func (g *grapher) list(at string, a, b []Value) string {
	if len(a) != len(b) {
		return fmt.Sprintf("%s: %d and %d elements", at, len(a), len(b))
	}
	for i := range a {
		if s := g.compare(fmt.Sprintf("%s[%d]", at, i), a[i], b[i]); s != "" {
			return s
		}
	}
	return ""
}
