package config

import (
	"fmt"
	"slices"
	"strings"
)

// Key describes one key of MonaServer.ini.
type Key struct {
	Name    string // with its section: "RTMFP.port"
	Type    string // "port", "seconds", "text" …
	Default string // as it would be written in the file; empty = none
	Note    string // in place of a default that depends on the machine or on other keys
	Doc     string // one sentence
	Secret  bool   // never printed, never shown to scripts

	path bool // a folder or file, made absolute before it is set
	want string
	set  func(c *Config, text string) error
	show func(c *Config) string
}

// key makes the description of a value of one type, stored where at points to.
func key[T any](name string, k kind[T], def string, at func(*Config) *T, doc string) Key {
	return Key{
		Name: name, Type: k.name, Default: def, Doc: doc,
		want: k.want,
		path: k.name == "folder" || k.name == "file",
		set: func(c *Config, text string) error {
			v, err := k.parse(text)
			if err == nil {
				*at(c) = v
			}
			return err
		},
		show: func(c *Config) string { return k.show(*at(c)) },
	}
}

// note replaces the default by a sentence on how it is found.
func (k Key) note(s string) Key {
	k.Note = s
	return k
}

func (k Key) secret() Key {
	k.Secret = true
	return k
}

// Section is the name up to its first dot: "RTMFP" of "RTMFP.port", "" of "host".
func (k Key) Section() string {
	section, _, ok := strings.Cut(k.Name, ".")
	if !ok {
		return ""
	}
	return section
}

// fold is the form under which names are compared: case does not count.
func fold(name string) string { return strings.ToLower(name) }

// FindKey returns the description of a known key; case does not count.
func FindKey(name string) (Key, bool) {
	i := slices.IndexFunc(Keys, func(k Key) bool { return fold(k.Name) == fold(name) })
	if i < 0 {
		return Key{}, false
	}
	return Keys[i], true
}

// setDefaults gives every key with a fixed default its value.
func setDefaults(c *Config) {
	for _, k := range Keys {
		if k.Default == "" {
			continue
		}
		if err := k.set(c, k.Default); err != nil {
			panic(fmt.Sprintf("config: default of %s: expected %s", k.Name, k.want)) // the table is wrong: any test finds it
		}
	}
}
