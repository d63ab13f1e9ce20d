package server

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/monaserver/monaserver/internal/config"
)

const (
	logQueueLen   = 4096
	logQueueBytes = 4 << 20
)

// errLogStuck reports that an output of the log took nothing for too long.
var errLogStuck = errors.New("the log could not be written completely")

// logQueue stands between the loggers, which must never wait, and the outputs. One goroutine writes. When the queue
// is full new lines are dropped and counted, and the count is logged as soon as there is room.
type logQueue struct {
	outputs []io.Writer // writer goroutine only
	maxSize int64

	lines  chan []byte
	size   atomic.Int64 // bytes in lines
	missed atomic.Uint64
	told   uint64 // writer goroutine only: how many of them are in the log

	mu     sync.RWMutex // write-locked once, by close
	closed bool
	done   chan struct{}
}

func newLogQueue(outputs []io.Writer, length int, size int64) *logQueue {
	q := &logQueue{outputs: outputs, maxSize: size, lines: make(chan []byte, length), done: make(chan struct{})}
	go q.run()
	return q
}

// Write takes a copy of one line.
func (q *logQueue) Write(p []byte) (int, error) {
	q.mu.RLock()
	defer q.mu.RUnlock()
	if q.closed {
		return len(p), nil
	}
	n := int64(len(p))
	if q.size.Add(n) > q.maxSize {
		q.size.Add(-n)
		q.missed.Add(1)
		return len(p), nil
	}
	select {
	case q.lines <- append([]byte(nil), p...):
	default:
		q.size.Add(-n)
		q.missed.Add(1)
	}
	return len(p), nil
}

func (q *logQueue) run() {
	defer close(q.done)
	for line := range q.lines {
		q.size.Add(-int64(len(line)))
		q.write(line)
		q.tellMissed()
	}
	q.tellMissed()
}

func (q *logQueue) tellMissed() {
	n := q.missed.Load()
	if n > q.told {
		q.write(logLine(config.LevelWarn, fmt.Sprintf("missed %d messages: the log could not be written fast enough", n-q.told)))
		q.told = n
	}
}

func (q *logQueue) write(line []byte) {
	for _, w := range q.outputs {
		_, _ = w.Write(line) // there is no other place to tell it; reportOnce tells about files
	}
}

// close waits until everything is written, but not longer than the timeout.
func (q *logQueue) close(timeout time.Duration) error {
	q.mu.Lock()
	again := q.closed
	q.closed = true
	if !again {
		close(q.lines)
	}
	q.mu.Unlock()
	if again {
		return nil
	}
	select {
	case <-q.done:
		return closeAll(q.outputs)
	case <-time.After(timeout):
		return errLogStuck
	}
}
