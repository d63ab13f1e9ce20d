package store

import (
	"errors"
	"strings"

	"github.com/monaserver/monaserver/internal/script/value/decimal"
)

// Kind is the type of an Entry.
type Kind uint8

// The kinds of entries. Numbers are read from the file; those that are set become texts.
const (
	KindText Kind = iota
	KindBool
	KindNumber
	KindTable
)

// Entry is what a key holds.
type Entry struct {
	Kind   Kind
	Text   string // also of booleans and numbers: what the file holds
	Bool   bool
	Number float64
	Node   *Node // of KindTable
}

// Text, Bool, Number and Table make entries to be set.
func Text(s string) Entry { return Entry{Kind: KindText, Text: s} }

// Bool makes a boolean.
func Bool(b bool) Entry {
	e := Entry{Kind: KindBool, Text: "false", Bool: b}
	if b {
		e.Text = "true"
	}
	return e
}

// Number makes a number. Once set it reads as its text.
func Number(f float64) Entry { return Entry{Kind: KindNumber, Text: decimal.Text(f), Number: f} }

// Table makes a table of a node, which is copied when it is part of a tree already.
func Table(n *Node) Entry { return Entry{Kind: KindTable, Node: n} }

// loaded is the entry of a text read from the file; ok is false for null, which is no entry.
func loaded(text string) (e Entry, ok bool) {
	switch {
	case strings.EqualFold(text, "null"):
		return Entry{}, false
	case strings.EqualFold(text, "true"):
		return Entry{Kind: KindBool, Text: text, Bool: true}, true
	case strings.EqualFold(text, "false"):
		return Entry{Kind: KindBool, Text: text}, true
	}
	if f, isNumber := decimal.Parse(text); isNumber {
		return Entry{Kind: KindNumber, Text: text, Number: f}, true
	}
	return Text(text), true
}

// Limits of the tree, which is in memory as a whole.
const (
	MaxKey     = 1024      // bytes of one key
	MaxPath    = 8192      // bytes of a path in the file
	MaxValue   = 1 << 20   // bytes of one text
	MaxDepth   = 32        // keys of a path
	MaxEntries = 1_000_000 // values and tables
	MaxBytes   = 256 << 20 // keys and texts together
)

// What can be wrong with a change: errors.Is on what Set and Delete return.
var (
	// ErrTable: the key holds a table, which is not overwritten.
	ErrTable = errors.New("is a table, assign nil to it first")
	// ErrLimit: one of the limits above.
	ErrLimit = errors.New("limit of data exceeded")
	// ErrDetached: the table was deleted, or its place is taken by something else.
	ErrDetached = errors.New("is no longer part of data")
	// ErrClosed: the store is closed.
	ErrClosed = errors.New("data is closed")
	// ErrInUse: another process has the file.
	ErrInUse = errors.New("in use by another process")
	// ErrDamaged: the file is not one of this package, or was damaged.
	ErrDamaged = errors.New("damaged")
)
