package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// interval is the time from one batch to the next, at least. With the time the disk takes it stays within
// the second that a killed process may lose.
const interval = 500 * time.Millisecond

// lockWait is how long Open waits for another process to let the file go.
const lockWait = 500 * time.Millisecond

// retryLog is how long the log of a disk that refuses batches stays silent after a line.
const retryLog = time.Minute

// The file: its entries by path, and the version of this form.
var (
	entriesBucket = []byte("data")
	metaBucket    = []byte("meta")
	versionKey    = []byte("version")
)

const version = "1"

// Store is a tree and the file it is kept in.
type Store struct {
	// For the script goroutine.
	root   *Node
	size   size
	max    size
	closed bool

	// Set once.
	path string
	db   *bbolt.DB // nil = in memory only
	log  func(error)
	// update is db.Update; tests make it fail.
	update func(func(*bbolt.Tx) error) error
	wake   chan struct{} // something is pending
	quit   chan struct{}
	done   chan error // what the last batch returned

	// Guarded by mu. pending is bounded by the entries of the tree and those of the file.
	mu      sync.Mutex
	pending map[string]change
	batch   uint64 // number of the batch that takes pending

	// For the writer goroutine.
	failing time.Time // of the last line about it; zero = the disk is well
}

// change is what happens to a path in the file.
type change struct {
	text   string
	delete bool
}

// Open reads the file at path, making it and its folder when missing. Without a path the tree is in memory
// only. log is told of batches that could not be written (they are tried again) and of entries that could
// not be read.
func Open(path string, log func(error)) (*Store, error) {
	s := &Store{
		path: path, log: log, max: size{MaxEntries, MaxBytes}, batch: 1,
		wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan error, 1),
		pending: make(map[string]change),
	}
	s.root = NewNode()
	s.root.s = s
	if path == "" {
		return s, nil
	}
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = s.open()
	}
	if err != nil {
		return nil, fmt.Errorf("data file %s: %w", path, err)
	}
	go s.write()
	return s, nil
}

// open opens the file and reads all of it.
func (s *Store) open() (err error) {
	// A damaged file leads anywhere, also past its end.
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", ErrDamaged, p)
		}
		if err != nil && s.db != nil {
			s.db.Close()
		}
	}()
	s.db, err = bbolt.Open(s.path, 0o600, &bbolt.Options{Timeout: lockWait, FreelistType: bbolt.FreelistMapType})
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return ErrInUse
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrChecksum), errors.Is(err, berrors.ErrVersionMismatch):
		return fmt.Errorf("%w: %v", ErrDamaged, err)
	case err != nil:
		return err
	}
	s.update = s.db.Update
	if err := s.update(prepare); err != nil {
		return err
	}
	return s.db.View(func(tx *bbolt.Tx) error { return tx.Bucket(entriesBucket).ForEach(s.load) })
}

// prepare makes the buckets of a new file and checks the version of an old one.
func prepare(tx *bbolt.Tx) error {
	meta, err := tx.CreateBucketIfNotExists(metaBucket)
	if err != nil {
		return err
	}
	switch v := meta.Get(versionKey); {
	case v == nil:
		err = meta.Put(versionKey, []byte(version))
	case string(v) != version:
		err = fmt.Errorf("written by another version of the server (form %q)", v)
	}
	if err != nil {
		return err
	}
	_, err = tx.CreateBucketIfNotExists(entriesBucket)
	return err
}

// load puts one entry of the file into the tree. bbolt owns path and text.
func (s *Store) load(path, text []byte) error {
	keys, err := splitPath(path)
	if err != nil {
		s.log(fmt.Errorf("data file %s: entry %x left out: %w", s.path, path, err))
		return nil
	}
	n := s.root
	for _, key := range keys[:len(keys)-1] {
		sl, exists := n.slots[key]
		if !exists {
			sl = slot{Entry: Table(&Node{s: s, parent: n, name: key, slots: make(map[string]slot)})}
			n.put(key, sl)
			s.size.add(size{entries: 1, bytes: len(key)})
		}
		if sl.Kind != KindTable {
			s.log(fmt.Errorf("data file %s: entry %x left out: it is inside a value", s.path, path))
			return nil
		}
		n = sl.Node
	}
	key := keys[len(keys)-1]
	if _, exists := n.slots[key]; exists {
		s.log(fmt.Errorf("data file %s: entry %x left out: it is a table too", s.path, path))
		return nil
	}
	e, ok := loaded(string(text))
	if !ok {
		s.pending[string(path)] = change{delete: true}
		return nil
	}
	n.put(key, slot{Entry: e})
	s.size.add(size{entries: 1, bytes: len(key) + len(e.Text)})
	return nil
}

// Root is the table that contains all others.
func (s *Store) Root() *Node { return s.root }

// Close writes what is pending and closes the file.
func (s *Store) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	if s.db == nil {
		return nil
	}
	close(s.quit)
	err := <-s.done
	return errors.Join(err, s.db.Close())
}
