package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"capmon/capacity"
)

// CurveText writes how the throughput of one server follows its workers, and
// what to do about it, where no load is asked for.
func CurveText(w io.Writer, s capacity.Scaling, advice []string) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\n", s.Formula())
	fmt.Fprintf(&b, "contention %s%%: the share that goes one at a time\n", capacity.Decimal(s.Alpha*100, 2))
	fmt.Fprintf(&b, "coherency  %s%%: what each pair spends on agreeing\n", capacity.Decimal(s.Beta*100, 4))
	if r := capacity.Known(s.Error); r.OK {
		fmt.Fprintf(&b, "off by     %s: residual standard error\n", capacity.Amount(r.V))
	}
	b.WriteString("\n")
	rows := [][]string{{"workers"}, {"throughput"}, {"of linear"}}
	for _, n := range curvePoints(s) {
		rows[0] = append(rows[0], capacity.Count(n))
		rows[1] = append(rows[1], capacity.Amount(s.At(n)))
		rows[2] = append(rows[2], capacity.Percent(s.At(n)/(n*s.Gamma)))
	}
	planColumns(&b, rows)
	b.WriteString("\n")
	planAdvice(&b, advice)
	_, err := w.Write(b.Bytes())
	return err
}

// curvePoints are numbers of workers that double up to the most measured, and
// the best.
func curvePoints(s capacity.Scaling) []float64 {
	var out []float64
	best := float64(s.Best())
	for n := 1.0; n <= s.Most && len(out) < 12; n *= 2 {
		if best > n/2 && best < n && best <= s.Most {
			out = append(out, best)
		}
		out = append(out, n)
	}
	if last := out[len(out)-1]; best > last && best <= s.Most {
		out = append(out, best)
	}
	return out
}

// CurveJSON writes the same as one object, with no pool in it.
func CurveJSON(w io.Writer, s capacity.Scaling, advice []string) error {
	return planEncode(w, planDoc{
		Schema: PlanSchema, Pools: []pool{},
		Plan: planPart{Limits: []planLimit{}, Servers: []serverRow{}, Scalability: curveOf(s), Advice: orEmpty(advice)},
	})
}

func curveOf(s capacity.Scaling) *planCurve {
	c := &planCurve{
		Alpha: num(capacity.Known(s.Alpha)), Beta: num(capacity.Known(s.Beta)), Gamma: num(capacity.Known(s.Gamma)),
		Error: num(capacity.Known(s.Error)), Peak: num(s.Peak()), Few: text(s.Few),
	}
	if n := s.Best(); n > 0 {
		c.Best = num(number(n))
	}
	return c
}

func planEncode(w io.Writer, d planDoc) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(d); err != nil {
		return fmt.Errorf("plan as JSON: %w", err)
	}
	_, err := w.Write(b.Bytes())
	return err
}
