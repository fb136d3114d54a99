package ui

import (
	"cmp"
	"math"
	"slices"
	"strconv"

	"capmon/fleet"
	"capmon/sample"
)

// Grouping is what stands together on the cores screen: rows, or from BySocket
// on the cells of each row.
type Grouping uint8

// The groupings, as ctrl-g goes through them.
const (
	NoGroups Grouping = iota
	ByPool
	ByRole
	ByZone
	BySocket
	ByNode
	ByCache
	groupings
)

// String is the name in the second line.
func (g Grouping) String() string {
	return [...]string{"off", "pool", "role", "zone", "socket", "node", "cache"}[min(g, ByCache)]
}

// within says that cells are grouped and not rows.
func (g Grouping) within() bool { return g >= BySocket }

// of is the group a host is in, "" where it has none.
func (g Grouping) of(h *fleet.Host) string {
	switch g {
	case ByPool:
		return h.Pool
	case ByRole:
		return label(h, "role")
	case ByZone:
		return label(h, "zone")
	}
	return ""
}

// at is the group a core is in; -1: not known.
func (g Grouping) at(p fleet.Place) int {
	switch g {
	case BySocket:
		return p.Socket
	case ByNode:
		return p.Node
	case ByCache:
		return p.Cache
	}
	return -1
}

// section is cores of a host that stand together: all of them, or those of a
// socket.
type section struct {
	name   string // "socket 1"; "" where there is one section
	places []int  // of Host.Cores
}

// sectionsOf are the cores of a host as they are grouped, in rising order.
func sectionsOf(h *fleet.Host, g Grouping) []section {
	var places []fleet.Place
	if g.within() {
		places = h.Places()
	}
	all := section{places: make([]int, len(h.Cores))}
	for i := range all.places {
		all.places[i] = i
	}
	if places == nil {
		return []section{all}
	}
	slices.SortStableFunc(all.places, func(a, b int) int { return cmp.Compare(uint(g.at(places[a])), uint(g.at(places[b]))) }) // unknown last
	var out []section
	for _, i := range all.places {
		name := unknownText
		if at := g.at(places[i]); at >= 0 {
			name = strconv.Itoa(at)
		}
		name = g.String() + " " + name
		if n := len(out); n == 0 || out[n-1].name != name {
			out = append(out, section{name: name})
		}
		last := &out[len(out)-1]
		last.places = append(last.places, i)
	}
	return out
}

// nextGrouping is the one after, as ctrl-g goes through them: what no host that
// is listed has more than one of is passed over.
func nextGrouping(f *Frame, v *View, width int) Grouping {
	for g := v.Grouped + 1; g < groupings; g++ {
		if !g.within() || slices.ContainsFunc(rowsOf(f, v, width), func(i int) bool { return len(sectionsOf(&f.Hosts[i], g)) > 1 }) {
			return g
		}
	}
	return NoGroups
}

// coresLine is one line of the screen: a host, or the head of a group.
type coresLine struct {
	host int // index; -1: a head
	head string
}

// coresPlan is where everything of the cores screen goes.
type coresPlan struct {
	lines  []coresLine // read only
	top    int         // the first of them on screen
	at     int         // the line with the cursor
	list   int         // how many are on screen
	name   int         // cells of the names
	cells  int         // cells that a host's cores may fill
	group  int         // cores that are one mark, 1 and up; the busiest of them is shown
	half   bool        // two marks a cell, told apart by colour
	wide   int         // cells a mark, 1..3, where there are few
	most   int         // cores of the largest host
	widest int         // cells of the widest row
	ruler  bool
	scale  bool
	status bool
	bottom int
	sums   coresSums
}

// coresSums count the cores that are listed.
type coresSums struct {
	known, unknowns, busy, idle int
	silent                      int // hosts of which nothing is known
	sum, hot                    float64
	hotAt                       string
}

// coresMemo keeps what only another frame, size or order changes: with a
// thousand hosts it takes a millisecond, and a key asks for it several times.
type coresMemo struct {
	key    coresKey
	plan   *coresPlan
	widths map[layout][]int // of machines seen, for key.grouped
}

// layout is what the sections of a host follow from, while its cores are 0..n-1.
type layout struct {
	of *sample.Topology
	n  int
}

type coresKey struct {
	rows    rowsKey
	w, h    int
	grouped Grouping
	pairs   bool
}

// coresTop is the lines above the ruler: header, verdict, summary.
func coresTop(h int) int { return min(3, max(h-2, 1)) }

const coresRight = 19 // MEAN HOT FLAG

// planCores is the plan for this size. What it stands on is kept in v.
func planCores(f *Frame, v *View, w, h int, th Theme) coresPlan {
	key := coresKey{rowsKeyOf(f, v, w), w, h, v.Grouped, th.pairs}
	memo := v.cores
	if memo == nil {
		memo = &coresMemo{}
	}
	if memo.plan == nil || memo.key != key {
		if memo.widths == nil || memo.key.grouped != key.grouped || len(memo.widths) > 2*len(f.Hosts)+100 {
			memo.widths = map[layout][]int{}
		}
		p := layCores(f, v, w, h, th, memo.widths)
		memo.key, memo.plan = key, &p
	}
	p := *memo.plan
	p.at = 0
	for i, l := range p.lines {
		if l.host >= 0 && f.Hosts[l.host].Name == v.Host {
			p.at = i
			break
		}
	}
	if p.at == 0 && len(p.lines) > 0 && p.lines[0].host < 0 {
		p.at = 1
	}
	p.top = scrolled(v.Top, p.at, p.list, len(p.lines))
	return p
}

// layCores is the plan without cursor and scrolling.
func layCores(f *Frame, v *View, w, h int, th Theme, known map[layout][]int) coresPlan {
	p := coresPlan{ruler: h >= 10, scale: h >= 20, status: h >= 12, wide: 1, group: 1}
	rows := rowsOf(f, v, w)
	if v.Grouped != NoGroups && !v.Grouped.within() {
		slices.SortStableFunc(rows, func(a, b int) int {
			return cmp.Compare(v.Grouped.of(&f.Hosts[a]), v.Grouped.of(&f.Hosts[b]))
		})
	}
	p.sums.hot = math.NaN()
	last := "\x00"
	for _, i := range rows {
		host := &f.Hosts[i]
		if g := v.Grouped.of(host); v.Grouped != NoGroups && !v.Grouped.within() && g != last {
			last = g
			p.lines = append(p.lines, coresLine{-1, v.Grouped.String() + " " + or(g, "without")})
		}
		p.lines = append(p.lines, coresLine{host: i})
		p.name = max(p.name, cells(host.Name))
		p.most = max(p.most, len(host.Cores))
		p.sums.add(host)
	}
	p.name = min(max(p.name, 4), max(w/6, 6), 24)
	p.cells = max(w-2-p.name-1-coresRight, 1)
	p.fit(widths(f, rows, v.Grouped, known), th)
	used := coresTop(h)
	for _, on := range []bool{p.ruler, p.scale, p.status} {
		if on {
			used++
		}
	}
	if p.bottom = min(max(h-2, 0), 1); h >= 20 {
		p.bottom = 2
	}
	p.list = max(h-used-p.bottom, 0)
	return p
}

// widths are how many cores stand together in each section of a host, of all
// hosts that differ in it. What is found out is added to known.
func widths(f *Frame, rows []int, g Grouping, known map[layout][]int) [][]int {
	var list [][]int
	for _, i := range rows {
		h := &f.Hosts[i]
		k := layout{n: len(h.Cores)}
		if g.within() {
			k.of = h.Machine.GetTopology()
		}
		sizes, ok := known[k]
		if odd := k.of != nil && len(h.Newest.GetCpu().GetIds()) > 0; !ok || odd {
			sizes = nil
			for _, s := range sectionsOf(h, g) {
				sizes = append(sizes, len(s.places))
			}
			if !odd {
				known[k] = sizes
			}
		}
		if !slices.ContainsFunc(list, func(other []int) bool { return slices.Equal(other, sizes) }) {
			list = append(list, sizes)
		}
	}
	return list
}

// fit chooses what a cell is: a core, wider where there are few of them, two
// cores where colours can tell them apart, else the busiest of a group.
func (p *coresPlan) fit(hosts [][]int, th Theme) {
	need := func() int {
		most := 0
		for _, sizes := range hosts {
			most = max(most, p.width(sizes))
		}
		return most
	}
	if need() > p.cells {
		p.half = th.pairs
		for need() > p.cells && p.group < p.most {
			p.group++
		}
	} else {
		for p.wide = 3; p.wide > 1 && need() > p.cells; {
			p.wide--
		}
	}
	p.widest = min(max(need(), 1), p.cells)
}

// width is how many cells the sections of a host take, with a gap between two.
func (p *coresPlan) width(sizes []int) int {
	n := max(len(sizes)-1, 0)
	for _, size := range sizes {
		n += p.sectionCells(size)
	}
	return n
}

// sectionCells is how many cells so many cores take.
func (p *coresPlan) sectionCells(cores int) int {
	marks := (cores + p.group - 1) / p.group
	if p.half {
		return (marks + 1) / 2
	}
	return marks * p.wide
}

// add counts the cores of one more host.
func (s *coresSums) add(h *fleet.Host) {
	if len(h.Cores) == 0 || h.State == fleet.Down {
		s.silent++
		return
	}
	at := -1
	for i, c := range h.Cores {
		switch {
		case math.IsNaN(c):
			s.unknowns++
			continue
		case c >= 0.90:
			s.busy++
		case c < 0.05:
			s.idle++
		}
		s.known++
		s.sum += c
		if !(c <= s.hot) {
			s.hot, at = c, i
		}
	}
	if at >= 0 {
		s.hotAt = cutMiddle(h.Name, 16) + "/c" + strconv.Itoa(coreID(h, at))
	}
}

// marksOf are the marks of one host, section by section: its cores, hot first
// where that is chosen, the busiest of each group where there are too many.
// places are those of the busiest core of each mark.
func marksOf(h *fleet.Host, v *View, p *coresPlan) (sections []section) {
	sections = sectionsOf(h, v.Grouped)
	hotter := func(a, b int) int { return highFirst(num(h.Cores[a]), num(h.Cores[b])) }
	for i := range sections {
		s := &sections[i]
		if v.HotFirst {
			slices.SortStableFunc(s.places, hotter)
		}
		if p.group == 1 {
			continue
		}
		n := 0
		for part := range slices.Chunk(s.places, p.group) {
			s.places[n] = slices.MinFunc(part, hotter)
			n++
		}
		s.places = s.places[:n]
	}
	return sections
}

// coreUnder is the core under the cell cursor: the busiest of its mark. Not ok
// where there is no cell cursor, or no such mark.
func coreUnder(h *fleet.Host, v *View, p *coresPlan) (place int, ok bool) {
	at := v.Core - 1
	if at < 0 {
		return 0, false
	}
	for _, s := range marksOf(h, v, p) {
		if at < len(s.places) {
			return s.places[at], true
		}
		at -= len(s.places)
	}
	return 0, false
}

// marks is how many marks a host has.
func marks(h *fleet.Host, v *View, p *coresPlan) int {
	n := 0
	for _, s := range sectionsOf(h, v.Grouped) {
		n += (len(s.places) + p.group - 1) / p.group
	}
	return n
}
