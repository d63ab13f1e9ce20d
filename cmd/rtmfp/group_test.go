package main

import (
	"crypto/sha256"
	"fmt"
	"testing"
)

func TestGroupID(t *testing.T) {
	once := func(s string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(s))) }
	twice := func(s string) string {
		h := sha256.Sum256([]byte(s))
		return fmt.Sprintf("%x", sha256.Sum256(h[:]))
	}
	for _, test := range []struct{ spec, want string }{
		{"chat", once("chat")},
		{"G:0101", once("G:0101")},
		// Version 2; what comes after the marker does not count.
		{"G:027f0201010103010c050e74657374011b00", twice("G:027f0201010103010c050e74657374011b")},
		{"G:027f02050e7465737400aabb", twice("G:027f02050e74657374")},
		{"G:0501", ""},
		{"G:xyz", ""},
	} {
		id, err := groupID(test.spec)
		got := fmt.Sprintf("%x", id)
		if err != nil {
			got = ""
		}
		if got != test.want {
			t.Errorf("%s: %s (%v), want %s", test.spec, got, err, test.want)
		}
	}
}

func TestFloodPassesOnce(t *testing.T) {
	f := flood{seen: make(map[string]bool)}
	for i := range 2 * maxSeen {
		if n := fmt.Sprint(i); !f.first(n) || f.first(n) {
			t.Fatal("post", i)
		}
	}
	if len(f.seen) != maxSeen || len(f.order) != maxSeen {
		t.Errorf("%d posts remembered", len(f.seen))
	}
}

func TestPeerUsage(t *testing.T) {
	for _, args := range [][]string{
		{"peer"},
		{"peer", "rtmfp://h/app", "abc"},
		{"peer", "-play", "x", "rtmfp://h/app"},
		{"peer", "-publish", "f", "rtmfp://h/app"},
		{"peer", "-publish", "f", "-name", "n", "-play", "x", "rtmfp://h/app"},
		{"peer", "-publish", "f", "-name", "n", "rtmfp://h/app", "id"},
		{"group", "rtmfp://h/app"},
		{"group", "rtmfp://h/app", "G:0501"},
	} {
		r := newRig()
		if code := r.run(args...); code != exitUsage {
			t.Errorf("%v: exit code %d, want %d", args, code, exitUsage)
		}
	}
}
