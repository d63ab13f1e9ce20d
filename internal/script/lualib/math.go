package lualib

import (
	"math"
	"math/rand/v2"

	lua "github.com/yuin/gopher-lua"
)

var mathFunctions = map[string]function{
	"abs":   unary(math.Abs),
	"acos":  unary(math.Acos),
	"asin":  unary(math.Asin),
	"atan":  unary(math.Atan),
	"atan2": binary2(math.Atan2),
	"ceil":  unary(math.Ceil),
	"cos":   unary(math.Cos),
	"cosh":  unary(math.Cosh),
	"deg":   unary(func(x float64) float64 { return x / (math.Pi / 180) }),
	"exp":   unary(math.Exp),
	"floor": unary(math.Floor),
	"fmod":  binary2(math.Mod),
	"frexp": mathFrexp,
	"ldexp": func(c call) int { return c.pushNumber(math.Ldexp(c.number(1), c.int(2))) },
	"log":   unary(math.Log),
	"log10": unary(math.Log10),
	"max":   func(c call) int { return c.best(func(x, best float64) bool { return x > best }) },
	"min":   func(c call) int { return c.best(func(x, best float64) bool { return x < best }) },
	"mod":   binary2(math.Mod), // its name in Lua 5.0
	"modf":  mathModf,
	"pow":   binary2(math.Pow),
	"rad":   unary(func(x float64) float64 { return x * (math.Pi / 180) }),
	"sin":   unary(math.Sin),
	"sinh":  unary(math.Sinh),
	"sqrt":  unary(math.Sqrt),
	"tan":   unary(math.Tan),
	"tanh":  unary(math.Tanh),
}

func unary(f func(float64) float64) function {
	return func(c call) int { return c.pushNumber(f(c.number(1))) }
}

func binary2(f func(x, y float64) float64) function {
	return func(c call) int { return c.pushNumber(f(c.number(1), c.number(2))) }
}

// newMath makes the math table of an application, with random numbers of its own.
func (s *Scope) newMath(L *lua.LState) *lua.LTable {
	t := s.l.newTable(L, "math", mathFunctions)
	t.RawSetString("huge", lua.LNumber(math.Inf(1)))
	t.RawSetString("pi", lua.LNumber(math.Pi))
	t.RawSetString("random", s.l.function(L, "math.random", s.mathRandom))
	t.RawSetString("randomseed", s.l.function(L, "math.randomseed", s.mathRandomSeed))
	return t
}

func (s *Scope) seed(n uint64) {
	if s.source == nil {
		s.source = rand.NewPCG(n, 0)
		s.random = rand.New(s.source)
	}
	s.source.Seed(n, 0)
}

func (s *Scope) mathRandom(c call) int {
	r := s.random.Float64()
	var low, high float64
	switch c.L.GetTop() {
	case 0:
		return c.pushNumber(r)
	case 1:
		low, high = 1, float64(c.int(1))
		if high < low {
			c.argError(1, "interval is empty")
		}
	case 2:
		low, high = float64(c.int(1)), float64(c.int(2))
		if high < low {
			c.argError(2, "interval is empty")
		}
	default:
		c.errorf("wrong number of arguments")
	}
	return c.pushNumber(math.Floor(r*(high-low+1)) + low)
}

// mathRandomSeed makes the numbers that follow a function of the seed. Fractions count: scripts pass os.clock().
func (s *Scope) mathRandomSeed(c call) int {
	s.seed(math.Float64bits(c.number(1)))
	return 0
}

func (c call) best(better func(x, best float64) bool) int {
	best := c.number(1)
	for i := 2; i <= c.L.GetTop(); i++ {
		if x := c.number(i); better(x, best) {
			best = x
		}
	}
	return c.pushNumber(best)
}

func mathFrexp(c call) int {
	f, e := math.Frexp(c.number(1))
	c.L.Push(lua.LNumber(f))
	c.L.Push(lua.LNumber(e))
	return 2
}

func mathModf(c call) int {
	x := c.number(1)
	i, f := math.Modf(x)
	if math.IsInf(x, 0) {
		i, f = x, math.Copysign(0, x)
	}
	c.L.Push(lua.LNumber(i))
	c.L.Push(lua.LNumber(f))
	return 2
}
