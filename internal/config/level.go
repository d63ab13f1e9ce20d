package config

import (
	"strconv"
	"strings"
)

// Level is a log level of MonaServer: the higher, the more is logged.
type Level uint8

// The levels, from nothing to everything.
const (
	LevelNone Level = iota
	LevelFatal
	LevelCritic
	LevelError
	LevelWarn
	LevelNote
	LevelInfo
	LevelDebug
	LevelTrace
)

var levelNames = [...]string{"NONE", "FATAL", "CRITIC", "ERROR", "WARN", "NOTE", "INFO", "DEBUG", "TRACE"}

// String is the name of the level in capital letters, as it stands in the logs.
func (l Level) String() string {
	if int(l) < len(levelNames) {
		return levelNames[l]
	}
	return strconv.Itoa(int(l))
}

func parseLevel(text string) (Level, bool) {
	for i, name := range levelNames {
		if strings.EqualFold(text, name) || text == strconv.Itoa(i) {
			return Level(i), true
		}
	}
	return 0, false
}
