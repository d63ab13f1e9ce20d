package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"go.etcd.io/bbolt"
)

// open opens the file at path and closes the store with the test; anything logged is an error.
func open(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(path, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func temp(t testing.TB) string { return filepath.Join(t.TempDir(), "data", "data.db") }

// reopen closes s and opens its file again, as a restart of the server does.
func reopen(t testing.TB, s *Store) *Store {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return open(t, s.path)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// show prints a tree: texts quoted, tables in braces, all in the order of iterations.
func show(n *Node) string {
	var list []string
	n.Each(func(key string, e Entry) bool {
		s := ""
		switch e.Kind {
		case KindText:
			s = strconv.Quote(e.Text)
		case KindBool:
			s = strconv.FormatBool(e.Bool)
		case KindNumber:
			s = strconv.FormatFloat(e.Number, 'g', -1, 64)
		case KindTable:
			s = show(e.Node)
		}
		list = append(list, key+"="+s)
		return true
	})
	return "{" + strings.Join(list, " ") + "}"
}

func wantTree(t testing.TB, n *Node, want string) {
	t.Helper()
	if got := show(n); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// onDisk reads the entries of a file that no store has open, by their path.
func onDisk(t testing.TB, path string) map[string]string {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true})
	must(t, err)
	defer db.Close()
	m := map[string]string{}
	must(t, db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(entriesBucket).ForEach(func(k, v []byte) error {
			keys, err := splitPath(k)
			m[strings.Join(keys, ".")] = string(v)
			return err
		})
	}))
	return m
}

// checkSize compares what the store counted with what there is.
func checkSize(t testing.TB, s *Store) {
	t.Helper()
	if got := s.root.size(); got != s.size {
		t.Errorf("counted %+v, there are %+v", s.size, got)
	}
}

func wantErr(t testing.TB, err, kind error, text string) {
	t.Helper()
	if !errors.Is(err, kind) || !strings.Contains(fmt.Sprint(err), text) {
		t.Errorf("error %v, want %v with %q", err, kind, text)
	}
}

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		child(path)
		return
	}
	os.Exit(m.Run())
}
