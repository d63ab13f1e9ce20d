package lualib

import (
	"strings"

	lua "github.com/yuin/gopher-lua"
)

var tableFunctions = map[string]function{
	"concat":   tableConcat,
	"foreach":  tableForeach,
	"foreachi": tableForeachi,
	"getn":     tableGetn,
	"insert":   tableInsert,
	"maxn":     tableMaxn,
	"pack":     tablePack,
	"remove":   tableRemove,
	"setn":     tableSetn,
	"sort":     tableSort,
	"unpack":   baseUnpack,
}

func tableConcat(c call) int {
	t, sep := c.table(1), c.optString(2, "")
	i := c.optInt(3, 1)
	j := c.optInt(4, t.Len())
	var b strings.Builder
	steps := 0
	for k := i; k <= j; k++ {
		c.step(&steps, 1)
		v := rawGetInt(t, k)
		switch v := v.(type) {
		case lua.LString:
			b.WriteString(string(v))
		case lua.LNumber:
			var digits [32]byte
			b.Write(appendNumber(digits[:0], float64(v)))
		default:
			c.errorf("invalid value (%s) at index %d in table for 'concat'", v.Type().String(), k)
		}
		if k < j {
			b.WriteString(sep)
		}
		c.checkSize(b.Len())
	}
	return c.pushString(b.String())
}

func tableGetn(c call) int { return c.pushNumber(float64(c.table(1).Len())) }

func tableSetn(c call) int {
	c.table(1)
	c.errorf("'setn' is obsolete")
	return 0
}

func tableMaxn(c call) int {
	t := c.table(1)
	greatest := 0.0
	steps := 0
	t.ForEach(func(k, _ lua.LValue) {
		c.step(&steps, 1)
		if n, ok := k.(lua.LNumber); ok {
			greatest = max(greatest, float64(n))
		}
	})
	return c.pushNumber(greatest)
}

func tableInsert(c call) int {
	t := c.table(1)
	end := t.Len() + 1
	switch c.L.GetTop() {
	case 2:
		c.setInt(t, end, c.L.Get(2))
	case 3:
		pos, v := c.int(2), c.L.Get(3)
		end = max(end, pos)
		if pos >= 1 && end < maxArrayIndex && t.RawGetInt(end-1) != lua.LNil && v != lua.LNil {
			t.Insert(pos, v)
			return 0
		}
		steps := 0
		for i := end; i > pos; i-- {
			c.step(&steps, 1)
			c.setInt(t, i, rawGetInt(t, i-1))
		}
		c.setInt(t, pos, v)
	default:
		c.errorf("wrong number of arguments to 'insert'")
	}
	return 0
}

// setInt is lua_rawseti.
func (c call) setInt(t *lua.LTable, i int, v lua.LValue) {
	if v == lua.LNil && rawGetInt(t, i) == lua.LNil {
		return // a table of gopher-lua remembers nils
	}
	t.RawSetInt(i, v)
}

func tableRemove(c call) int {
	t := c.table(1)
	n := t.Len()
	pos := c.optInt(2, n)
	if pos < 1 || pos > n {
		return 0
	}
	return c.push(t.Remove(pos)) // cuts the array part, so that the length needs no search
}

func tablePack(c call) int {
	n := c.L.GetTop()
	t := c.L.CreateTable(n, 1)
	for i := 1; i <= n; i++ {
		c.setInt(t, i, c.L.Get(i))
	}
	t.RawSetString("n", lua.LNumber(n))
	return c.push(t)
}

func tableForeach(c call) int {
	t, f := c.table(1), c.fn(2)
	var k, v lua.LValue = lua.LNil, nil
	for {
		if k, v = t.Next(k); k == lua.LNil {
			return 0
		}
		if r := c.call1(f, k, v); r != lua.LNil {
			return c.push(r)
		}
	}
}

func tableForeachi(c call) int {
	t, f := c.table(1), c.fn(2)
	n := t.Len()
	for i := 1; i <= n; i++ {
		if r := c.call1(f, lua.LNumber(i), rawGetInt(t, i)); r != lua.LNil {
			return c.push(r)
		}
	}
	return 0
}
