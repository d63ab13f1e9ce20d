package server

import (
	"github.com/rs/zerolog"

	"github.com/monaserver/monaserver/internal/config"
)

// MonaServer has two levels that zerolog does not know. They stand above its own, so every logger lets them pass, and
// levelFilter decides.
const (
	levelNote   zerolog.Level = 10
	levelCritic zerolog.Level = 11
)

// The names of levels and the form of times are settings of the whole process in zerolog: made here, before any logger.
func init() {
	zerolog.LevelFieldMarshalFunc = func(l zerolog.Level) string { return monaLevel(l).String() }
	zerolog.TimeFieldFormat = "2006-01-02T15:04:05.000Z07:00"
}

// Event begins a log line of a level of MonaServer. Use the logger's own methods for those levels that zerolog has.
// Unlike zerolog's Fatal, LevelFatal does not end the process.
func Event(l *zerolog.Logger, level config.Level) *zerolog.Event {
	return l.WithLevel(zerologLevel(level))
}

// Note begins a line about something an operator wants to see even when INFO is off.
func Note(l *zerolog.Logger) *zerolog.Event { return l.WithLevel(levelNote) }

// Critic begins a line about an error that costs a part of the service.
func Critic(l *zerolog.Logger) *zerolog.Event { return l.WithLevel(levelCritic) }

func zerologLevel(l config.Level) zerolog.Level {
	switch l {
	case config.LevelNone:
		return zerolog.Disabled
	case config.LevelFatal:
		return zerolog.FatalLevel
	case config.LevelCritic:
		return levelCritic
	case config.LevelError:
		return zerolog.ErrorLevel
	case config.LevelWarn:
		return zerolog.WarnLevel
	case config.LevelNote:
		return levelNote
	case config.LevelInfo:
		return zerolog.InfoLevel
	case config.LevelDebug:
		return zerolog.DebugLevel
	}
	return zerolog.TraceLevel
}

func monaLevel(l zerolog.Level) config.Level {
	switch l {
	case zerolog.PanicLevel, zerolog.FatalLevel:
		return config.LevelFatal
	case levelCritic:
		return config.LevelCritic
	case zerolog.ErrorLevel:
		return config.LevelError
	case zerolog.WarnLevel:
		return config.LevelWarn
	case levelNote:
		return config.LevelNote
	case zerolog.InfoLevel, zerolog.NoLevel:
		return config.LevelInfo
	case zerolog.DebugLevel:
		return config.LevelDebug
	}
	return config.LevelTrace
}

// threshold is the level of a logger that makes no line for nothing: of zerolog's own levels exactly those that are wanted.
func threshold(l config.Level) zerolog.Level {
	switch l {
	case config.LevelCritic:
		return zerolog.FatalLevel
	case config.LevelNote:
		return zerolog.WarnLevel
	}
	return zerologLevel(l)
}

// levelFilter drops the events of the two levels that a logger cannot filter.
type levelFilter struct {
	w     *logQueue
	level config.Level
}

func (f *levelFilter) Write(p []byte) (int, error) { return f.w.Write(p) }

func (f *levelFilter) WriteLevel(l zerolog.Level, p []byte) (int, error) {
	if monaLevel(l) > f.level {
		return len(p), nil
	}
	return f.w.Write(p)
}
