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
	maxLoadCost = 16_000_000

	functionCost = 4000 // of a function beside what is in it
)

// walker prepares a parsed chunk for the compiler of gopher-lua: it replaces what that compiles wrongly or what the library
// does instead of the virtual machine, and refuses what it cannot cope with.
type walker struct {
	name  string
	line  int
	depth int
	cost  int
	lim   limits

	locals    int            // variables declared in the enclosing functions
	constants map[string]int // of the function
}

func (w *walker) fail(text string) {
	panic(&SyntaxError{Source: w.name, Line: w.line, Message: text})
}

func (w *walker) spend(n int) {
	if w.cost += n; w.cost > w.lim.cost {
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
	for i := range stmts {
		w.stmt(&stmts[i])
	}
}

func (w *walker) stmt(p *ast.Stmt) {
	w.at(*p)
	switch s := (*p).(type) {
	case *ast.AssignStmt:
		w.exprs(s.Lhs)
		w.exprs(s.Rhs)
		*p = w.assignment(s)
	case *ast.LocalAssignStmt:
		w.exprs(s.Exprs)
		w.locals += len(s.Names)
		if len(s.Names) == 1 && len(s.Exprs) == 1 {
			// As local function, in which the variable exists already, gopher-lua compiles this if the function is all.
			if f, ok := s.Exprs[0].(*ast.FunctionExpr); ok {
				s.Exprs[0] = orNil(f)
			}
		}
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
		s.Exprs = threeValues(s.Exprs)
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

// function walks a function with constants of its own.
func (w *walker) function(f *ast.FunctionExpr) {
	w.spend(functionCost)
	constants, locals := w.constants, w.locals
	w.constants = make(map[string]int)
	w.locals += len(f.ParList.Names) + 2
	w.block(f.Stmts)
	w.constants, w.locals = constants, locals
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
			oneValue(f.Value) // at the end gopher-lua would store all of them
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
		oneValue(operands[i])
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
	switch (*p).(type) {
	case *ast.NumberExpr, *ast.UnaryMinusOpExpr, *ast.UnaryLenOpExpr, *ast.ArithmeticOpExpr:
		return
	}
	*p = w.operator(key, (*p).Line(), []ast.Expr{oneValue(*p)})
}
