package script

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rs/zerolog"
	lua "github.com/yuin/gopher-lua"
)

// file is an entry of a folder below www, as it was when it was listed.
type file struct {
	path string // absolute, with slashes
	info fs.FileInfo
}

// maxPaths bounds what listPaths returns.
const maxPaths = 10_000

func (e *Engine) fileClass() *class {
	text := func(f func(f *file) string) member {
		return prop(func(o *object) lua.LValue { return lua.LString(f(o.v.(*file))) })
	}
	whole := text(func(f *file) string { return f.path })
	return &class{
		name: "file",
		text: func(o *object) string { return o.v.(*file).path },
		members: map[string]member{
			"path":      whole,
			"value":     whole,
			"name":      text(func(f *file) string { return path.Base(f.path) }),
			"baseName":  text(func(f *file) string { return strings.TrimSuffix(path.Base(f.path), path.Ext(f.path)) }),
			"extension": text(func(f *file) string { return strings.TrimPrefix(path.Ext(f.path), ".") }),
			"parent":    text(func(f *file) string { return strings.TrimSuffix(path.Dir(f.path), "/") + "/" }),
			"size":      prop(func(o *object) lua.LValue { return lua.LNumber(fileSize(o.v.(*file).info)) }),
			"lastModified": prop(func(o *object) lua.LValue {
				return lua.LNumber(o.v.(*file).info.ModTime().UnixMilli())
			}),
			"isFolder":   prop(func(o *object) lua.LValue { return lua.LBool(o.v.(*file).info.IsDir()) }),
			"isAbsolute": prop(func(o *object) lua.LValue { return lua.LBool(path.IsAbs(o.v.(*file).path)) }),
		},
	}
}

// fileSize is 0 for folders: what systems say about those means nothing.
func fileSize(info fs.FileInfo) int64 {
	if info.IsDir() {
		return 0
	}
	return info.Size()
}

// inside cleans a path of a script: relative to www, and never outside of it.
func inside(name string) string {
	return strings.TrimPrefix(path.Clean("/"+strings.ReplaceAll(name, `\`, "/")), "/")
}

// www is the absolute folder of the applications, with slashes.
func (e *Engine) www() string {
	dir, err := filepath.Abs(e.cfg.WWW)
	if err != nil {
		dir = e.cfg.WWW
	}
	return filepath.ToSlash(dir)
}

// absolutePath is mona:absolutePath(path): a folder below www, ending with a slash.
func (e *Engine) absolutePath(_ *object, L *lua.LState) int {
	L.Push(lua.LString(strings.TrimSuffix(path.Join(e.www(), inside(L.OptString(2, ""))), "/") + "/"))
	return 1
}

// listPaths is mona:listPaths(folder): what is in a folder below www, by name.
func (e *Engine) listPaths(_ *object, L *lua.LState) int {
	t := L.NewTable()
	L.Push(t)
	rel := inside(L.OptString(2, ""))
	list, err := readFolder(e.cfg.WWW, rel)
	if err != nil {
		e.complain(zerolog.ErrorLevel, "listPaths: "+errorOfPath(rel, err))
		return 1
	}
	for _, entry := range list {
		if t.Len() == maxPaths {
			e.complain(zerolog.WarnLevel, "listPaths: too many files, the others are left out")
			break
		}
		info, err := entry.Info()
		if err != nil {
			continue // it is gone by now
		}
		t.Append(e.newObject(e.classes.file, &file{path.Join(e.www(), rel, entry.Name()), info}).ud)
	}
	return 1
}

// readFolder reads a folder below dir; links that lead out of dir are not followed. It returns no more than
// one entry above maxPaths.
func readFolder(dir, rel string) ([]fs.DirEntry, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	name := filepath.FromSlash(path.Join(".", rel))
	if st, err := root.Stat(name); err != nil {
		return nil, err
	} else if !st.IsDir() {
		return nil, errNoFolder // and opening it might wait
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	list, err := f.ReadDir(maxPaths + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	slices.SortFunc(list, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return list, nil
}

var errNoFolder = errors.New("no folder")

// errorOfPath names the folder as the script did, not as the file system does.
func errorOfPath(rel string, err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	return "/" + rel + ": " + err.Error()
}
