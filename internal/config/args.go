package config

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Option describes one option of the command line that is not a key of the file.
type Option struct {
	Name  string
	Short string
	Value string // what follows "=": "FILE"; in brackets when it may be left out; empty when there is none
	Doc   string

	set func(a *Args, value string) bool // false: the value is wrong
	// want is what set expects.
	want string
}

// Options is every option of the command line; all others are overrides of keys or are kept for scripts.
var Options = []Option{
	{
		Name: "config", Value: "FILE", want: "the path of a file",
		Doc: "Read this file instead of looking for MonaServer.ini.",
		set: func(a *Args, v string) bool { a.Config = v; return v != "" },
	},
	{
		Name: "check",
		Doc:  "Validate the configuration, print what is in effect and where it comes from, and exit.",
		set:  func(a *Args, v string) bool { a.Check = parseBool(v); return true },
	},
	{
		Name: "log", Short: "l", Value: "LEVEL", want: level().want,
		Doc: "Log more or less, from 0 (nothing) to 8 (everything); same as --logs.level.",
		set: func(a *Args, v string) bool {
			_, ok := parseLevel(v)
			a.override("logs.level", v)
			return ok
		},
	},
	{
		Name: "dump", Short: "d", Value: "[FILTER]",
		Doc: "Log the packets too; FILTER is a protocol such as RTMFP, or SERVERS.",
		set: func(a *Args, v string) bool { a.Dump.On, a.Dump.Filter = true, v; return true },
	},
	{
		Name: "dumplimit", Short: "dl", Value: "BYTES", want: "a number of bytes",
		Doc: "Cut every dump after this many bytes.",
		set: func(a *Args, v string) bool {
			n, err := strconv.ParseUint(v, 10, 31)
			a.Dump.Limit = int(n)
			return err == nil
		},
	},
	{
		Name: "daemon",
		Doc:  "Run in the background (Unix).",
		set:  func(a *Args, v string) bool { a.Daemon = parseBool(v); return true },
	},
	{
		Name: "pidfile", Short: "p", Value: "FILE", want: "the path of a file",
		Doc: "Write the process id to this file while the server runs.",
		set: func(a *Args, v string) bool { a.PIDFile = v; return v != "" },
	},
	{
		Name: "help", Short: "h",
		Doc: "Print this text and exit.",
		set: func(a *Args, v string) bool { a.Help = parseBool(v); return true },
	},
	{
		Name: "version",
		Doc:  "Print the version and exit.",
		set:  func(a *Args, v string) bool { a.Version = parseBool(v); return true },
	},
}

// Args is a parsed command line.
type Args struct {
	Config  string // --config; empty = look for MonaServer.ini
	Check   bool
	Help    bool
	Version bool
	Daemon  bool
	PIDFile string
	Dump    Dump

	command   string     // the program as it was called
	overrides []setting  // keys of the file
	arguments []Property // every option, long names, for scripts
	warnings  []string
}

// optionForm splits an option: -x, --name and /name, with a value after = or :. A path such as /etc/mona.ini is not an option.
var optionForm = regexp.MustCompile(`^(?:--?|/)([A-Za-z][A-Za-z0-9_.-]*)(?:([=:])((?s:.*)))?$`)

// ParseArgs reads the command line, the name of the program first. All mistakes are reported together.
func ParseArgs(args []string) (*Args, error) {
	a := &Args{}
	if len(args) > 0 {
		a.command, args = args[0], args[1:]
	}
	var errs []error
	seen := map[string]string{} // folded long name → as it was written
	for i := 0; i < len(args); i++ {
		arg := args[i]
		m := optionForm.FindStringSubmatch(arg)
		if m == nil {
			errs = append(errs, fmt.Errorf("command line: unexpected %q: options are written --name=value", arg))
			continue
		}
		name, delimiter, value := m[1], m[2], m[3]
		option, known := findOption(name)
		if known {
			name = option.Name
		}
		if known && delimiter == "" && option.Value != "" && option.Value[0] != '[' && i+1 < len(args) {
			i++ // "--config FILE" is what many people type
			value = args[i]
		}
		if first, again := seen[fold(name)]; again {
			errs = append(errs, fmt.Errorf("command line: %s is given twice (first as %s)", arg, first))
			continue
		}
		seen[fold(name)] = arg
		switch {
		case known:
			if !option.set(a, value) {
				errs = append(errs, &Error{Origin: Origin{Command: true}, Key: "--" + name, Value: value, Want: option.want})
			}
		case isKeyName(name):
			a.override(name, value)
		default:
			if near, ok := suggestion(name, optionNames()); ok {
				a.warnings = append(a.warnings, fmt.Sprintf("command line: unknown option %s is kept for scripts: did you mean %s?", arg, near))
			}
		}
		a.arguments = append(a.arguments, Property{name, value})
	}
	return a, errors.Join(errs...)
}

func (a *Args) override(name, value string) {
	a.overrides = append(a.overrides, setting{name, value, Origin{Command: true}})
}

// isKeyName tells an override of a key from an option that is kept for scripts.
func isKeyName(name string) bool {
	_, known := FindKey(name)
	return known || strings.Contains(name, ".")
}

func findOption(name string) (Option, bool) {
	for _, o := range Options {
		if fold(o.Name) == fold(name) || o.Short != "" && fold(o.Short) == fold(name) {
			return o, true
		}
	}
	return Option{}, false
}

func optionNames() []string {
	var names []string
	for _, o := range Options {
		names = append(names, o.Name)
	}
	for _, k := range Keys {
		names = append(names, k.Name)
	}
	return names
}
