package lualib

import (
	"strconv"

	"github.com/yuin/gopher-lua/ast"
)

const (
	// maxDepth bounds nested expressions, chains of operators and calls, and elseif, for the same reason as maxLevels.
	maxDepth = 500
	// maxOperands is how many operands of .. go to the concatenation as arguments; the compiler has 200 registers. More
	// go as a table.
	maxOperands = 40
	// maxPositional is how many elements without key a table constructor may have for gopher-lua, which loses those
	// after 511 times 50.
	maxPositional = 500 * 50
)

// Costs of a compilation are comparisons of names and constants, which gopher-lua looks up one by one: about 3 ns each.
const (
	maxFileCost = 1_000_000_000
	maxLoadCost = 50_000_000
)

// walker prepares a parsed chunk for the compiler of gopher-lua: it replaces what that compiles wrongly or what the library
// does instead of the virtual machine, and refuses what it cannot cope with.
type walker struct {
	name  string
	line  int
	depth int
	limit int
	cost  int

	locals    int            // variables declared in the enclosing functions
	constants map[string]int // of the function
	param     string         // its last parameter
}

func (w *walker) fail(text string) {
	panic(&SyntaxError{Source: w.name, Line: w.line, Message: text})
}

func (w *walker) spend(n int) {
	if w.cost += n; w.cost > w.limit {
		w.fail("chunk is too complex: too many constants or variables in one function")
	}
}

// at enters a node.
func (w *walker) at(n ast.PositionHolder) {
	if line := n.Line(); line > 0 {
		w.line = line
	}
	if w.depth++; w.depth > maxDepth {
		w.fail("chunk has too many syntax levels")
	}
}

func (w *walker) chunk(stmts []ast.Stmt) {
	w.constants = make(map[string]int)
	w.block(stmts)
}

func (w *walker) constant(key string) {
	if _, ok := w.constants[key]; !ok {
		w.constants[key] = len(w.constants)
	}
	w.spend(w.constants[key])
}

func (w *walker) block(stmts []ast.Stmt) {
	for _, s := range stmts {
		w.stmt(s)
	}
}

func (w *walker) stmt(s ast.Stmt) {
	w.at(s)
	switch s := s.(type) {
	case *ast.AssignStmt:
		w.exprs(s.Lhs)
		w.exprs(s.Rhs)
		w.assignment(s)
	case *ast.LocalAssignStmt:
		w.exprs(s.Exprs)
		w.locals += len(s.Names)
	case *ast.FuncCallStmt:
		w.expr(&s.Expr)
	case *ast.DoBlockStmt:
		w.block(s.Stmts)
	case *ast.WhileStmt:
		w.expr(&s.Condition)
		w.block(s.Stmts)
	case *ast.RepeatStmt:
		w.block(s.Stmts)
		w.expr(&s.Condition)
	case *ast.IfStmt:
		w.expr(&s.Condition)
		w.block(s.Then)
		w.block(s.Else)
	case *ast.NumberForStmt:
		w.bound(&s.Init, forInitKey)
		w.bound(&s.Limit, forLimitKey)
		if s.Step != nil {
			w.bound(&s.Step, forStepKey)
		}
		w.locals += 4
		w.block(s.Stmts)
	case *ast.GenericForStmt:
		w.exprs(s.Exprs)
		w.locals += 3 + len(s.Names)
		w.block(s.Stmts)
	case *ast.FuncDefStmt:
		if s.Name.Func != nil {
			w.expr(&s.Name.Func)
		}
		if s.Name.Receiver != nil {
			w.expr(&s.Name.Receiver)
			w.constant(s.Name.Method)
		}
		w.function(s.Func)
	case *ast.ReturnStmt:
		w.exprs(s.Exprs)
	}
	w.depth--
}

func (w *walker) exprs(list []ast.Expr) {
	for i := range list {
		w.expr(&list[i])
	}
}

// assignment keeps calls away from the last parameter of a function: gopher-lua compiles p = (f(p)) and p, x = f(p), 1 so
// that the function is loaded into the variable before the argument is taken from it. It does not do so for a call that
// may have many values.
func (w *walker) assignment(s *ast.AssignStmt) {
	for i, e := range s.Rhs {
		call, ok := e.(*ast.FuncCallExpr)
		if !ok {
			continue
		}
		last := i == len(s.Rhs)-1
		if last && len(s.Lhs) == len(s.Rhs) {
			call.AdjustRet = false // one value is asked for
			continue
		}
		if last && !call.AdjustRet || i >= len(s.Lhs) {
			continue
		}
		if v, ok := s.Lhs[i].(*ast.IdentExpr); ok && v.Value == w.param {
			none := &ast.NilExpr{}
			none.SetLine(call.Line())
			or := &ast.LogicalOpExpr{Operator: "or", Lhs: none, Rhs: call}
			or.SetLine(call.Line())
			s.Rhs[i] = or
		}
	}
}

// function walks a function with constants of its own.
func (w *walker) function(f *ast.FunctionExpr) {
	constants, locals, param := w.constants, w.locals, w.param
	w.constants = make(map[string]int)
	w.param = "self"
	if n := len(f.ParList.Names); n > 0 {
		w.param = f.ParList.Names[n-1]
	}
	w.locals += len(f.ParList.Names) + 2
	w.block(f.Stmts)
	w.constants, w.locals, w.param = constants, locals, param
}

func (w *walker) expr(p *ast.Expr) {
	w.at(*p)
	switch e := (*p).(type) {
	case *ast.NumberExpr:
		w.constant("n" + e.Value)
	case *ast.StringExpr:
		w.constant("s" + e.Value)
	case *ast.IdentExpr:
		w.spend(w.locals)
		w.constant("s" + e.Value)
	case *ast.AttrGetExpr:
		w.expr(&e.Object)
		w.expr(&e.Key)
	case *ast.TableExpr:
		w.tableExpr(e)
	case *ast.FuncCallExpr:
		if e.Func != nil {
			w.expr(&e.Func)
		}
		if e.Receiver != nil {
			w.expr(&e.Receiver)
			w.constant("s" + e.Method)
		}
		w.exprs(e.Args)
	case *ast.LogicalOpExpr:
		w.expr(&e.Lhs)
		w.expr(&e.Rhs)
	case *ast.RelationalOpExpr:
		w.expr(&e.Lhs)
		w.expr(&e.Rhs)
	case *ast.ArithmeticOpExpr:
		w.expr(&e.Lhs)
		w.expr(&e.Rhs)
	case *ast.UnaryMinusOpExpr:
		w.expr(&e.Expr)
	case *ast.UnaryNotOpExpr:
		w.expr(&e.Expr)
	case *ast.UnaryLenOpExpr:
		w.expr(&e.Expr)
	case *ast.FunctionExpr:
		w.function(e)
	case *ast.StringConcatOpExpr:
		*p = w.concat(e)
	}
	w.depth--
}

func (w *walker) tableExpr(e *ast.TableExpr) {
	positional := 0
	for i, f := range e.Fields {
		if f.Key != nil {
			w.expr(&f.Key)
		} else if positional++; positional > maxPositional {
			if i == len(e.Fields)-1 && manyValues(f.Value) {
				w.fail("table constructor too long")
			}
			key := &ast.NumberExpr{Value: strconv.Itoa(positional)}
			key.SetLine(f.Value.Line())
			f.Key = key
			w.constant("n" + key.Value)
		}
		w.expr(&f.Value)
	}
}

// manyValues reports whether an expression at the end of a list stands for all its values.
func manyValues(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.FuncCallExpr:
		return !e.AdjustRet
	case *ast.Comma3Expr:
		return !e.AdjustRet
	}
	return false
}

// concat makes a call of the concatenation of a chain of operators .., which is right associative.
func (w *walker) concat(e *ast.StringConcatOpExpr) ast.Expr {
	line := e.Line()
	var operands []ast.Expr
	for {
		operands = append(operands, e.Lhs)
		rest, ok := e.Rhs.(*ast.StringConcatOpExpr)
		if !ok {
			operands = append(operands, e.Rhs)
			break
		}
		e = rest
	}
	for i := range operands {
		w.expr(&operands[i])
		switch o := operands[i].(type) { // one value of each
		case *ast.FuncCallExpr:
			o.AdjustRet = true
		case *ast.Comma3Expr:
			o.AdjustRet = true
		}
	}
	if len(operands) > maxOperands {
		t := &ast.TableExpr{}
		t.SetLine(line)
		for i, o := range operands {
			key := &ast.NumberExpr{Value: strconv.Itoa(i + 1)}
			key.SetLine(line)
			w.constant("n" + key.Value)
			t.Fields = append(t.Fields, &ast.Field{Key: key, Value: o})
		}
		count := &ast.NumberExpr{Value: strconv.Itoa(len(operands))}
		count.SetLine(line)
		w.constant("n" + count.Value)
		// Three arguments of which the first is nil are no operands: nil cannot be concatenated.
		none := &ast.NilExpr{}
		none.SetLine(line)
		operands = []ast.Expr{none, count, t}
	}
	return w.operator(concatKey, line, operands)
}

// operator makes a call of a function of the library, with one result.
func (w *walker) operator(key string, line int, operands []ast.Expr) ast.Expr {
	fn := &ast.StringExpr{Value: key}
	fn.SetLine(line)
	w.constant("s" + key)
	call := &ast.FuncCallExpr{Func: fn, Args: operands, AdjustRet: true}
	call.SetLine(line)
	call.SetLastLine(line)
	return call
}

// bound converts a bound of a numeric for, which gopher-lua wants to be a number already. What can be nothing else is left
// as it is.
func (w *walker) bound(p *ast.Expr, key string) {
	w.expr(p)
	switch e := (*p).(type) {
	case *ast.NumberExpr, *ast.UnaryMinusOpExpr, *ast.UnaryLenOpExpr, *ast.ArithmeticOpExpr:
		return
	case *ast.FuncCallExpr:
		e.AdjustRet = true
	case *ast.Comma3Expr:
		e.AdjustRet = true
	}
	*p = w.operator(key, (*p).Line(), []ast.Expr{*p})
}
