package store

import (
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"time"

	"go.etcd.io/bbolt"
)

func (s *Store) lock() { s.mu.Lock() }

// unlock ends a change of pending.
func (s *Store) unlock() {
	if s.db == nil {
		clear(s.pending)
	}
	s.mu.Unlock()
	s.notify()
}

func (s *Store) notify() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// firstBatch is the batch in which a path that is not in the tree goes to the file, 0 when the file may
// have it already. The lock is held.
func (s *Store) firstBatch(path string) uint64 {
	if _, ok := s.pending[path]; ok {
		return 0
	}
	return s.batch
}

// remove takes a path out of the file, or only out of what is pending when it never got further: scripts
// that add and remove keys in a loop leave nothing behind. The lock is held.
func (s *Store) remove(path string, first uint64) {
	if first == s.batch {
		delete(s.pending, path)
		return
	}
	s.pending[path] = change{delete: true}
}

// write is the writer goroutine: a batch as soon as something changes, and not again before the interval
// has passed.
func (s *Store) write() {
	pause := time.NewTimer(0)
	defer pause.Stop()
	<-pause.C
	for {
		select {
		case <-s.wake:
		case <-s.quit:
			s.done <- s.flush()
			return
		}
		if err := s.flush(); err != nil {
			s.complain(err)
			s.notify()
		} else {
			s.failing = time.Time{}
		}
		pause.Reset(interval)
		select {
		case <-pause.C:
		case <-s.quit:
			s.done <- s.flush()
			return
		}
	}
}

func (s *Store) complain(err error) {
	now := time.Now()
	if s.failing.IsZero() || now.Sub(s.failing) >= retryLog {
		s.failing = now
		s.log(fmt.Errorf("data file %s: not written, will be tried again: %w", s.path, err))
	}
}

// flush writes what is pending in one transaction. What fails is pending again.
func (s *Store) flush() error {
	s.mu.Lock()
	batch := s.pending
	if len(batch) == 0 {
		s.mu.Unlock()
		return nil
	}
	s.pending = make(map[string]change)
	s.batch++
	s.mu.Unlock()

	err := s.commit(batch)
	if err == nil {
		return nil
	}
	s.mu.Lock()
	for path, c := range s.pending {
		batch[path] = c
	}
	s.pending = batch
	s.batch++ // paths that are pending again were in no batch of this number
	s.mu.Unlock()
	return err
}

// commit makes one transaction of a batch. A file that is damaged under the feet of the process must not take
// the process with it.
func (s *Store) commit(batch map[string]change) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", ErrDamaged, p)
		}
	}()
	return s.update(func(tx *bbolt.Tx) error { return apply(tx.Bucket(entriesBucket), batch) })
}

// apply makes changes in the order of the file, which is the cheapest.
func apply(b *bbolt.Bucket, batch map[string]change) error {
	for _, path := range slices.Sorted(maps.Keys(batch)) {
		var err error
		if c := batch[path]; c.delete {
			err = b.Delete([]byte(path))
		} else {
			err = b.Put([]byte(path), []byte(c.text))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
