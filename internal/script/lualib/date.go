package lualib

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// appendDate does the first conversion of strftime of the C library, in the C locale, and returns what is left of the
// format.
func appendDate(out []byte, format string, t time.Time) (_ []byte, rest string) {
	i := strings.IndexByte(format, '%')
	if i < 0 || i+1 == len(format) {
		return append(out, format...), ""
	}
	out = append(out, format[:i]...)
	verb := format[i+1]
	format = format[i+2:]
	if (verb == 'E' || verb == 'O') && format != "" { // other forms, which the C locale does not have
		verb, format = format[0], format[1:]
	}
	return appendDateField(out, verb, t), format
}

// dateLayouts are the fields that package time can format.
var dateLayouts = map[byte]string{
	'a': "Mon", 'A': "Monday", 'b': "Jan", 'B': "January", 'h': "Jan", 'c': "Mon Jan _2 15:04:05 2006", 'd': "02", 'D': "01/02/06",
	'e': "_2", 'F': "2006-01-02", 'H': "15", 'I': "03", 'm': "01", 'M': "04", 'n': "\n", 'p': "PM", 'P': "pm",
	'r': "03:04:05 PM", 'R': "15:04", 'S': "05", 't': "\t", 'T': "15:04:05", 'x': "01/02/06", 'X': "15:04:05", 'y': "06",
	'z': "-0700", 'Z': "MST", '%': "%",
}

func appendDateField(out []byte, verb byte, t time.Time) []byte {
	if layout, ok := dateLayouts[verb]; ok {
		return t.AppendFormat(out, layout)
	}
	isoYear, isoWeek := t.ISOWeek()
	switch verb {
	case 'C':
		return fmt.Appendf(out, "%02d", t.Year()/100)
	case 'g':
		return fmt.Appendf(out, "%02d", isoYear%100)
	case 'G':
		return strconv.AppendInt(out, int64(isoYear), 10)
	case 'j':
		return fmt.Appendf(out, "%03d", t.YearDay())
	case 'k':
		return fmt.Appendf(out, "%2d", t.Hour())
	case 'l':
		return fmt.Appendf(out, "%2d", (t.Hour()+11)%12+1)
	case 's':
		return strconv.AppendInt(out, t.Unix(), 10)
	case 'u':
		return strconv.AppendInt(out, int64((t.Weekday()+6)%7)+1, 10)
	case 'U': // weeks that begin on Sunday
		return fmt.Appendf(out, "%02d", (t.YearDay()+6-int(t.Weekday()))/7)
	case 'V':
		return fmt.Appendf(out, "%02d", isoWeek)
	case 'w':
		return strconv.AppendInt(out, int64(t.Weekday()), 10)
	case 'W': // weeks that begin on Monday
		return fmt.Appendf(out, "%02d", (t.YearDay()+6-(int(t.Weekday())+6)%7)/7)
	case 'Y':
		return strconv.AppendInt(out, int64(t.Year()), 10)
	}
	return append(out, '%', verb)
}
