package lualib

import (
	"math"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// osFunctions leaves out what reaches beyond the application: execute, exit, remove, rename, setenv, tmpname.
var osFunctions = map[string]function{
	"clock":     osClock,
	"date":      osDate,
	"difftime":  func(c call) int { return c.pushNumber(c.number(1) - c.optNumber(2, 0)) },
	"getenv":    osGetenv,
	"setlocale": osSetlocale,
	"time":      osTime,
}

func (c call) optNumber(n int, def float64) float64 {
	if c.none(n) {
		return def
	}
	return c.number(n)
}

// osClock counts from the start of the library. The processor time of a server with many threads would say nothing about
// the script.
func osClock(c call) int { return c.pushNumber(c.l.o.Now().Sub(c.l.start).Seconds()) }

// osGetenv knows no variable: what scripts may see of the environment is mona.environment.
func osGetenv(c call) int {
	c.string(1)
	return c.push(lua.LNil)
}

// osSetlocale knows the C locale only.
func osSetlocale(c call) int {
	switch c.optString(1, "") {
	case "", "C", "POSIX":
		return c.pushString("C")
	}
	return c.push(lua.LNil)
}

// greenwich is what the C library calls the zone of "!".
var greenwich = time.FixedZone("GMT", 0)

func osDate(c call) int {
	format := c.optString(1, "%c")
	t := c.l.o.Now()
	if !c.none(2) {
		t = time.Unix(int64(clampTime(c.number(2))), 0)
	}
	if utc, ok := strings.CutPrefix(format, "!"); ok {
		format, t = utc, t.In(greenwich)
	} else {
		t = t.In(c.l.o.Zone)
	}
	if strings.HasPrefix(format, "*t") {
		return c.push(dateTable(c.L, t))
	}
	var out []byte
	steps := 0
	for format != "" {
		c.step(&steps, 1)
		out, format = appendDate(out, format, t)
		c.checkSize(len(out))
	}
	return c.pushString(string(out))
}

// clampTime bounds a time in seconds to years that package time can print.
func clampTime(f float64) float64 {
	const limit = 1 << 47
	if math.IsNaN(f) {
		return 0
	}
	return math.Trunc(min(max(f, -limit), limit))
}

func dateTable(L *lua.LState, t time.Time) *lua.LTable {
	table := L.CreateTable(0, 9)
	for k, v := range map[string]int{
		"year": t.Year(), "month": int(t.Month()), "day": t.Day(), "hour": t.Hour(), "min": t.Minute(),
		"sec": t.Second(), "wday": int(t.Weekday()) + 1, "yday": t.YearDay(),
	} {
		table.RawSetString(k, lua.LNumber(v))
	}
	table.RawSetString("isdst", lua.LBool(t.IsDST()))
	return table
}

func osTime(c call) int {
	if c.none(1) {
		return c.pushNumber(float64(c.l.o.Now().Unix()))
	}
	t := c.table(1)
	sec, minute, hour := c.dateField(t, "sec", 0), c.dateField(t, "min", 0), c.dateField(t, "hour", 12)
	day, month, year := c.dateField(t, "day", -1), c.dateField(t, "month", -1), c.dateField(t, "year", -1)
	at := time.Date(year, time.Month(month), day, hour, minute, sec, 0, c.l.o.Zone)
	if dst, ok := c.L.GetField(t, "isdst").(lua.LBool); ok && bool(dst) != at.IsDST() {
		at = otherClock(at, bool(dst))
	}
	return c.pushNumber(float64(at.Unix()))
}

// otherClock is the time that is meant when a date is given in daylight saving time although there is none then, or the
// other way round. A zone that knows only one of them is left as it is.
func otherClock(at time.Time, dst bool) time.Time {
	_, offset := at.Zone()
	for _, months := range []int{6, -6} {
		if other := at.AddDate(0, months, 0); other.IsDST() == dst {
			_, o := other.Zone()
			return at.Add(time.Duration(offset-o) * time.Second)
		}
	}
	return at
}

func (c call) dateField(t *lua.LTable, name string, def int) int {
	switch v := c.L.GetField(t, name).(type) {
	case lua.LNumber:
		return clampField(float64(v))
	case lua.LString:
		if f, ok := parseNumber(string(v)); ok {
			return clampField(f)
		}
	}
	if def < 0 {
		c.errorf("field '%s' missing in date table", name)
	}
	return def
}

// clampField keeps the arithmetic of package time in range.
func clampField(f float64) int { return toInt(min(max(f, -1<<31), 1<<31)) }
