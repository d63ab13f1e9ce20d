package config

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

const hidden = "(hidden)"

// Entry is one key with the value in effect.
type Entry struct {
	Name   string
	Value  string // secrets are hidden
	Origin Origin
	Known  bool // false: kept for scripts
}

// Effective lists every known key in the order of [Keys], then those that were given for scripts, by name.
func (c *Config) Effective() []Entry {
	var list, others []Entry
	for _, k := range Keys {
		e := Entry{Name: k.Name, Value: k.show(c), Known: true}
		if s, ok := c.given(k.Name); ok && (s.value != "" || k.Type == boolean().name) {
			e.Origin = s.origin
		} else if k.Name == "bind" && c.Host.wildcard() {
			e.Origin.From = "host"
		}
		if k.Secret && e.Value != "" {
			e.Value = hidden
		}
		list = append(list, e)
	}
	for _, s := range c.settings {
		if _, known := FindKey(s.name); !known {
			others = append(others, Entry{Name: s.name, Value: s.value, Origin: s.origin})
		}
	}
	slices.SortFunc(others, func(a, b Entry) int { return cmp.Compare(a.Name, b.Name) })
	return append(list, others...)
}

// WriteEffective prints what is in effect and where each value comes from.
func (c *Config) WriteEffective(w io.Writer) error {
	file := c.file
	if file == "" {
		file = "none (no " + FileName + " in the working directory or beside the executable)"
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintf(t, "; configuration file: %s\n", file)
	section, scripts := "", false
	for _, e := range c.Effective() {
		s, _, dotted := strings.Cut(e.Name, ".")
		switch {
		case !e.Known && !scripts:
			scripts = true
			fmt.Fprint(t, "\n; kept for scripts\n")
		case e.Known && dotted && s != section:
			section = s
			fmt.Fprintln(t)
		}
		fmt.Fprintf(t, "%s = %s\t; %s\n", e.Name, e.Value, e.Origin)
	}
	return t.Flush()
}

// Change is a key whose value in effect differs between two configurations.
type Change struct {
	Name     string
	Old, New string // secrets are hidden
}

// Diff lists what changed from one configuration to another: known keys in the order of [Keys], then the others.
func Diff(from, to *Config) []Change {
	var changes []Change
	for _, k := range Keys {
		a, b := k.show(from), k.show(to)
		if a == b {
			continue
		}
		if k.Secret {
			a, b = hidden, hidden
		}
		changes = append(changes, Change{k.Name, a, b})
	}
	others := func(c *Config) Parameters {
		var list []Property
		for _, e := range c.Effective() {
			if !e.Known {
				list = append(list, Property{e.Name, e.Value})
			}
		}
		return newParameters(list)
	}
	a, b := others(from), others(to)
	for name, old := range a.All() {
		if value, ok := b.Get(name); !ok || value != old {
			changes = append(changes, Change{name, old, value})
		}
	}
	for name, value := range b.All() {
		if _, ok := a.Get(name); !ok {
			changes = append(changes, Change{name, "", value})
		}
	}
	return changes
}
