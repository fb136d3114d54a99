package main

import (
	"math"

	"capmon/capacity"
	"capmon/demo/users"
	"capmon/ui"
)

// kindsPicture is what the classroom draws of users on three kinds of server.
func kindsPicture(r *users.Result) any {
	k := &ui.Kinds{Cores: r.Cores, Target: r.Target, Notes: r.Notes}
	if r.Wanted > 0 {
		k.Wanted = capacity.Known(r.Wanted)
	}
	for _, text := range []string{r.Law.Formula, r.Law.Few, r.Law.Lacks, r.Law.Over} {
		if text != "" && len(r.Law.Points) > 0 {
			k.Law = append(k.Law, text)
		}
	}
	for i := range r.Servers {
		k.Servers = append(k.Servers, serverKind(&r.Servers[i]))
	}
	return k
}

func serverKind(s *users.Server) ui.ServerKind {
	out := ui.ServerKind{
		Name: s.Kind.String(), Processes: s.Processes, Threads: s.Threads, Running: len(s.PIDs) > 0, Done: s.Done,
		Asked: told(s.AskedPerSecond), Served: told(s.ServedPerSecond), P50: told(s.P50), P99: told(s.P99),
		CoresUsed: told(s.CoresUsed), Each: s.ProcessCores, UsersCores: told(s.UsersCores), Unwatched: s.Unwatched, Disturbed: s.Disturbed,
	}
	for _, l := range s.Last {
		out.CoresOf, out.RPSOf = append(out.CoresOf, orNaN(l.Cores)), append(out.RPSOf, orNaN(l.RPS))
	}
	if v := s.Verdict; v != nil {
		out.Word, out.Do, out.Evidence, out.Brief, out.Cells = v.Word, v.Do, v.Evidence, v.Brief, v.Cells
		if v.Helps != "" {
			out.Evidence += "; " + v.Helps
		}
	}
	if f := s.Forecast; f != nil {
		out.Enough, out.AllCores, out.IdleCores = capacity.Known(float64(f.Servers)), float64(f.Cores), f.IdleCores
		out.EnoughAtMost = f.AtMost
		out.Vertical, out.Horizontal = kindChange(f.Vertical), kindChange(f.Horizontal)
	}
	return out
}

func kindChange(c users.Change) ui.KindChange {
	return ui.KindChange{From: c.From, To: c.To, Then: told(c.Then), AtMost: c.AtMost, Trust: c.Trust}
}

func told(v *float64) capacity.Num { return capacity.Known(orNaN(v)) }

func orNaN(v *float64) float64 {
	if v == nil {
		return math.NaN()
	}
	return *v
}
