package config

import (
	"cmp"
	"iter"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Parameters is a set of texts by name, in which names are found whatever their case and keep their spelling.
// It does not change.
type Parameters struct {
	list   []Property // sorted by name
	byName map[string]int
}

// Get returns the text of a name.
func (p Parameters) Get(name string) (string, bool) {
	i, ok := p.byName[fold(name)]
	if !ok {
		return "", false
	}
	return p.list[i].Value, true
}

// All yields names and texts, sorted by name.
func (p Parameters) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, e := range p.list {
			if !yield(e.Name, e.Value) {
				return
			}
		}
	}
}

// Len is the number of names.
func (p Parameters) Len() int { return len(p.list) }

func newParameters(list []Property) Parameters {
	p := Parameters{byName: make(map[string]int, len(list))}
	for _, e := range list {
		if i, ok := p.byName[fold(e.Name)]; ok {
			p.list[i] = e
			continue
		}
		p.byName[fold(e.Name)] = len(p.list)
		p.list = append(p.list, e)
	}
	slices.SortFunc(p.list, func(a, b Property) int { return cmp.Compare(a.Name, b.Name) })
	for i, e := range p.list {
		p.byName[fold(e.Name)] = i
	}
	return p
}

// Public is the configuration as scripts see it (mona.configs): what was configured, as it was written, known keys and
// all others; the values in effect of the protocols that run; application.*; arguments.* with every option of the
// command line. Secrets are not in it.
func (c *Config) Public() Parameters {
	var list []Property
	add := func(name, value string) { list = append(list, Property{name, value}) }

	if c.RTMFP.Port != 0 {
		for _, name := range []string{"RTMFP.port", "RTMFP.keepalivePeer", "RTMFP.keepaliveServer"} {
			k, _ := FindKey(name)
			add(name, k.show(c))
		}
	}
	for _, s := range c.settings {
		k, known := FindKey(s.name)
		switch {
		case known && k.Secret:
		case known && s.value == "" && k.Type != boolean().name: // left at its default
		case known:
			add(k.Name, s.value)
		default:
			add(s.name, s.value)
		}
	}
	if c.RTMFP.Port != 0 {
		add("RTMFP.publicAddress", c.PublicAddress().String())
	}

	name := filepath.Base(c.env.Executable)
	add("application.command", c.args.command)
	add("application.path", c.env.Executable)
	add("application.name", name)
	add("application.baseName", strings.TrimSuffix(name, filepath.Ext(name)))
	add("application.dir", c.Application.Dir)
	if c.file != "" {
		add("application.configPath", c.file)
		add("application.configDir", filepath.Dir(c.file))
	}
	add("application.runAsDaemon", strconv.FormatBool(c.args.Daemon))
	add("application.runAsService", "false")
	for _, a := range c.args.arguments {
		if k, known := FindKey(a.Name); !known || !k.Secret {
			add("arguments."+a.Name, a.Value)
		}
	}
	return newParameters(list)
}
