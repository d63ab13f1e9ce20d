package archtest

import (
	"fmt"
	"go/ast"
	"go/token"
	"maps"
	"slices"
	"strings"
)

// core is the sans-IO protocol: time and datagrams are its arguments.
const core = "pkg/rtmfp"

// passive lists folders whose code is driven from outside: it is told the time and does its work on the caller's goroutine.
var passive = []string{core, "internal/media", "internal/netconn"}

// bannedInPassive lists functions that would give passive code a clock or a socket of its own. "*" is everything, a
// trailing "*" a prefix.
var bannedInPassive = map[string][]string{
	"time": {"Now", "Since", "Until", "Sleep", "After*", "Tick", "NewTimer", "NewTicker"},
	"net":  {"Listen*", "Dial*", "Lookup*", "Resolve*", "FilePacketConn"},
}

// bannedInCore lists what the protocol core must not use besides.
var bannedInCore = map[string][]string{
	"os":           {"*"},
	"syscall":      {"*"},
	"log":          {"*"},
	"log/slog":     {"*"},
	"math/rand":    {"*"},
	"math/rand/v2": {"*"},
}

// Passive reports what code without a life of its own must not do.
func Passive(t *Tree) []string {
	var bad []string
	for _, f := range t.Go {
		if !slices.Contains(passive, f.Dir) || f.Test {
			continue
		}
		banned := maps.Clone(bannedInPassive)
		if f.Dir == core {
			maps.Copy(banned, bannedInCore)
		}
		defaults := readerDefaults(f.AST)
		ast.Inspect(f.AST, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				bad = append(bad, fmt.Sprintf("%s: starts a goroutine in %s", t.at(n), f.Dir))
			case *ast.SelectorExpr:
				if why := bannedSelector(f.AST, n, banned, defaults); why != "" {
					bad = append(bad, fmt.Sprintf("%s: %s in %s", t.at(n), why, f.Dir))
				}
			}
			return true
		})
	}
	return bad
}

func bannedSelector(f *ast.File, s *ast.SelectorExpr, banned map[string][]string, defaults map[*ast.SelectorExpr]bool) string {
	x, ok := s.X.(*ast.Ident)
	if !ok {
		return ""
	}
	if x.Name == importName(f, "crypto/rand") && !defaults[s] {
		return "crypto/rand." + s.Sel.Name + " (only as the default of a Reader)"
	}
	for imported, names := range banned {
		if x.Name != importName(f, imported) {
			continue
		}
		if slices.ContainsFunc(names, func(name string) bool {
			prefix, open := strings.CutSuffix(name, "*")
			return s.Sel.Name == name || open && strings.HasPrefix(s.Sel.Name, prefix)
		}) {
			return imported + "." + s.Sel.Name
		}
	}
	return ""
}

// readerDefaults finds the uses of rand.Reader that are allowed: if x == nil { x = rand.Reader }.
func readerDefaults(f *ast.File) map[*ast.SelectorExpr]bool {
	found := map[*ast.SelectorExpr]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		branch, ok := n.(*ast.IfStmt)
		if !ok {
			return true
		}
		cond, ok := branch.Cond.(*ast.BinaryExpr)
		if !ok || cond.Op != token.EQL {
			return true
		}
		if y, ok := cond.Y.(*ast.Ident); !ok || y.Name != "nil" {
			return true
		}
		for _, stmt := range branch.Body.List {
			if a, ok := stmt.(*ast.AssignStmt); ok && len(a.Rhs) == 1 {
				if s, ok := a.Rhs[0].(*ast.SelectorExpr); ok && s.Sel.Name == "Reader" {
					found[s] = true
				}
			}
		}
		return true
	})
	return found
}

// Sleeps reports tests that wait for time to pass instead of for what they test.
func Sleeps(t *Tree) []string {
	var bad []string
	for _, f := range t.Go {
		name := importName(f.AST, "time")
		if !f.Test || name == "" {
			continue
		}
		ast.Inspect(f.AST, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == "Sleep" {
				if x, ok := s.X.(*ast.Ident); ok && x.Name == name {
					bad = append(bad, t.at(s)+": time.Sleep in a test")
				}
			}
			return true
		})
	}
	return bad
}
