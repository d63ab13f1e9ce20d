package server

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/rs/zerolog"

	"github.com/monaserver/monaserver/internal/config"
)

const textTime = "2006-01-02 15:04:05.000"

// levelColors are ANSI codes for terminals.
var levelColors = map[string]string{
	config.LevelFatal.String():  "1;31",
	config.LevelCritic.String(): "1;31",
	config.LevelError.String():  "31",
	config.LevelWarn.String():   "33",
	config.LevelNote.String():   "36",
	config.LevelInfo.String():   "32",
	config.LevelDebug.String():  "90",
	config.LevelTrace.String():  "90",
}

// textWriter writes events as lines for people: time, level, message, name=value …
func textWriter(w io.Writer, color bool) io.Writer {
	return zerolog.ConsoleWriter{
		Out:     w,
		NoColor: !color,
		FormatTimestamp: func(v any) string {
			t, err := time.Parse(zerolog.TimeFieldFormat, fmt.Sprint(v))
			if err != nil {
				return strings.Repeat("-", len(textTime))
			}
			return t.Local().Format(textTime)
		},
		FormatLevel: func(v any) string {
			name, _ := v.(string)
			label := fmt.Sprintf("%-6s", name)
			if code := levelColors[name]; color && code != "" {
				label = "\x1b[" + code + "m" + label + "\x1b[0m"
			}
			return label
		},
		FormatMessage: func(v any) string {
			text, _ := v.(string)
			return printable(text)
		},
		FormatFieldName: func(v any) string { return fmt.Sprint(v) + "=" },
		FormatErrFieldName: func(v any) string {
			return fmt.Sprint(v) + "="
		},
	}
}

// printable keeps what a client sent from looking like lines of its own or steering a terminal: lines after the first
// are indented, other control characters are shown as codes.
func printable(s string) string {
	if strings.IndexFunc(s, unicode.IsControl) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range strings.TrimRight(s, "\r\n") {
		switch {
		case r == '\n':
			b.WriteString("\n    ")
		case r == '\t':
			b.WriteByte('\t')
		case r == '\r':
		case unicode.IsControl(r):
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
