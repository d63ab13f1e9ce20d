package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
)

// FileName is the configuration that is looked for in the working directory and beside the executable.
const FileName = "MonaServer.ini"

// Env is what the configuration depends on besides the file and the command line.
type Env struct {
	WorkDir    string
	Executable string
	Processors int
	ReadFile   func(name string) ([]byte, error)
}

// SystemEnv describes the running process.
func SystemEnv() (Env, error) {
	dir, err := os.Getwd()
	if err != nil {
		return Env{}, fmt.Errorf("working directory: %w", err)
	}
	exe, err := os.Executable()
	if err != nil {
		return Env{}, fmt.Errorf("executable: %w", err)
	}
	return Env{WorkDir: dir, Executable: exe, Processors: runtime.GOMAXPROCS(0), ReadFile: os.ReadFile}, nil
}

// Load finds and reads the ini file and applies the command line to it. The error joins every mistake that was found.
func Load(args *Args, env Env) (*Config, error) {
	file, data, err := readConfigFile(args, env)
	if err != nil {
		return nil, err
	}
	return parse(file, data, args, env)
}

// Reload reads the same file again, with the same command line.
func (c *Config) Reload() (*Config, error) { return Load(c.args, c.env) }

func readConfigFile(args *Args, env Env) (file string, data []byte, err error) {
	if args.Config != "" {
		file = absolute(env.WorkDir, args.Config)
		if data, err = env.ReadFile(file); err != nil {
			return "", nil, fmt.Errorf("command line: --config: %w", err)
		}
		return file, data, nil
	}
	for _, dir := range []string{env.WorkDir, filepath.Dir(env.Executable)} {
		file = filepath.Join(dir, FileName)
		data, err = env.ReadFile(file)
		switch {
		case err == nil:
			return file, data, nil
		case !errors.Is(err, fs.ErrNotExist):
			return "", nil, fmt.Errorf("configuration: %w", err)
		}
	}
	return "", nil, nil
}

// parse makes the configuration of a file's text (file is empty when there is none) and the command line.
func parse(file string, data []byte, args *Args, env Env) (*Config, error) {
	c := &Config{file: file, args: args, env: env, byName: map[string]int{}, Dump: args.Dump}
	c.warnings = slices.Clone(args.warnings)
	setDefaults(c)

	settings, err := readINI(c.shortFile(), data)
	if err != nil {
		return nil, err
	}
	for _, s := range slices.Concat(settings, args.overrides) {
		c.keep(s)
	}
	var errs []error
	for _, k := range Keys {
		if err := c.apply(k); err != nil {
			errs = append(errs, err)
		}
	}
	errs = append(errs, c.crossCheck()...)
	if err := joinErrors(errs); err != nil {
		return nil, err
	}
	c.derive()
	c.warn()
	return c, nil
}

// keep remembers a setting; the last value wins, whatever the spelling.
func (c *Config) keep(s setting) {
	if i, ok := c.byName[fold(s.name)]; ok {
		c.settings[i] = s
		return
	}
	c.byName[fold(s.name)] = len(c.settings)
	c.settings = append(c.settings, s)
}

// given returns the setting of a name, if there is one.
func (c *Config) given(name string) (setting, bool) {
	i, ok := c.byName[fold(name)]
	if !ok {
		return setting{}, false
	}
	return c.settings[i], true
}

// isSet reports that a key has a value of its own; an empty value leaves the default.
func (c *Config) isSet(name string) bool {
	s, ok := c.given(name)
	return ok && s.value != ""
}

func (c *Config) apply(k Key) error {
	s, ok := c.given(k.Name)
	if !ok || s.value == "" && k.Type != boolean().name {
		return nil
	}
	value := s.value
	if k.path {
		value = absolute(c.baseOf(s.origin), value)
	}
	err := k.set(c, value)
	if err == nil {
		return nil
	}
	e := &Error{Origin: s.origin, Key: k.Name, Value: s.value, Want: k.want, Detail: err.Error()}
	if k.Secret {
		e.Value = hidden
	}
	return e
}

// baseOf is the folder at which relative paths start: that of the file for those in the file, else the working directory.
func (c *Config) baseOf(o Origin) string {
	if o.Command || c.file == "" {
		return c.env.WorkDir
	}
	return filepath.Dir(c.file)
}

// crossCheck finds mistakes that concern several keys.
func (c *Config) crossCheck() []error {
	var errs []error
	pair := func(name, other string) {
		if s, _ := c.given(name); s.value != "" && !c.isSet(other) {
			errs = append(errs, &Error{Origin: s.origin, Key: name, Value: s.value, Want: other + " beside it"})
		}
	}
	pair("servers.tls.cert", "servers.tls.key")
	pair("servers.tls.key", "servers.tls.cert")
	return errs
}

// derive fills in the values whose default depends on the machine or on other keys.
func (c *Config) derive() {
	if c.Threads == 0 {
		c.Threads = max(1, min(c.env.Processors, 256))
	}
	if c.Application.Dir == "" {
		c.Application.Dir = c.baseOf(Origin{})
	}
	if c.Logs.Directory == "" {
		c.Logs.Directory = filepath.Join(c.Application.Dir, "logs")
	}

	public := c.Host
	if public.wildcard() {
		public = HostPort{} // MonaServer 1.x: an address to bind to
		if !c.isSet("bind") {
			c.Bind = parseWildcard(c.Host.Host)
		}
	}
	if c.PublicHost == "" {
		c.PublicHost = public.Host
	}
	if !c.RTMFP.Host.IsValid() {
		c.RTMFP.Host = c.Bind
	}
	if c.RTMFP.PublicHost == "" {
		c.RTMFP.PublicHost = c.PublicHost
	}
	if c.RTMFP.PublicPort == 0 {
		c.RTMFP.PublicPort = c.RTMFP.Port
		if public.Port != 0 {
			c.RTMFP.PublicPort = public.Port
		}
	}
	if !c.Servers.Host.IsValid() {
		c.Servers.Host = c.Bind
	}
	c.Servers.Targets = c.uniqueTargets()
}

func (c *Config) uniqueTargets() []Target {
	var l []Target
	seen := map[string]bool{}
	for _, t := range c.Servers.Targets {
		name := fold(t.HostPort.String())
		if seen[name] {
			s, _ := c.given("servers.targets")
			c.warnf(s, "servers.targets names %s twice: the second entry is ignored", t.HostPort)
			continue
		}
		seen[name] = true
		l = append(l, t)
	}
	return l
}

// shortFile is the file as it is named in messages.
func (c *Config) shortFile() string {
	if rel, err := filepath.Rel(c.env.WorkDir, c.file); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return c.file
}

func absolute(base, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(base, path)
}
