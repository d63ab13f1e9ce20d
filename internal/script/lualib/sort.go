package lualib

import (
	"cmp"
	"slices"

	lua "github.com/yuin/gopher-lua"
)

// tableSort is table.sort. Like the quicksort of Lua 5.1 it is not stable, and equal elements come out in the same order
// as there.
func tableSort(c call) int {
	t := c.table(1)
	n := t.Len()
	s := sorter{c: c, a: make([]lua.LValue, n)}
	if !c.none(2) {
		s.less = c.fn(2)
	}
	for i := range s.a {
		s.a[i] = rawGetInt(t, i+1)
	}
	if s.less != nil || !s.plain() {
		s.sort(0, n-1)
	}
	for i, v := range s.a {
		t.RawSetInt(i+1, v)
	}
	return 0
}

type sorter struct {
	c     call
	a     []lua.LValue
	less  *lua.LFunction // nil = operator <
	steps int
}

// plain sorts numbers only or strings only, where equal elements cannot be told apart.
func (s *sorter) plain() bool {
	if len(s.a) == 0 {
		return true
	}
	switch s.a[0].(type) {
	case lua.LNumber:
		return sortAs(s, func(n lua.LNumber) bool { return n == n })
	case lua.LString:
		return sortAs(s, func(lua.LString) bool { return true })
	}
	return false
}

func sortAs[T interface {
	cmp.Ordered
	lua.LValue
}](s *sorter, ok func(T) bool) bool {
	for _, v := range s.a {
		if v, is := v.(T); !is || !ok(v) {
			return false
		}
	}
	slices.SortFunc(s.a, func(x, y lua.LValue) int {
		s.c.step(&s.steps, 1)
		return cmp.Compare(x.(T), y.(T))
	})
	return true
}

func (s *sorter) lessThan(x, y lua.LValue) bool {
	if s.less == nil {
		s.c.step(&s.steps, 1)
		return s.c.L.LessThan(x, y)
	}
	return lua.LVAsBool(s.c.call1(s.less, x, y))
}

// sort sorts a[lo..hi]: median of three, the partition loops stop at the bounds, where an order function that is none
// would lead them beyond, and the larger part is the one that is not recursed into.
func (s *sorter) sort(lo, hi int) {
	a := s.a
	for lo < hi {
		if s.lessThan(a[hi], a[lo]) {
			a[lo], a[hi] = a[hi], a[lo]
		}
		if hi-lo == 1 {
			return
		}
		mid := lo + (hi-lo)/2
		if s.lessThan(a[mid], a[lo]) {
			a[mid], a[lo] = a[lo], a[mid]
		} else if s.lessThan(a[hi], a[mid]) {
			a[mid], a[hi] = a[hi], a[mid]
		}
		if hi-lo == 2 {
			return
		}
		i := s.partition(lo, hi, mid)
		if i-lo < hi-i {
			s.sort(lo, i-1)
			lo = i + 1
		} else {
			s.sort(i+1, hi)
			hi = i - 1
		}
	}
}

// partition puts the pivot a[mid] between the elements before and after it and returns its place.
func (s *sorter) partition(lo, hi, mid int) int {
	a := s.a
	pivot := a[mid]
	a[mid], a[hi-1] = a[hi-1], a[mid]
	i, j := lo, hi-1
	for {
		for i++; s.lessThan(a[i], pivot); i++ {
			if i >= hi {
				s.invalid()
			}
		}
		for j--; s.lessThan(pivot, a[j]); j-- {
			if j <= lo {
				s.invalid()
			}
		}
		if j < i {
			break
		}
		a[i], a[j] = a[j], a[i]
	}
	a[hi-1], a[i] = a[i], a[hi-1]
	return i
}

func (s *sorter) invalid() { s.c.errorf("invalid order function for sorting") }
