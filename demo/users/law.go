package users

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"capmon/capacity"
)

// Point is what a number of threads got done when all of them were full.
type Point struct {
	Threads int     `json:"threads"`
	RPS     float64 `json:"rps"`
}

// Law is how requests a second follow the threads of one process, on this
// machine.
type Law struct {
	Points []Point           `json:"points"` // rising; those on more threads than cores are not in the fit
	Fit    *capacity.Scaling `json:"-"`      // nil: Lacks says what it lacks
	// The law in words, its two costs as shares 0..1, and why it can't be trusted far;
	// null and empty without a fit.
	Formula    string   `json:"formula,omitempty"`
	Contention *float64 `json:"contention"`
	Coherency  *float64 `json:"coherency"`
	Few        string   `json:"few,omitempty"`
	Lacks      string   `json:"lacks,omitempty"`
	// Over is what threads beyond the cores gave, in words; empty: not measured.
	Over string `json:"over,omitempty"`
}

// law fits the Universal Scalability Law to the points that have a core for each
// thread: more threads than cores share them, and say nothing of a bigger
// machine.
func law(points []Point, cores int) Law {
	points = slices.Clone(points)
	slices.SortStableFunc(points, func(a, b Point) int { return a.Threads - b.Threads })
	l := Law{Points: points}
	var n, x []float64
	var had []string
	for _, p := range points {
		if p.Threads <= cores {
			n, x, had = append(n, float64(p.Threads)), append(x, p.RPS), append(had, fmt.Sprint(p.Threads))
		}
	}
	if last := len(points) - 1; last > 0 && len(n) > 0 && points[last].Threads > cores {
		l.Over = fmt.Sprintf("%d threads over %s give ×%s of %s", points[last].Threads, coresText(cores),
			capacity.Decimal(points[last].RPS/x[len(x)-1], 2), had[len(had)-1])
	}
	fit, err := capacity.FitScalability(n, x)
	switch {
	case err == nil:
		l.Fit, l.Formula, l.Few = &fit, fit.Formula(), fit.Few
		l.Contention, l.Coherency = &fit.Alpha, &fit.Beta
	case len(slices.Compact(had)) < 3:
		l.Lacks = "no number of threads was seen full on " + coresText(cores)
		if len(had) > 0 {
			l.Lacks = fmt.Sprintf("seen full with %s on %s", strings.Join(had, " and ")+plural(len(had) == 1 && had[0] == "1", " thread"), coresText(cores))
		}
		l.Lacks += ": the law of scaling wants three numbers of threads with a core each"
	default:
		l.Lacks = err.Error()
	}
	return l
}

func plural(one bool, unit string) string {
	if one {
		return unit
	}
	return unit + "s"
}

func coresText(n int) string { return fmt.Sprint(n) + plural(n == 1, " core") }

// Change is what another machine, or another number of them, would serve.
type Change struct {
	From   int      `json:"from"` // cores, or servers
	To     int      `json:"to"`
	RPS    float64  `json:"rps"`     // served a second now
	Then   *float64 `json:"then"`    // null: not known
	AtMost bool     `json:"at_most"` // Then is a bound, no forecast
	Trust  string   `json:"trust"`   // what it stands on, or what it lacks
}

// Forecast is what would serve the users.
type Forecast struct {
	Servers    int     `json:"servers"`    // like this one, at the target, for what the users want to ask
	AtMost     bool    `json:"at_most"`    // fewer may do: it was not full, so that what it can serve is not known
	Cores      int     `json:"cores"`      // of all of them
	IdleCores  float64 `json:"idle_cores"` // of these, with the load spread evenly
	Vertical   Change  `json:"vertical"`   // twice the cores and as many more workers
	Horizontal Change  `json:"horizontal"` // a second server
}

// forecast says what would serve so many requests a second; nil where the server
// has not been measured.
func forecast(s *Server, wanted, target float64, cores int, usable float64, l *Law) *Forecast {
	if s.ServedPerSecond == nil || s.CoresUsed == nil || !(*s.ServedPerSecond > 0) || !(*s.CoresUsed > 0) || !(target > 0) {
		return nil
	}
	rps, used := *s.ServedPerSecond, *s.CoresUsed
	most := min(float64(s.Processes*s.Threads), usable)
	// The bound that needs no spread of load: T·X/U (docs/NUMBERS.md). Of a full
	// server it is T·X.
	each := rps * target * max(most/used, 1)
	n := max(int(math.Ceil(wanted/each-1e-9)), 1)
	f := &Forecast{
		Servers: n, Cores: n * cores, IdleCores: max(float64(n*cores)-wanted*used/rps, 0),
		Vertical:   Change{From: cores, To: 2 * cores, RPS: rps},
		Horizontal: Change{From: 1, To: 2, RPS: rps},
	}
	v := &f.Vertical
	if !s.full(usable) {
		f.AtMost, v.Trust = true, "it was not full, so what it can serve is not known: ask more with more users"
		if s.Disturbed != "" {
			v.Trust = "it was not full, so what it can serve is not known: others had the cores"
		}
		f.Horizontal.Trust = v.Trust
		return f
	}
	f.Horizontal.Then = finite(2 * rps)
	f.Horizontal.Trust = "servers share nothing here; with a database behind them, that is the next limit"
	switch {
	case usable < 1:
		v.Trust = fmt.Sprintf("a quota of %s cores binds here, and not the machine", capacity.Amount(usable))
	case s.Kind == OneThread:
		v.Then = finite(rps)
		v.Trust = fmt.Sprintf("one thread runs on one core, whatever there is: %s cores used", capacity.Decimal(used, 2))
	case l.Fit != nil:
		v.Then = finite(rps * l.Fit.At(2*most) / l.Fit.At(most))
		v.Trust = fmt.Sprintf("by the law of scaling, beyond the %s threads measured", capacity.Amount(l.Fit.Most))
		if l.Few != "" {
			v.Trust += "; " + l.Few
		}
	default:
		v.Then, v.AtMost, v.Trust = finite(2*rps), true, l.Lacks
	}
	return f
}
