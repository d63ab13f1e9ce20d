package store

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"
	"pgregory.net/rapid"
)

// disk is the text of a path in the file of an open store.
func disk(t testing.TB, s *Store, keys ...string) (text string, there bool) {
	t.Helper()
	var path []byte
	for _, key := range keys {
		path = appendKey(path, key)
	}
	must(t, s.db.View(func(tx *bbolt.Tx) error {
		v := tx.Bucket(entriesBucket).Get(path)
		text, there = string(v), v != nil
		return nil
	}))
	return text, there
}

// The first change goes to the file at once, what follows within half a second of it together, and nothing
// when nothing changes.
func TestBatches(t *testing.T) {
	path := temp(t)
	synctest.Test(t, func(t *testing.T) {
		s := open(t, path)
		batches := 0
		s.update = func(f func(*bbolt.Tx) error) error { batches++; return s.db.Update(f) }
		r := s.Root()
		want := func(n int, key, text string) {
			t.Helper()
			synctest.Wait()
			if got, _ := disk(t, s, key); got != text || batches != n {
				t.Errorf("%d batches, %s=%q on disk, want %d and %q", batches, key, got, n, text)
			}
		}
		must(t, r.Set("a", Text("1")))
		want(1, "a", "1")
		must(t, r.Set("a", Text("2")))
		must(t, r.Set("b", Text("2")))
		<-time.After(interval - time.Millisecond)
		want(1, "a", "1")
		must(t, r.Set("b", Text("3")))
		<-time.After(time.Millisecond)
		want(2, "a", "2")
		want(2, "b", "3")
		<-time.After(10 * interval)
		want(2, "b", "3")
		must(t, r.Set("b", Text("3"))) // no change
		want(2, "b", "3")
		must(t, r.Delete("b"))
		want(3, "b", "")
		must(t, r.Set("c", Text("4")))
		must(t, s.Close())
		if batches != 4 {
			t.Error(batches, "batches")
		}
	})
}

// What is pending does not grow with the number of changes.
func TestCoalesce(t *testing.T) {
	path := temp(t)
	synctest.Test(t, func(t *testing.T) {
		s := open(t, path)
		r := s.Root()
		must(t, r.Set("old", Text("0")))
		synctest.Wait() // from here on the writer pauses
		for i := range 10000 {
			must(t, r.Set("same", Number(float64(i))))
			key := fmt.Sprint("k", i)
			must(t, r.Set(key, Text("v")))
			must(t, r.Set(key, Text("w")))
			must(t, r.Delete(key))
			must(t, r.Set("t", Table(table("a", i, "b", i))))
			must(t, r.Delete("t"))
			must(t, r.Set("old", Number(float64(i))))
			must(t, r.Delete("old"))
			must(t, r.Set("old", Text("again")))
			must(t, r.Delete("old"))
		}
		if len(s.pending) != 2 { // same, and the deletion of old
			t.Error(len(s.pending), "changes are pending")
		}
		checkSize(t, s)
		must(t, s.Close())
	})
	s := open(t, path)
	wantTree(t, s.Root(), `{same=9999}`)
}

// A disk that fails is tried again and again; the log says so once a minute.
func TestDiskFails(t *testing.T) {
	path := temp(t)
	synctest.Test(t, func(t *testing.T) {
		var lines []string
		s, err := Open(path, func(err error) { lines = append(lines, err.Error()) })
		must(t, err)
		full := errors.New("no space left")
		tries := 0
		var failing atomic.Bool
		failing.Store(true)
		s.update = func(f func(*bbolt.Tx) error) error {
			tries++
			if failing.Load() {
				return full
			}
			return s.db.Update(f)
		}
		must(t, s.Root().Set("a", Text("1")))
		<-time.After(30*time.Second - time.Millisecond)
		synctest.Wait()
		if tries != 60 || len(lines) != 1 || !strings.Contains(lines[0], "no space left") || !strings.Contains(lines[0], filepath.Base(path)) {
			t.Errorf("%d tries, log %q", tries, lines)
		}
		must(t, s.Root().Set("b", Text("2")))
		must(t, s.Root().Delete("a"))
		<-time.After(time.Minute)
		synctest.Wait()
		if len(lines) != 2 {
			t.Errorf("log %q", lines)
		}
		failing.Store(false)
		<-time.After(interval)
		synctest.Wait()
		if v, _ := disk(t, s, "b"); v != "2" {
			t.Error("not written when the disk was well again")
		}
		if _, there := disk(t, s, "a"); there {
			t.Error("not deleted")
		}
		failing.Store(true)
		must(t, s.Root().Set("c", Text("3")))
		synctest.Wait()
		<-time.After(interval)
		synctest.Wait()
		if len(lines) != 3 {
			t.Errorf("the next failure is not in the log: %q", lines)
		}
		if err := s.Close(); !errors.Is(err, full) {
			t.Error("Close:", err)
		}
	})
}

// A file damaged while it is open is an error like others.
func TestDamagedWhileOpen(t *testing.T) {
	path := temp(t)
	synctest.Test(t, func(t *testing.T) {
		var lines []string
		s, err := Open(path, func(err error) { lines = append(lines, err.Error()) })
		must(t, err)
		s.update = func(func(*bbolt.Tx) error) error { panic("page 7 is of another kind") }
		must(t, s.Root().Set("a", Text("1")))
		synctest.Wait()
		if len(lines) != 1 || !strings.Contains(lines[0], "damaged: page 7") {
			t.Errorf("log %q", lines)
		}
		if err := s.Close(); !errors.Is(err, ErrDamaged) {
			t.Error("Close:", err)
		}
	})
}

// Whatever a script does while batches are on their way, or fail, the file ends as the tree.
func TestPropertyWriter(t *testing.T) {
	dir := t.TempDir()
	runs := 0
	rapid.Check(t, func(t *rapid.T) {
		runs++
		s := &Store{
			path: filepath.Join(dir, fmt.Sprint(runs)), max: size{MaxEntries, MaxBytes}, batch: 1,
			wake: make(chan struct{}, 1), pending: make(map[string]change),
		}
		s.root = NewNode()
		s.root.s = s
		if err := s.open(); err != nil {
			t.Fatal(err)
		}
		defer s.db.Close()
		s.db.NoSync = true
		key := rapid.SampledFrom([]string{"a", "b", "1", ""})
		change := func() {
			n := s.Root()
			for range rapid.IntRange(0, 2).Draw(t, "depth") {
				if e, ok := n.Get(key.Draw(t, "down")); ok && e.Kind == KindTable {
					n = e.Node
				}
			}
			k := key.Draw(t, "key")
			var err error
			switch rapid.IntRange(0, 4).Draw(t, "change") {
			case 0, 1:
				err = n.Set(k, Text(rapid.StringN(0, 2, 4).Draw(t, "text")))
			case 2:
				err = n.Delete(k)
			case 3:
				node := table(k, "x", "n", table("deep", "y"))
				err = n.Set(k, Table(node))
			case 4:
				err = n.Child(k).Set("app", Bool(true))
			}
			if err != nil && !errors.Is(err, ErrTable) && !errors.Is(err, ErrDetached) {
				t.Fatal(err)
			}
		}
		changes := func() {
			for range rapid.IntRange(0, 6).Draw(t, "changes") {
				change()
			}
		}
		failing := false
		s.update = func(f func(*bbolt.Tx) error) error {
			changes() // while the batch is on its way
			if failing {
				return errors.New("no space left")
			}
			return s.db.Update(f)
		}
		for range rapid.IntRange(1, 8).Draw(t, "batches") {
			changes()
			failing = rapid.Bool().Draw(t, "failing")
			if err := s.flush(); (err != nil) != failing && err != nil {
				t.Fatal(err)
			}
		}
		s.update = s.db.Update
		if err := s.flush(); err != nil {
			t.Fatal(err)
		}
		if got := s.root.size(); got != s.size {
			t.Fatalf("counted %+v, there are %+v", s.size, got)
		}
		want := map[string]string{}
		collect(want, s.root, nil)
		got := map[string]string{}
		_ = s.db.View(func(tx *bbolt.Tx) error {
			return tx.Bucket(entriesBucket).ForEach(func(k, v []byte) error { got[string(k)] = string(v); return nil })
		})
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("on disk %q, in memory %q", got, want)
		}
	})
}

func collect(m map[string]string, n *Node, path []byte) {
	n.Each(func(key string, e Entry) bool {
		p := appendKey(append([]byte(nil), path...), key)
		if e.Kind == KindTable {
			collect(m, e.Node, p)
		} else {
			m[string(p)] = e.Text
		}
		return true
	})
}

func BenchmarkSet(b *testing.B) {
	s := open(b, temp(b))
	n := s.Root().Child("app")
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		must(b, n.Set("counter", Text(fmt.Sprint(i))))
	}
}

func BenchmarkGet(b *testing.B) {
	s := open(b, "")
	n := s.Root().Child("app")
	must(b, n.Set("k", Text("v")))
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := n.Get("k"); !ok {
			b.Fatal("missing")
		}
	}
}

// A batch of a thousand keys, with its fsync.
func BenchmarkBatch(b *testing.B) {
	path := temp(b)
	s := open(b, path)
	s.Close()
	if err := s.open(); err != nil {
		b.Fatal(err)
	}
	defer s.db.Close()
	s.closed = false
	round := 0
	for b.Loop() {
		round++
		for i := range 1000 {
			must(b, s.root.Set(fmt.Sprint(i), Text(fmt.Sprint(round))))
		}
		must(b, s.flush())
	}
	s.closed = true
}
