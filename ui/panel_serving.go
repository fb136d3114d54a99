package ui

import (
	"slices"
	"strconv"
	"strings"

	"capmon/capacity"
	"capmon/fleet"
)

// servingColumn is a column of the services of one host.
type servingColumn struct {
	head  string
	width int
	from  int // the width of the screen that shows it
	num   func(*fleet.Service) capacity.Num
	write func(n capacity.Num, width int) string
}

func shareText(n capacity.Num, _ int) string { return tenths(n) }

// servingColumns are the numbers of a service, in order, of which those are
// shown that any of them knows.
var servingColumns = []servingColumn{
	{"RPS", 7, 0, func(s *fleet.Service) capacity.Num { return s.RPS }, count},
	{"ERR%", 4, 60, func(s *fleet.Service) capacity.Num { return s.Errors }, shareText},
	{"P50", 5, 100, func(s *fleet.Service) capacity.Num { return s.Latency.P50 }, duration},
	{"P99", 5, 76, func(s *fleet.Service) capacity.Num { return s.Latency.P99 }, duration},
	{"CONNS", 7, 0, func(s *fleet.Service) capacity.Num { return s.Connections }, count},
	{"OF", 6, 90, func(s *fleet.Service) capacity.Num { return s.ConnectionsLimit }, count},
	{"NEW/s", 6, 120, func(s *fleet.Service) capacity.Num { return s.Accepts }, count},
	{"QUEUE", 5, 100, func(s *fleet.Service) capacity.Num { return s.Queue }, count},
	{"OF", 6, 130, func(s *fleet.Service) capacity.Num { return s.QueueLimit }, count},
	{"DROPS", 5, 130, func(s *fleet.Service) capacity.Num { return s.Drops }, count},
	{"FILES", 6, 140, func(s *fleet.Service) capacity.Num { return s.FilesUsed }, count},
	{"OF", 7, 140, func(s *fleet.Service) capacity.Num { return s.Files }, count},
}

// drawServing lists the listening ports of a host with all that is known of
// them, the busiest where there are more than most and one, and returns the
// lines used.
func drawServing(a area, h *fleet.Host, most int) int {
	if len(h.Services) == 0 {
		drawTitle(a.row(0), "services")
		if h.State == fleet.Down || h.State == fleet.Unseen {
			a.text(1, 1, unknown, "? no data")
		} else {
			a.text(1, 1, unknown, "? "+or(h.RPSNote, "none seen"))
		}
		return 2
	}
	drawTitle(a.row(0), "services", plural(len(h.Services), "listening port"))
	cols := slices.DeleteFunc(slices.Clone(servingColumns), func(c servingColumn) bool {
		known := slices.ContainsFunc(h.Services, func(s fleet.Service) bool { return c.num(&s).OK })
		return a.w < c.from || c.from > 0 && !known
	})
	name := 14
	if a.w >= 100 {
		name = 24
	}
	a.right(6, 1, head, "PORT")
	a.text(8, 1, head, "SERVICE")
	x := 8 + name
	for _, c := range cols {
		x += 2 + c.width
		a.right(x, 1, head, c.head)
	}
	a.text(x+2, 1, head, "RPS FROM")
	shown := h.Services
	if len(shown) > most+1 { // one more would take the line that tells of it
		shown = busiest(shown, most)
	}
	for i := range shown {
		drawServed(a.row(2+i), h, &shown[i], name, cols)
	}
	y := 2 + len(shown)
	if more := len(h.Services) - len(shown); more > 0 {
		a.text(8, y, dim, cut(plural(more, "more port")+", none busier: tab turns to services", a.w-9))
		y++
	}
	return y
}

func drawServed(a area, h *fleet.Host, s *fleet.Service, name int, cols []servingColumn) {
	a.right(6, 0, normal, strconv.Itoa(s.Port))
	if s.Name == "" {
		a.text(8, 0, unknown, cut("? owner hidden", name))
	} else {
		a.text(8, 0, normal, cutMiddle(s.Name, name))
	}
	x := 8 + name
	for _, c := range cols {
		x += 2 + c.width
		text, st := c.write(c.num(s), c.width), normal
		if text == unknownText {
			st = unknown
			if c.head == "OF" { // no limit is known: nothing to say
				text = ""
			}
		}
		a.right(x, 0, st, text)
	}
	x += 2
	if s.Finding != nil {
		mark := signOfFlag(s.Finding.Verdict, h)
		x = a.text(x, 0, mark.role.style(), mark.text+" "+mark.word) + 2
	}
	a.text(x, 0, dim, cut(servedFrom(s), a.w-x-1))
}

// servedFrom is where a service stands and where its requests are counted.
func servedFrom(s *fleet.Service) string {
	var parts []string
	if s.Behind > 0 {
		parts = append(parts, "behind :"+strconv.Itoa(s.Behind))
	}
	if s.RPS.OK {
		parts = append(parts, s.RPSSource)
	} else {
		parts = append(parts, s.RPSNote)
	}
	return strings.TrimSpace(strings.Join(parts, "  "))
}

// duration is seconds in five cells: 250µs, 1.2ms, 85ms, 2.5s.
func duration(n capacity.Num, _ int) string {
	switch v := n.V; {
	case !n.OK:
		return unknownText
	case v < 0.0009995:
		return strconv.FormatFloat(v*1e6, 'f', 0, 64) + "µs"
	case v < 0.00995:
		return strconv.FormatFloat(v*1e3, 'f', 1, 64) + "ms"
	case v < 0.9995:
		return strconv.FormatFloat(v*1e3, 'f', 0, 64) + "ms"
	case v < 9.95:
		return strconv.FormatFloat(v, 'f', 1, 64) + "s"
	}
	return age(n) + secondsUnit(n)
}
