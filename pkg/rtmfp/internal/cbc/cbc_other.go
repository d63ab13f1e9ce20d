//go:build !amd64 || purego

package cbc

const accelerated = false

// Key is an expanded key.
type Key struct{ generic }

// Expand makes k the expanded form of key.
func (k *Key) Expand(key *[KeySize]byte) { k.generic = newGeneric(key) }

func encryptFast([]Packet) { panic("cbc: not here") }
