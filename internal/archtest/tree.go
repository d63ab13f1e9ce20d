// Package archtest checks the rules of docs/architecture.md on the source itself: which package may import which,
// calls that have no place in the protocol core, sizes of files, leftovers of somebody's machine. Its test runs them on
// this repository.
package archtest

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// Tree is a repository as the rules see it. Files of every platform are in it, whatever their build constraints.
type Tree struct {
	Module string // path of the module: the prefix of its own imports
	Go     []GoFile
	Texts  []Text // every file that is text, Go files too
	fset   *token.FileSet
}

// GoFile is a parsed source file.
type GoFile struct {
	Path  string // relative to the root, with slashes
	Dir   string
	Test  bool
	Lines int
	AST   *ast.File
}

// Text is the content of a file.
type Text struct {
	Path    string
	Content string
}

const maxText = 1 << 20

// Load reads a repository.
func Load(root fs.FS) (*Tree, error) {
	t := &Tree{fset: token.NewFileSet()}
	mod, err := fs.ReadFile(root, "go.mod")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(mod)) {
		if rest, ok := strings.CutPrefix(line, "module "); ok {
			t.Module = strings.TrimSpace(rest)
		}
	}
	err = fs.WalkDir(root, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if skipped(p) {
				return fs.SkipDir
			}
			return nil
		}
		info, err := d.Info()
		if err != nil || !info.Mode().IsRegular() || info.Size() > maxText {
			return err
		}
		content, err := fs.ReadFile(root, p)
		if err != nil {
			return err
		}
		return t.add(p, content)
	})
	return t, err
}

// skipped tells folders that are no part of the project: those a running server or a tool makes, and hidden ones.
func skipped(p string) bool {
	if slices.Contains([]string{"data", "logs", "bin", "dist"}, p) {
		return true
	}
	base := path.Base(p)
	return base != "." && base != ".ci" && strings.HasPrefix(base, ".")
}

func (t *Tree) add(p string, content []byte) error {
	if !utf8.Valid(content) || bytes.IndexByte(content, 0) >= 0 {
		return nil
	}
	t.Texts = append(t.Texts, Text{p, string(content)})
	if path.Ext(p) != ".go" || slices.Contains(strings.Split(p, "/"), "testdata") {
		return nil
	}
	f, err := parser.ParseFile(t.fset, p, content, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	t.Go = append(t.Go, GoFile{
		Path: p, Dir: path.Dir(p), Test: strings.HasSuffix(p, "_test.go"), AST: f,
		Lines: bytes.Count(content, []byte("\n")),
	})
	return nil
}

// at writes the place of a node: file:line.
func (t *Tree) at(n ast.Node) string {
	p := t.fset.Position(n.Pos())
	return fmt.Sprintf("%s:%d", p.Filename, p.Line)
}

// importPath is the path of an import without quotes.
func importPath(s *ast.ImportSpec) string { return strings.Trim(s.Path.Value, "`\"") }

// importName is the name under which a file uses an import, empty when it is not imported.
func importName(f *ast.File, imported string) string {
	for _, s := range f.Imports {
		if importPath(s) != imported {
			continue
		}
		if s.Name != nil {
			return s.Name.Name
		}
		base := path.Base(imported)
		if base == "v2" {
			base = path.Base(path.Dir(imported))
		}
		return base
	}
	return ""
}
