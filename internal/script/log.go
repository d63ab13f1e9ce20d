package script

import (
	"net/netip"
	"strings"

	"github.com/rs/zerolog"
	lua "github.com/yuin/gopher-lua"
	"golang.org/x/time/rate"
)

const (
	logPerSecond = 200 // lines of one application
	logBurst     = 400
)

// appLog is the log of one application, limited in rate.
type appLog struct {
	limit  *rate.Limiter
	missed int
}

func newAppLog() *appLog { return &appLog{limit: rate.NewLimiter(logPerSecond, logBurst)} }

// logEvent returns an event of app's log, nil if it is over its rate.
func (e *Engine) logEvent(app *App, level zerolog.Level) *zerolog.Event {
	if app == nil {
		return e.log.WithLevel(level)
	}
	l := app.logs
	if !l.limit.AllowN(e.cfg.Clock(), 1) {
		l.missed++
		e.counters.LogsDropped.Add(1)
		return nil
	}
	if l.missed > 0 {
		e.log.Warn().Str("application", app.label()).Int("lines", l.missed).Msg("log lines of the application left out")
		l.missed = 0
	}
	return e.log.WithLevel(level).Str("application", app.label())
}

// scriptError logs an error raised by a script; its text names file and line.
func (e *Engine) scriptError(app *App, where string, err error) {
	e.counters.Errors.Add(1)
	if ev := e.logEvent(app, zerolog.ErrorLevel); ev != nil {
		ev.Str("in", where).Msg(errorText(err))
	}
}

// refused logs that a script refuses somebody by an error, whose text the other side is told. One that it did not raise
// itself is a mistake.
func (e *Engine) refused(app *App, where string, who netip.AddrPort, err error) {
	if !e.lib.Deliberate(err) {
		e.scriptError(app, where, err)
		return
	}
	if ev := e.logEvent(app, zerolog.InfoLevel); ev != nil {
		ev.Str("in", where).Stringer("address", who).Msg("refused: " + errorText(err))
	}
}

// warn logs something odd about the end of an event of a script.
func (e *Engine) warn(app *App, where, text string) {
	if ev := e.logEvent(app, warnLevel); ev != nil {
		ev.Str("in", where).Msg(text)
	}
}

// complain logs a mistake of the running script with its file and line, and lets it go on.
func (e *Engine) complain(level zerolog.Level, text string) {
	if ev := e.logEvent(e.running, level); ev != nil {
		ev.Msg(e.where() + shorten(text))
	}
}

// maxLogText bounds what a script makes the log say at once, and a peer hear about an error.
const maxLogText = 8 << 10

// shorten takes the middle out of a text that is too long: its last words may be what matters.
func shorten(text string) string {
	if len(text) <= maxLogText {
		return text
	}
	return text[:maxLogText/2] + " … " + text[len(text)-maxLogText/2:]
}

// logFunction makes NOTE, ERROR and their like: all arguments are joined without separator.
func (e *Engine) logFunction(level zerolog.Level) lua.LGFunction {
	return func(L *lua.LState) int {
		var b strings.Builder
		b.WriteString(where(L))
		for i := 1; i <= L.GetTop() && b.Len() <= maxLogText; i++ {
			b.WriteString(shorten(e.text(L.Get(i))))
		}
		if ev := e.logEvent(e.running, level); ev != nil {
			ev.Msg(shorten(b.String()))
		}
		return 0
	}
}

// text is how a value appears in logs.
func (e *Engine) text(v lua.LValue) string {
	return e.lib.ToString(e.L, v)
}

// where is the position of the script that called the running function, "file:line: ".
func (e *Engine) where() string { return where(e.L) }

func where(L *lua.LState) string {
	if w := L.Where(1); w != "" {
		return w + " "
	}
	return ""
}
