package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"capmon/capacity"
)

// PlanText writes a plan for people: the verdict, every step of it, and the
// numbers of servers around it side by side.
func PlanText(w io.Writer, p capacity.Plan) error {
	var b bytes.Buffer
	s := p.Sizing
	fmt.Fprintf(&b, "NEED %s   run %s", capacity.Count(float64(s.Need)), capacity.Count(float64(s.Run)))
	if s.Short > 0 {
		fmt.Fprintf(&b, "   SHORT %s of max %s", capacity.Count(float64(s.Short)), capacity.Count(float64(p.Rule.Max)))
	}
	fmt.Fprintf(&b, "   binds: %s\n%s\n", s.Limit, s.Formula)
	if p.Later.OK {
		fmt.Fprintf(&b, "in %s: %s → %s %s\n", capacity.Span(p.Growth.Horizon().Seconds()), capacity.Amount(p.Load.V), capacity.Amount(p.Later.V), p.Unit)
	}
	b.WriteString("\nhow the number is made\n")
	for _, step := range p.Steps {
		b.WriteString("  " + step + "\n")
	}
	b.WriteString("\n")
	planTable(&b, p)
	if len(p.Advice) > 0 {
		b.WriteString("\n")
		planAdvice(&b, p.Advice)
	}
	_, err := w.Write(b.Bytes())
	return err
}

func planAdvice(b *bytes.Buffer, advice []string) {
	b.WriteString("what to do, in order\n")
	for i, a := range advice {
		fmt.Fprintf(b, "  %d  %s\n", i+1, a)
	}
}

// planTable writes servers × what they mean: !! is full or nearly, ! is over the
// target.
func planTable(b *bytes.Buffer, p capacity.Plan) {
	later := ""
	if p.Later.OK {
		later = fmt.Sprintf("in %s (%s)", capacity.Span(p.Growth.Horizon().Seconds()), capacity.Amount(p.Later.V))
	}
	lines := [][]string{{"servers"}, {"now"}, {"one lost"}, {later}, {"full in"}, {""}, {"cost per day"}, {""}}
	if p.SLO != nil && p.SLO.Share > 0 {
		name, _, _ := strings.Cut(p.SLO.String(), " ")
		lines[5][0] = name
	}
	use := func(n capacity.Num) string {
		if !n.OK {
			return "-"
		}
		return capacity.PercentBeside(n.V, p.Target) + planSign(n.V, p.Target)
	}
	for _, r := range p.Rows {
		full, response, cost := "-", "-", ""
		if r.FullIn.OK {
			full = capacity.Span(r.FullIn.V)
		}
		if r.Response.OK {
			response = capacity.Span(r.Response.V)
		}
		if r.PerDay.OK {
			cost = capacity.Decimal(r.PerDay.V, 2)
		}
		for i, cell := range []string{
			capacity.Count(float64(r.Servers)), use(r.Now), use(r.Lost), use(r.Later), full, response, cost, strings.Join(r.Marks, ","),
		} {
			lines[i] = append(lines[i], cell)
		}
	}
	keep := [][]string{lines[0], lines[1], lines[2]}
	if later != "" {
		keep = append(keep, lines[3], lines[4])
	}
	if lines[5][0] != "" {
		keep = append(keep, lines[5])
	}
	if p.Price.OK {
		keep = append(keep, lines[6])
	}
	planColumns(b, append(keep, lines[7]))
}

// planSign is the mark of a use: what SCREENS calls act now, and soon.
func planSign(use, target float64) string {
	switch {
	case use >= 0.95 && use > target:
		return "!!"
	case use > target+1e-9:
		return "!"
	}
	return ""
}

// planColumns writes rows of cells, the first to the left, the others to the right,
// aligned in cells of the terminal.
func planColumns(b *bytes.Buffer, rows [][]string) {
	width := make([]int, len(rows[0]))
	for _, r := range rows {
		for i, cell := range r {
			width[i] = max(width[i], ansi.StringWidth(cell))
		}
	}
	for _, r := range rows {
		var line strings.Builder
		for i, cell := range r {
			pad := strings.Repeat(" ", width[i]-ansi.StringWidth(cell))
			if i == 0 {
				line.WriteString(cell + pad)
				continue
			}
			line.WriteString("  " + pad + cell)
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}
