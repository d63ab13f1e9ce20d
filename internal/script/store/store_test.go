package store

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// Scalars are texts in the running process and typed after a restart, as in MonaServer 1.x.
func TestScalars(t *testing.T) {
	tests := []struct {
		key           string
		set           Entry
		before, after string
	}{
		{"text", Text("hello"), `"hello"`, `"hello"`},
		{"empty", Text(""), `""`, `""`},
		{"bytes", Text("\x00\xff"), `"\x00\xff"`, `"\x00\xff"`},
		{"true", Bool(true), `true`, `true`},
		{"false", Bool(false), `false`, `false`},
		{"number", Number(12), `"12"`, `12`},
		{"fraction", Number(-0.5), `"-0.5"`, `-0.5`},
		{"large", Number(1e20), `"1e+20"`, `"1e+20"`}, // not a plain decimal
		{"infinite", Number(math.Inf(1)), `"inf"`, `"inf"`},
		{"digits", Text("007"), `"007"`, `7`},
		{"exponent", Text("1e3"), `"1e3"`, `"1e3"`},
		{"word", Text("TRUE"), `"TRUE"`, `true`},
		{"word2", Text("False"), `"False"`, `false`},
		{"null", Text("null"), `"null"`, ``},
	}
	s := open(t, temp(t))
	for _, tt := range tests {
		must(t, s.Root().Set(tt.key, tt.set))
	}
	checkSize(t, s)
	check := func(want func(i int) string) {
		t.Helper()
		for i, tt := range tests {
			got := strings.TrimSuffix(strings.TrimPrefix(show(only(s.Root(), tt.key)), "{"+tt.key+"="), "}")
			if w := want(i); got != w && !(w == "" && got == "{") {
				t.Errorf("%s: got %s, want %s", tt.key, got, w)
			}
		}
	}
	check(func(i int) string { return tests[i].before })
	if n := s.Root().Count(); n != len(tests) {
		t.Error("count", n)
	}
	s = reopen(t, s)
	check(func(i int) string { return tests[i].after })
	if n := s.Root().Count(); n != len(tests)-1 {
		t.Error("count", n)
	}
	checkSize(t, s)
	// The file keeps texts as they were written, and nothing for null after it was read once.
	must(t, s.Close())
	disk := onDisk(t, s.path)
	if _, there := disk["null"]; there || disk["digits"] != "007" || len(disk) != len(tests)-1 {
		t.Errorf("%q", disk)
	}
}

// only is a table with one entry of n.
func only(n *Node, key string) *Node {
	o := NewNode()
	if e, ok := n.Get(key); ok {
		o.put(key, slot{Entry: e})
	}
	return o
}

func TestOverwrite(t *testing.T) {
	s := open(t, temp(t))
	r := s.Root()
	must(t, r.Set("a", Text("1")))
	must(t, r.Set("a", Text("two")))
	must(t, r.Set("b", Text("true")))
	must(t, r.Set("b", Bool(true))) // same text: only the kind changes
	wantTree(t, r, `{a="two" b=true}`)
	if r.Count() != 2 {
		t.Error("count", r.Count())
	}
	must(t, r.Delete("a"))
	must(t, r.Delete("a"))
	must(t, r.Set("n", Number(1)))
	s = reopen(t, s)
	wantTree(t, s.Root(), `{b=true n=1}`)
	must(t, s.Root().Set("n", Text("1"))) // was a number
	wantTree(t, s.Root(), `{b=true n="1"}`)
	must(t, s.Root().Set("n", Text("2")))
	must(t, s.Root().Delete("b"))
	checkSize(t, s)
	s = reopen(t, s)
	wantTree(t, s.Root(), `{n=2}`)
}

func table(entries ...any) *Node {
	n := NewNode()
	for i := 0; i < len(entries); i += 2 {
		e, ok := entries[i+1].(Entry)
		if node, isNode := entries[i+1].(*Node); isNode {
			e, ok = Table(node), true
		}
		if !ok {
			e = Text(fmt.Sprint(entries[i+1]))
		}
		if err := n.Set(entries[i].(string), e); err != nil {
			panic(err)
		}
	}
	return n
}

func TestTables(t *testing.T) {
	s := open(t, temp(t))
	r := s.Root()
	must(t, r.Set("t", Table(table("1", 1, "2", 2, "c", table("d", "deep", "e", table())))))
	must(t, r.Set("x", Text("y")))
	wantTree(t, r, `{t={1="1" 2="2" c={d="deep" e={}}} x="y"}`)
	checkSize(t, s)

	// A table is not overwritten, neither by a value nor by a table.
	for _, e := range []Entry{Text("z"), Bool(true), Table(NewNode())} {
		wantErr(t, r.Set("t", e), ErrTable, "data.t is a table, assign nil to it first")
	}
	e, _ := r.Get("t")
	wantErr(t, e.Node.Set("c", Text("z")), ErrTable, "data.t.c is a table")
	if got := e.Node.Path(); got != "data.t" {
		t.Error(got)
	}
	// A value is, by a table.
	must(t, r.Set("x", Table(table("z", 1))))
	must(t, e.Node.Set("new", Text("n")))
	if e.Node.Count() != 3 || e.Node.Len() != 4 || r.Count() != 0 {
		t.Error("counts", e.Node.Count(), e.Node.Len(), r.Count())
	}
	checkSize(t, s)
	s = reopen(t, s)
	r = s.Root()
	wantTree(t, r, `{t={1=1 2=2 c={d="deep"} new="n"} x={z=1}}`) // an empty table is not stored

	// Deleting takes everything below, from the file too.
	held, _ := r.Get("t")
	must(t, r.Delete("t"))
	wantTree(t, r, `{x={z=1}}`)
	wantTree(t, held.Node, `{1=1 2=2 c={d="deep"} new="n"}`)
	wantErr(t, held.Node.Set("k", Text("v")), ErrDetached, "data.t is no longer part of data")
	wantErr(t, held.Node.Delete("new"), ErrDetached, "")
	checkSize(t, s)
	must(t, r.Set("t", Text("now a value")))
	wantErr(t, held.Node.Set("k", Text("v")), ErrDetached, "")
	must(t, r.Set("u", Table(held.Node)))
	must(t, s.Close())
	want := map[string]string{"t": "now a value", "x.z": "1", "u.1": "1", "u.2": "2", "u.new": "n", "u.c.d": "deep"}
	if got := onDisk(t, s.path); !reflect.DeepEqual(got, want) {
		t.Errorf("on disk: %q", got)
	}
}

// A table that is somewhere already is copied.
func TestTableCopies(t *testing.T) {
	s := open(t, temp(t))
	r := s.Root()
	n := table("k", 1)
	must(t, r.Set("a", Table(n)))
	must(t, r.Set("b", Table(n)))
	must(t, n.Set("k", Text("2")))
	wantTree(t, r, `{a={k="2"} b={k="1"}}`)
	a, _ := r.Get("a")
	must(t, a.Node.Set("self", Table(a.Node)))
	must(t, a.Node.Set("all", Table(r)))
	wantTree(t, r, `{a={all={a={k="2" self={k="2"}} b={k="1"}} k="2" self={k="2"}} b={k="1"}}`)
	// Not attached yet, and inside itself.
	d := table("k", 1)
	inner := NewNode()
	must(t, d.Set("inner", Table(inner)))
	must(t, inner.Set("up", Table(d)))
	must(t, d.Set("d", Table(d)))
	wantTree(t, d, `{d={inner={up={inner={} k="1"}} k="1"} inner={up={inner={} k="1"}} k="1"}`)
	must(t, r.Set("d", Table(d)))
	checkSize(t, s)
	s = reopen(t, s)
	wantTree(t, s.Root(), `{a={all={a={k=2 self={k=2}} b={k=1}} k=2 self={k=2}} b={k=1} d={d={inner={up={k=1}} k=1} inner={up={k=1}} k=1}}`)
}

// The tables of applications.
func TestChild(t *testing.T) {
	s := open(t, temp(t))
	r := s.Root()
	app := r.Child("games").Child("chess")
	if again := r.Child("games").Child("chess"); again != app {
		t.Error("another table")
	}
	wantTree(t, r, `{games={chess={}}}`)
	must(t, app.Set("n", Text("1")))
	wantTree(t, r, `{games={chess={n="1"}}}`)
	checkSize(t, s)

	// Deleted by the parent, they begin anew.
	must(t, r.Delete("games"))
	wantTree(t, r, `{}`)
	wantTree(t, app, `{}`)
	if app.Count() != 0 {
		t.Error("count", app.Count())
	}
	checkSize(t, s)
	must(t, app.Set("m", Text("2")))
	wantTree(t, r, `{games={chess={m="2"}}}`)
	checkSize(t, s)
	must(t, r.Delete("games"))
	if r.Child("games").Child("chess") == nil {
		t.Error("no table")
	}
	must(t, r.Delete("games"))

	// Where a value stands they refuse, until it is gone.
	must(t, r.Set("games", Text("a value")))
	blocked := r.Child("games").Child("chess")
	wantErr(t, blocked.Set("k", Text("v")), ErrDetached, "data.games.chess")
	wantErr(t, app.Set("k", Text("v")), ErrDetached, "")
	must(t, r.Delete("games"))
	must(t, blocked.Set("k", Text("v")))
	wantTree(t, r, `{games={chess={k="v"}}}`)
	checkSize(t, s)

	s = reopen(t, s)
	wantTree(t, s.Root(), `{games={chess={k="v"}}}`)
	app = s.Root().Child("games")
	must(t, s.Root().Delete("games"))
	must(t, app.Set("back", Bool(true)))
	wantTree(t, s.Root(), `{games={back=true}}`)
	if _, ok := s.Root().Get("none"); ok {
		t.Error("reading made an entry")
	}
}

func TestOrder(t *testing.T) {
	s := open(t, temp(t))
	r := s.Root()
	keys := []string{"b", "10", "2", "", "a", "01", "1", "-1", "1.5", "0", "100000000000000000000", "9", "\xff", "\x00"}
	for _, k := range keys {
		must(t, r.Set(k, Text("v")))
	}
	want := []string{"0", "1", "2", "9", "10", "100000000000000000000", "", "\x00", "-1", "01", "1.5", "a", "b", "\xff"}
	if got := r.Keys(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %q", got)
	}
	// A change while iterating: the gone are left out, the new not visited.
	var visited []string
	r.Each(func(key string, _ Entry) bool {
		visited = append(visited, key)
		must(t, r.Delete(key))
		if key == "9" {
			must(t, r.Delete("10"))
			must(t, r.Set("zzz", Text("v")))
		}
		return key != "a"
	})
	if got := strings.Join(visited, ","); got != "0,1,2,9,100000000000000000000,,\x00,-1,01,1.5,a" {
		t.Errorf("visited %q", got)
	}
	if got := r.Keys(); !reflect.DeepEqual(got, []string{"b", "zzz", "\xff"}) {
		t.Errorf("left %q", got)
	}
	checkSize(t, s)
}

// Keys are any bytes.
func TestKeys(t *testing.T) {
	path := temp(t)
	s := open(t, path)
	keys := []string{"", "/", "a/b", "..", "a.b", "\x00", "\x00\x01", "\x00\xff", "\xff\x00", "\x01", "é", " ", strings.Repeat("k", MaxKey)}
	n := s.Root()
	for _, outer := range keys {
		inner := n.Child(outer)
		for _, key := range keys {
			must(t, inner.Set(key, Text(outer+"|"+key)))
		}
	}
	s = reopen(t, s)
	for _, outer := range keys {
		e, ok := s.Root().Get(outer)
		if !ok || e.Node.Count() != len(keys) {
			t.Fatalf("%q: %v", outer, ok)
		}
		for _, key := range keys {
			if v, _ := e.Node.Get(key); v.Text != outer+"|"+key {
				t.Errorf("%q %q: %q", outer, key, v.Text)
			}
		}
	}
	must(t, s.Root().Delete("")) // not the beginning of every other path
	if s.Root().Len() != len(keys)-1 {
		t.Error(s.Root().Keys())
	}
	s = reopen(t, s)
	if s.Root().Len() != len(keys)-1 {
		t.Error(s.Root().Keys())
	}
}

func TestLimits(t *testing.T) {
	s := open(t, temp(t))
	r := s.Root()
	wantErr(t, r.Set(strings.Repeat("k", MaxKey+1), Text("")), ErrLimit, "key of 1025 bytes, at most 1024")
	wantErr(t, r.Set("v", Text(strings.Repeat("v", MaxValue+1))), ErrLimit, "data.v: limit of data exceeded: text of 1048577 bytes")
	must(t, r.Set("v", Text(strings.Repeat("v", MaxValue))))
	wantErr(t, NewNode().Set(strings.Repeat("k", MaxKey+1), Text("")), ErrLimit, "key")
	wantErr(t, NewNode().Set(strings.Repeat("k", MaxKey+1), Table(NewNode())), ErrLimit, "key")
	wantErr(t, NewNode().Set("v", Text(strings.Repeat("v", MaxValue+1))), ErrLimit, "text")

	n := r
	for range MaxDepth - 1 {
		n = n.Child("d")
	}
	must(t, n.Set("k", Text("v")))
	wantErr(t, n.Child("d").Set("k", Text("v")), ErrLimit, "33 keys deep, at most 32")
	wantErr(t, n.Set("t", Table(table("k", 1))), ErrLimit, "33 keys deep")
	must(t, n.Set("t", Table(NewNode())))
	long := strings.Repeat("l", MaxKey)
	n = r
	for range MaxPath/(MaxKey+2) - 1 {
		n = n.Child(long)
	}
	must(t, n.Set(long, Text("v")))
	wantErr(t, n.Child(long[1:]).Set(long, Text("v")), ErrLimit, "keys of")
	wantErr(t, n.Set("t", Table(table(long, table(long, 1)))), ErrLimit, "keys of")
	checkSize(t, s)

	s.max = s.size
	s.max.entries += 2
	s.max.bytes += 20
	wantErr(t, r.Set("t", Table(table("a", 1, "b", 1))), ErrLimit, "entries in all")
	wantErr(t, r.Set("t", Text(strings.Repeat("x", 20))), ErrLimit, "bytes in all")
	must(t, r.Set("t", Table(table("a", 1))))
	wantErr(t, r.Set("x", Text("y")), ErrLimit, "entries in all")
	must(t, r.Delete("t"))
	must(t, r.Set("x", Text(strings.Repeat("y", 10))))
	wantErr(t, r.Set("x", Text(strings.Repeat("y", 20))), ErrLimit, "bytes in all")
	wantTree(t, only(r, "x"), `{x="yyyyyyyyyy"}`)
	must(t, r.Set("x", Table(table("y", ""))))
	checkSize(t, s)
}

func TestMemoryOnly(t *testing.T) {
	s := open(t, "")
	must(t, s.Root().Set("a", Number(1)))
	must(t, s.Root().Child("app").Set("b", Table(table("c", 1))))
	wantTree(t, s.Root(), `{a="1" app={b={c="1"}}}`)
	must(t, s.Root().Delete("app"))
	if len(s.pending) > 0 {
		t.Error("keeps changes for a file")
	}
	must(t, s.Close())
	wantErr(t, s.Root().Set("a", Text("2")), ErrClosed, "data is closed")
}

func TestClosed(t *testing.T) {
	s := open(t, temp(t))
	must(t, s.Root().Set("a", Text("1")))
	must(t, s.Close())
	must(t, s.Close())
	wantErr(t, s.Root().Set("b", Text("1")), ErrClosed, "")
	wantErr(t, s.Root().Delete("a"), ErrClosed, "")
	wantErr(t, s.Root().Set("t", Table(table("a", 1))), ErrClosed, "")
	wantTree(t, s.Root(), `{a="1"}`)
}

func TestOpenFails(t *testing.T) {
	fail := func(path string) error {
		t.Helper()
		s, err := Open(path, func(err error) { t.Error(err) })
		if err == nil {
			s.Close()
			t.Fatal("opened")
		}
		if !strings.Contains(err.Error(), filepath.Base(path)) {
			t.Error("does not name the file:", err)
		}
		return err
	}
	path := temp(t)
	s := open(t, path)
	must(t, s.Root().Set("a", Text(strings.Repeat("a", 10000))))
	start := time.Now()
	wantErr(t, fail(path), ErrInUse, "in use by another process")
	if d := time.Since(start); d > time.Second {
		t.Error("after", d)
	}
	must(t, s.Close())

	garbage := filepath.Join(t.TempDir(), "garbage")
	must(t, os.WriteFile(garbage, []byte(strings.Repeat("garbage ", 5000)), 0o600))
	wantErr(t, fail(garbage), ErrDamaged, "")

	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	fail(filepath.Join(file, "below"))

	db, err := bbolt.Open(path, 0o600, nil)
	must(t, err)
	must(t, db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(metaBucket).Put(versionKey, []byte("9")) }))
	must(t, db.Close())
	if err := fail(path); !strings.Contains(err.Error(), `"9"`) {
		t.Error(err)
	}
}

// A file that lost bytes gives an error or what is left of the entries, never a crash.
func TestDamage(t *testing.T) {
	path := temp(t)
	s := open(t, path)
	for i := range 2000 {
		must(t, s.Root().Set(fmt.Sprint(i), Text(strings.Repeat("v", 100))))
	}
	must(t, s.Close())
	whole, err := os.ReadFile(path)
	must(t, err)
	damaged, files := 0, 0
	try := func(b []byte) {
		files++ // a damaged file can stay locked in this process
		path := filepath.Join(t.TempDir(), fmt.Sprint(files))
		must(t, os.WriteFile(path, b, 0o600))
		if s, err := Open(path, func(error) {}); err == nil {
			s.Close()
		} else {
			damaged++
		}
	}
	for at := 0; at < len(whole); at += 16 << 10 {
		b := slices.Clone(whole)
		for i := range 64 {
			b[at+i] ^= 0x5A
		}
		try(b)
	}
	if damaged == 0 {
		t.Error("no damage was noticed")
	}
	for _, size := range []int{0, 1, 100, 4096, 8192, len(whole) / 2} {
		try(whole[:size])
	}
}

// Entries that this package does not write are left out, with a line in the log.
func TestStrangeEntries(t *testing.T) {
	path := temp(t)
	s := open(t, path)
	must(t, s.Root().Set("a", Text("1")))
	must(t, s.Close())
	db, err := bbolt.Open(path, 0o600, nil)
	must(t, err)
	must(t, db.Update(func(tx *bbolt.Tx) error {
		for _, key := range []string{"x", "x\x00", "x\x00\x02", "a\x00\x01b\x00\x01", "c\x00\x01d\x00\x01"} {
			if err := tx.Bucket(entriesBucket).Put([]byte(key), []byte("1")); err != nil {
				return err
			}
		}
		return nil
	}))
	must(t, db.Close())
	var lines []string
	s, err = Open(path, func(err error) { lines = append(lines, err.Error()) })
	must(t, err)
	defer s.Close()
	wantTree(t, s.Root(), `{a=1 c={d=1}}`)
	if len(lines) != 4 {
		t.Errorf("%q", lines)
	}
}

func FuzzSplitPath(f *testing.F) {
	f.Add([]byte("a\x00\x01"))
	f.Add([]byte("\x00\xff\x00\x01\x00\x01"))
	f.Add([]byte("a\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		keys, err := splitPath(b)
		if err != nil {
			return
		}
		var back []byte
		for _, key := range keys {
			back = appendKey(back, key)
		}
		if string(back) != string(b) {
			t.Fatalf("%x became %q and %x", b, keys, back)
		}
	})
}
