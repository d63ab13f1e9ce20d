package server

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/rs/zerolog"

	"github.com/monaserver/monaserver/internal/config"
)

// closeTimeout bounds how long closing the log waits for a terminal or pipe that takes nothing any more.
const closeTimeout = time.Second

// Log is the log of the process: lines to standard error and to files that rotate. Writing to it never waits.
type Log struct {
	Logger zerolog.Logger
	queue  *logQueue
}

// OpenLog starts the log. When its files cannot be written the server goes on with standard error alone, and says so.
func OpenLog(cfg config.Logs, stderr io.Writer, color bool) *Log {
	console := formatted(cfg.Format, stderr, color)
	file, err := openRotating(cfg.Directory, cfg.Name, cfg.Rotation, cfg.MaxSize)
	var outputs []io.Writer
	if file != nil {
		outputs = append(outputs, &reportOnce{w: formatted(cfg.Format, file, false), closer: file, to: console})
	}
	outputs = append(outputs, console)

	q := newLogQueue(outputs, logQueueLen, logQueueBytes)
	l := &Log{
		Logger: zerolog.New(&levelFilter{w: q, level: cfg.Level}).Level(threshold(cfg.Level)).With().Timestamp().Logger(),
		queue:  q,
	}
	if err != nil {
		l.Logger.Error().Err(err).Msg("no log files (logs.directory), only standard error")
	}
	return l
}

// Close writes what is still waiting and closes the files.
func (l *Log) Close() error { return l.queue.close(closeTimeout) }

// Missed is the number of lines that were dropped because the log could not be written fast enough.
func (l *Log) Missed() uint64 { return l.queue.missed.Load() }

// formatted returns a writer that turns the JSON of an event into the format that is configured.
func formatted(format string, w io.Writer, color bool) io.Writer {
	if format == "json" {
		return w
	}
	return textWriter(w, color)
}

// reportOnce tells on another output that its own fails, once until it works again.
type reportOnce struct {
	w, to  io.Writer
	closer io.Closer
	failed bool
}

func (r *reportOnce) Write(p []byte) (int, error) {
	n, err := r.w.Write(p)
	if err != nil && !r.failed {
		_, _ = r.to.Write(logLine(config.LevelError, fmt.Sprintf("log file: %v", err)))
	}
	r.failed = err != nil
	return n, err
}

func (r *reportOnce) Close() error { return r.closer.Close() }

// logLine is an event made outside of a logger.
func logLine(level config.Level, message string) []byte {
	var b lineBuffer
	l := zerolog.New(&b)
	l.WithLevel(zerologLevel(level)).Timestamp().Msg(message)
	return b
}

type lineBuffer []byte

func (b *lineBuffer) Write(p []byte) (int, error) {
	*b = append(*b, p...)
	return len(p), nil
}

// closeAll closes those outputs that can be closed.
func closeAll(outputs []io.Writer) error {
	var errs []error
	for _, w := range outputs {
		if c, ok := w.(*reportOnce); ok {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}
