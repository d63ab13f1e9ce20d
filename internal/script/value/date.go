package value

import (
	"math"
	"time"

	lua "github.com/yuin/gopher-lua"

	"github.com/monaserver/monaserver/pkg/amf"
)

// maxMillis is the end of dates in ECMAScript, ±8.64e15 ms.
const maxMillis = 8.64e15

// date makes the table of a date: __time and, in local time, the fields of os.date("*t") and msec. A date
// beyond what ECMAScript knows has only __time.
func (c *Converter) date(millis float64) *lua.LTable {
	t := c.L.CreateTable(0, 11)
	t.RawSetString("__time", lua.LNumber(millis))
	if !(math.Abs(millis) <= maxMillis) {
		return t
	}
	at := time.UnixMilli(int64(math.Floor(millis))).In(c.o.Location)
	set := func(name string, n int) { t.RawSetString(name, luaNumber(float64(n))) }
	set("year", at.Year())
	set("month", int(at.Month()))
	set("day", at.Day())
	set("yday", at.YearDay())
	set("wday", int(at.Weekday())+1)
	set("hour", at.Hour())
	set("min", at.Minute())
	set("sec", at.Second())
	set("msec", at.Nanosecond()/int(time.Millisecond))
	t.RawSetString("isdst", lua.LBool(at.IsDST()))
	return t
}

// isoText is a date as ISO 8601 with milliseconds, in UTC. Years outside 0 to 9999 have no form in it.
func isoText(millis float64) (string, bool) {
	if !(math.Abs(millis) <= maxMillis) {
		return "", false
	}
	at := time.UnixMilli(int64(math.Floor(millis))).UTC()
	if at.Year() < 0 || at.Year() > 9999 {
		return "", false
	}
	return at.Format("2006-01-02T15:04:05.000Z"), true
}

// isoLayouts are the forms of ISO 8601 that are read as dates, by whether the text has hyphens. Fractions
// of a second are understood after the seconds of any of them.
var isoLayouts = [...]string{
	"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05Z07", "2006-01-02T15:04:05",
	"2006-01-02T15:04Z07:00", "2006-01-02T15:04", "2006-01-02",
	"20060102T150405Z07:00", "20060102T150405Z0700", "20060102T150405",
}

// parseISO reads a date of ISO 8601. A date without zone is local; one without time is local midnight.
func (c *Converter) parseISO(s string) (*amf.Date, bool) {
	// Most strings are not dates: look before trying layouts.
	if len(s) < len("2006-01-02") || len(s) > 40 || !digits(s[:4]) {
		return nil, false
	}
	switch {
	case len(s) == 10:
		if s[4] != '-' || s[7] != '-' {
			return nil, false
		}
	case s[8] != 'T' && s[10] != 'T':
		return nil, false
	}
	for _, layout := range isoLayouts {
		if at, err := time.ParseInLocation(layout, s, c.o.Location); err == nil {
			return amf.DateOf(at), true
		}
	}
	return nil, false
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
