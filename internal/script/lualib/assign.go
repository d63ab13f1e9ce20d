package lualib

import (
	"strconv"

	"github.com/yuin/gopher-lua/ast"
)

// assignment replaces assignments that gopher-lua compiles wrongly, because it evaluates an expression right into the
// local variable that gets the value, and mistakes registers:
//
//	a, b = b, a       the second expression sees the new a
//	t, t.x = {}, 1    so does the field
//	g, t.x = 1, a     a global g gets the name of the field
//	p = (f(p))        for the last parameter p the function takes its place before the argument is taken from it
func (w *walker) assignment(s *ast.AssignStmt) ast.Stmt {
	if len(s.Lhs) > 1 || len(s.Rhs) > 1 {
		return w.parallel(s)
	}
	if call, ok := s.Rhs[0].(*ast.FuncCallExpr); ok {
		call.AdjustRet = false // one value is asked for, and calls that may have many are compiled rightly
	}
	return s
}

// parallel evaluates all expressions into variables that no script can name, then assigns from right to left as Lua 5.1
// does.
func (w *walker) parallel(s *ast.AssignStmt) ast.Stmt {
	line := s.Lhs[0].Line()
	var names []string
	var exprs []ast.Expr
	keep := func(e ast.Expr) ast.Expr {
		name := "(value " + strconv.Itoa(len(names)) + ")"
		names = append(names, name)
		if e != nil {
			exprs = append(exprs, e)
		}
		v := &ast.IdentExpr{Value: name}
		v.SetLine(line)
		return v
	}
	for _, e := range s.Lhs {
		if field, ok := e.(*ast.AttrGetExpr); ok {
			field.Object = keep(oneValue(field.Object))
			if _, constant := field.Key.(*ast.StringExpr); !constant {
				field.Key = keep(oneValue(field.Key))
			}
		}
	}
	values := make([]ast.Expr, len(s.Lhs))
	for i := range values {
		values[i] = keep(nil)
	}
	exprs = append(exprs, s.Rhs...)
	local := &ast.LocalAssignStmt{Names: names, Exprs: exprs}
	local.SetLine(line)
	block := &ast.DoBlockStmt{Stmts: []ast.Stmt{local}}
	block.SetLine(line)
	block.SetLastLine(line)
	for i := len(s.Lhs) - 1; i >= 0; i-- {
		single := &ast.AssignStmt{Lhs: s.Lhs[i : i+1], Rhs: values[i : i+1]}
		single.SetLine(line)
		block.Stmts = append(block.Stmts, single)
	}
	w.locals += len(names)
	return block
}

// threeValues makes the values of a generic for explicit. Where nil is left out, gopher-lua takes what the expressions
// before it left in the register for the first key: for k, v in next, a.b do would not begin at the beginning.
func threeValues(exprs []ast.Expr) []ast.Expr {
	last := exprs[len(exprs)-1]
	if manyValues(last) {
		return exprs
	}
	for len(exprs) < 3 {
		none := &ast.NilExpr{}
		none.SetLine(last.Line())
		exprs = append(exprs, none)
	}
	return exprs
}

// oneValue makes an expression in a list stand for one value.
func oneValue(e ast.Expr) ast.Expr {
	switch e := e.(type) {
	case *ast.FuncCallExpr:
		e.AdjustRet = true
	case *ast.Comma3Expr:
		e.AdjustRet = true
	}
	return e
}

// orNil makes "nil or e" of an expression: the same value, but another kind of expression.
func orNil(e ast.Expr) ast.Expr {
	none := &ast.NilExpr{}
	none.SetLine(e.Line())
	or := &ast.LogicalOpExpr{Operator: "or", Lhs: none, Rhs: e}
	or.SetLine(e.Line())
	or.SetLastLine(e.LastLine())
	return or
}
