package lualib

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/parse"
)

// MaxFileSource is the largest source text in bytes that Compile takes.
const MaxFileSource = 4 << 20

// SyntaxError is a source text that cannot be compiled.
type SyntaxError struct {
	Source  string // chunk name
	Line    int    // 0 = unknown
	Message string
}

func (e *SyntaxError) Error() string {
	if e.Line == 0 {
		return e.Source + ": " + e.Message
	}
	return fmt.Sprintf("%s:%d: %s", e.Source, e.Line, e.Message)
}

// Compile translates a chunk. name appears in error messages and tracebacks ("www/main.lua"). The result belongs to no
// state, and Compile may be called from any goroutine. Errors are of type *SyntaxError. Compile takes time, for a large
// text seconds, and nothing interrupts it; see Library.Compile.
//
// Accepted beyond what gopher-lua knows: \xNN and \z in strings (LuaJIT), a first line that starts with #, a byte order
// mark, numbers as C reads them, and the pair "is not", which no Lua program contains, for ~=; warn is told about the
// latter, with name and line. Lines keep their numbers.
func Compile(name string, src []byte, warn func(text string)) (*lua.FunctionProto, error) {
	return compile(name, src, warn, limits{source: MaxFileSource, cost: maxFileCost})
}

// Compile is the function Compile for a text that a running script includes: it ends with an error when the budget is
// exceeded.
func (l *Library) Compile(name string, src []byte, warn func(text string)) (*lua.FunctionProto, error) {
	return compile(name, src, warn, limits{source: MaxFileSource, cost: maxFileCost, stop: l.overdue})
}

// overdue is why the running call must stop, empty if it need not.
func (l *Library) overdue() string {
	if !l.exceeded() {
		return ""
	}
	return l.overrun()
}

// limits bound a compilation.
type limits struct {
	source int           // bytes
	cost   int           // see walker
	stop   func() string // why the compilation must stop, asked now and then; nil = never
}

// stopper is a source text that ends with a panic when the compilation must stop. The parser reads some kilobytes at a time.
type stopper struct {
	*bytes.Reader
	name string
	lim  limits
}

func (r stopper) Read(b []byte) (int, error) {
	r.lim.check(r.name, 0)
	return r.Reader.Read(b)
}

func (lim limits) check(name string, line int) {
	if lim.stop == nil {
		return
	}
	if why := lim.stop(); why != "" {
		panic(&SyntaxError{Source: name, Line: line, Message: why})
	}
}

func compile(name string, src []byte, warn func(string), lim limits) (proto *lua.FunctionProto, err error) {
	if len(src) > lim.source {
		return nil, &SyntaxError{Source: name, Message: fmt.Sprintf("source text has %d bytes, the limit is %d", len(src), lim.source)}
	}
	sc := scanner{name: name, src: src, warn: warn, line: 1}
	defer func() {
		switch r := recover().(type) {
		case nil:
		case *SyntaxError:
			proto, err = nil, r
		case runtime.Error:
			panic(r)
		case error, string:
			proto, err = nil, &SyntaxError{Source: name, Message: fmt.Sprint(r)}
		default:
			panic(r)
		}
	}()
	sc.scan()
	chunk, err := parse.Parse(stopper{bytes.NewReader(sc.out), name, lim}, name)
	if err != nil {
		return nil, sc.parseError(err)
	}
	w := walker{name: name, lim: lim}
	w.chunk(chunk)
	lim.check(name, 0) // what comes now is not interrupted
	proto, err = lua.Compile(chunk, name)
	if err != nil {
		var ce *lua.CompileError
		if errors.As(err, &ce) {
			return nil, &SyntaxError{Source: name, Line: max(ce.Line, 0), Message: ce.Message}
		}
		return nil, &SyntaxError{Source: name, Message: err.Error()}
	}
	if err := finish(proto); err != nil {
		return nil, err
	}
	return proto, nil
}

// finish puts the functions behind operators into the constants of a function and its inner ones.
func finish(p *lua.FunctionProto) error {
	// The virtual machine keeps their number in a byte, without looking.
	if n := len(p.DbgUpvalues); n > 255 {
		return &SyntaxError{Source: p.SourceName, Line: p.LineDefined, Message: fmt.Sprintf("function has %d upvalues, the limit is 255", n)}
	}
	for i, k := range p.Constants {
		if k, ok := k.(lua.LString); ok {
			if fn := operators[string(k)]; fn != nil {
				p.Constants[i] = fn
			}
		}
	}
	for _, inner := range p.FunctionPrototypes {
		if err := finish(inner); err != nil {
			return err
		}
	}
	return nil
}

// parseError converts an error of the parser.
func (sc *scanner) parseError(err error) *SyntaxError {
	var pe *parse.Error
	var stopped *SyntaxError
	if errors.As(err, &stopped) {
		return stopped
	}
	if !errors.As(err, &pe) {
		return &SyntaxError{Source: sc.name, Message: err.Error()}
	}
	e := &SyntaxError{Source: sc.name, Line: pe.Pos.Line, Message: pe.Message}
	if pe.Pos.Line != parse.EOF {
		if pe.Token != "" {
			e.Message += " near '" + shorten(pe.Token) + "'"
		}
		return e
	}
	e.Line = sc.line
	if n := len(sc.nest); n > 0 {
		open := sc.nest[n-1]
		e.Message = "'" + closing(open.what) + "' expected"
		if open.line != sc.line {
			e.Message += fmt.Sprintf(" (to close '%s' at line %d)", open.what, open.line)
		}
	}
	e.Message += " near '<eof>'"
	return e
}

// closing is what ends a construct.
func closing(open string) string {
	switch open {
	case "(":
		return ")"
	case "[":
		return "]"
	case "{":
		return "}"
	case "repeat":
		return "until"
	}
	return "end"
}

func shorten(s string) string {
	if len(s) > 80 {
		return s[:77] + "..."
	}
	return s
}
