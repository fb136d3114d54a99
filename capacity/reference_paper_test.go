package capacity_test

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"capmon/capacity"
)

func init() {
	refKinds["formula"] = refFormula
	refKinds["theil_sen"] = refTheilSen
}

// refFormula evaluates the case's formula, rounding as capmon does, and where
// capmon has a function for it, that one too.
func refFormula(c *refCase) {
	e := &expression{rest: c.Formula, value: c.num}
	v, err := e.parse()
	if err != nil {
		c.t.Fatalf("%q: %v", c.Formula, err)
	}
	for name := range c.In {
		c.used["in."+name] = true
	}
	c.is("value", v)
	if f, ok := refByCapmon[c.Formula]; ok {
		got, err := f(c)
		if err != nil {
			c.t.Fatal(err)
		}
		c.is("value", got)
	}
}

func just(r capacity.Result, err error) (float64, error) { return r.V, err }
func justInt(n int, err error) (float64, error)          { return float64(n), err }
func justNum(n capacity.Num, err error) (float64, error) { return n.Or(math.NaN()), err }

var refByCapmon = map[string]func(*refCase) (float64, error){
	"servers*per_server - playing": func(c *refCase) (float64, error) {
		return just(capacity.Room(capacity.Limit{Used: c.num("playing"), Capacity: c.num("servers") * c.num("per_server")}))
	},
	"ceil(users/(per_server*target))": func(c *refCase) (float64, error) {
		return justInt(capacity.Servers(c.num("users"), c.num("per_server"), c.num("target")))
	},
	"ceil(n*(busy/cores)/target)": func(c *refCase) (float64, error) {
		return justInt(capacity.Servers(c.num("n")*c.num("busy"), c.num("cores"), c.num("target")))
	},
	"rps*latency": func(c *refCase) (float64, error) { return just(capacity.Inflight(c.num("rps"), c.num("latency"))) },
	"users/(response+think)": func(c *refCase) (float64, error) {
		return just(capacity.RequestsOf(c.num("users"), c.num("think"), c.num("response")))
	},
	"100*(1 - load/cap)": func(c *refCase) (float64, error) {
		v, err := just(capacity.Headroom(capacity.Limit{Used: c.num("load"), Capacity: c.num("cap")}, 1))
		return 100 * v, err
	},
	"ln(cap/now)/ln(1+rate)": func(c *refCase) (float64, error) {
		return justNum(capacity.FullInAt(c.num("now"), c.num("cap"), c.num("rate")))
	},
	"a + beta*sqrt(a)": func(c *refCase) (float64, error) {
		return capacity.SquareRootStaffing(c.num("a"), c.num("beta"))
	},
	"dau*req/86400": func(c *refCase) (float64, error) {
		return just(capacity.Demand{Users: c.num("dau"), Requests: c.num("req"), Per: 24 * time.Hour}.RPS())
	},
	"users*per_user/86400": func(c *refCase) (float64, error) {
		return just(capacity.Demand{Users: c.num("users"), Requests: c.num("per_user"), Per: 24 * time.Hour}.RPS())
	},
	"2*users*per_user/86400": func(c *refCase) (float64, error) {
		return just(capacity.Demand{Users: c.num("users"), Requests: c.num("per_user"), Per: 24 * time.Hour, Peak: 2}.RPS())
	},
	"(target - base)/d": func(c *refCase) (float64, error) {
		cost := capacity.Cost{Request: c.num("d"), Background: c.num("base")}
		v, _ := cost.Load(c.num("target"))
		return justNum(v, nil)
	},
}

func refTheilSen(c *refCase) {
	confidence := 0.95
	for _, name := range []string{"confidence", "level"} {
		confidence = c.opt(name, confidence)
	}
	if c.has("alpha") {
		confidence = 1 - c.num("alpha")
	}
	l, err := capacity.TheilSen(c.nums("x"), c.nums("y"), confidence)
	if c.refused(err) {
		return
	}
	c.is("slope", l.Slope)
	intercept := l.Intercept
	if c.has("method") && c.str("method") == "separate" { // of the medians, not the median of what is left
		intercept = middle(c.nums("y")) - l.Slope*middle(c.nums("x"))
	}
	c.is("intercept", intercept)
	c.is("n", float64(l.N))
	c.is("tau", l.Tau)
	for _, name := range []string{"low", "slope_low", "low_slope", "lo", "lower"} {
		c.is(name, l.Of.Low)
	}
	for _, name := range []string{"high", "slope_high", "high_slope", "hi", "upper"} {
		c.is(name, l.Of.High)
	}
	for _, name := range []string{"interval", "slope_interval", "ci"} {
		c.isList(name, []float64{l.Of.Low, l.Of.High})
	}
}

func middle(v []float64) float64 {
	slices.Sort(v)
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// expression is arithmetic of the paper cases: + - * / ( ) ceil floor min max
// sqrt ln, numbers and the names of the case.
type expression struct {
	rest  string
	value func(name string) float64
}

func (e *expression) parse() (float64, error) {
	v, err := e.sum()
	if e.skip(); err == nil && e.rest != "" {
		err = fmt.Errorf("left over: %q", e.rest)
	}
	return v, err
}

func (e *expression) skip() { e.rest = strings.TrimLeft(e.rest, " ") }

func (e *expression) take(symbol string) bool {
	e.skip()
	rest, ok := strings.CutPrefix(e.rest, symbol)
	if ok {
		e.rest = rest
	}
	return ok
}

func (e *expression) sum() (float64, error) {
	v, err := e.product()
	for err == nil {
		var b float64
		switch {
		case e.take("+"):
			b, err = e.product()
			v += b
		case e.take("-"):
			b, err = e.product()
			v -= b
		default:
			return v, nil
		}
	}
	return v, err
}

func (e *expression) product() (float64, error) {
	v, err := e.factor()
	for err == nil {
		var b float64
		switch {
		case e.take("*"):
			b, err = e.factor()
			v *= b
		case e.take("/"):
			b, err = e.factor()
			v /= b
		default:
			return v, nil
		}
	}
	return v, err
}

func (e *expression) factor() (float64, error) {
	if e.take("-") {
		v, err := e.factor()
		return -v, err
	}
	if e.take("(") {
		v, err := e.sum()
		if err == nil && !e.take(")") {
			err = fmt.Errorf("want ) before %q", e.rest)
		}
		return v, err
	}
	n := strings.IndexFunc(e.rest, func(r rune) bool { return strings.ContainsRune(" +-*/(),", r) })
	// 1e-9 holds a sign.
	if n > 1 && n+1 < len(e.rest) && strings.ContainsRune("eE", rune(e.rest[n-1])) && e.rest[0] >= '0' && e.rest[0] <= '9' {
		if m := strings.IndexFunc(e.rest[n+1:], func(r rune) bool { return strings.ContainsRune(" +-*/(),", r) }); m >= 0 {
			n += 1 + m
		} else {
			n = len(e.rest)
		}
	}
	if n < 0 {
		n = len(e.rest)
	}
	word := e.rest[:n]
	e.rest = e.rest[n:]
	if word == "" {
		return 0, fmt.Errorf("want a number before %q", e.rest)
	}
	if v, err := strconv.ParseFloat(word, 64); err == nil {
		return v, nil
	}
	if e.take("(") {
		return e.call(word)
	}
	return e.value(word), nil
}

func (e *expression) call(name string) (float64, error) {
	var args []float64
	for {
		v, err := e.sum()
		if err != nil {
			return 0, err
		}
		args = append(args, v)
		if e.take(")") {
			break
		}
		if !e.take(",") {
			return 0, fmt.Errorf("want , or ) before %q", e.rest)
		}
	}
	switch {
	case name == "ceil" && len(args) == 1:
		n, err := capacity.Servers(args[0], 1, 1)
		return float64(n), err
	case name == "floor" && len(args) == 1:
		return math.Floor(args[0] + 1e-9), nil
	case name == "sqrt" && len(args) == 1:
		return math.Sqrt(args[0]), nil
	case name == "ln" && len(args) == 1:
		return math.Log(args[0]), nil
	case name == "min" && len(args) > 0:
		v := args[0]
		for _, a := range args {
			v = min(v, a)
		}
		return v, nil
	case name == "max" && len(args) > 0:
		v := args[0]
		for _, a := range args {
			v = max(v, a)
		}
		return v, nil
	}
	return 0, fmt.Errorf("%s of %d numbers is not known", name, len(args))
}
