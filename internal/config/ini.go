package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"gopkg.in/ini.v1"
)

const maxFileSize = 1 << 20

// setting is one value that was given, in the file or on the command line.
type setting struct {
	name   string // with its section, as it was written
	value  string
	origin Origin
}

// mark stands in front of every name and value handed to ini.v1, so that none is taken for something special there:
// quotes and back-ticks, "-" (numbered keys), [DEFAULT].
const mark = "|"

// readINI reads the text of a file. It returns the settings in the order of their lines; a key that is written
// twice with the same spelling stands at its last place.
func readINI(file string, data []byte) ([]setting, error) {
	scan, err := scanINI(file, data)
	if err != nil {
		return nil, err
	}
	f, err := ini.LoadSources(ini.LoadOptions{
		KeyValueDelimiters:      "=",
		IgnoreContinuation:      true, // a Windows path may end in "\"
		IgnoreInlineComment:     true, // ";" separates the entries of lists
		PreserveSurroundedQuote: true,
	}, scan.normal)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	var settings []setting
	for _, s := range f.Sections() {
		section := strings.TrimPrefix(s.Name(), mark)
		if s.Name() == ini.DefaultSection {
			section = ""
		}
		for _, k := range s.Keys() {
			name := strings.TrimPrefix(k.Name(), mark)
			line := scan.line[section+"\n"+name]
			if section != "" {
				name = section + "." + name
			}
			settings = append(settings, setting{
				name:   name,
				value:  strings.TrimPrefix(k.Value(), mark), // not String(): it would replace %(name)s
				origin: Origin{File: file, Line: line},
			})
		}
	}
	slices.SortFunc(settings, func(a, b setting) int { return cmp.Compare(a.origin.Line, b.origin.Line) })
	return settings, nil
}

// scanned is a file seen line by line: where each key stands, and the text with every line in the one form that
// ini.v1 and MonaServer read alike.
type scanned struct {
	line   map[string]int // "section\nkey" → its last line
	normal []byte
}

// scanINI finds what is on each line. Rules of MonaServer: ";" starts a comment line (here "#" as well), the value goes
// to the end of the line, blanks around it do not count, a key without "=" has an empty value.
func scanINI(file string, data []byte) (scanned, error) {
	s := scanned{line: map[string]int{}}
	text := string(data)
	switch {
	case len(text) > maxFileSize:
		return s, fmt.Errorf("%s: larger than %d bytes: this is not a configuration", file, maxFileSize)
	case strings.HasPrefix(text, "\xfe\xff"), strings.HasPrefix(text, "\xff\xfe"), strings.ContainsRune(text, 0):
		return s, fmt.Errorf("%s: not a plain text: save it as UTF-8", file)
	}
	text = strings.TrimPrefix(text, "\ufeff")
	var (
		normal  strings.Builder
		section string
		number  int
		errs    []error
	)
	fail := func(line, want string) {
		errs = append(errs, &Error{Origin: Origin{File: file, Line: number}, Line: line, Want: want})
	}
	for line := range strings.SplitSeq(text, "\n") {
		number++
		line = strings.TrimSpace(line)
		switch {
		case line == "", line[0] == ';', line[0] == '#':
		case line[0] == '[':
			end := strings.LastIndexByte(line, ']')
			rest := ""
			if end > 0 {
				rest = strings.TrimSpace(line[end+1:])
				section = strings.TrimSpace(line[1:end])
			}
			switch {
			case end < 0:
				fail(line, `"]" at the end of a section name`)
			case section == "":
				fail(line, "the name of a section between [ and ]")
			case rest != "" && rest[0] != ';' && rest[0] != '#':
				fail(line, "nothing after the ] of a section: its keys follow on their own lines")
			default:
				fmt.Fprintf(&normal, "[%s%s]\n", mark, section)
			}
		default:
			name, value, _ := strings.Cut(line, "=")
			name, value = strings.TrimSpace(name), strings.TrimSpace(value)
			if name == "" {
				fail(line, `the name of a key before "="`)
				continue
			}
			s.line[section+"\n"+name] = number
			fmt.Fprintf(&normal, "%s%s=%s%s\n", mark, name, mark, value)
		}
	}
	s.normal = []byte(normal.String())
	return s, joinErrors(errs)
}
