package ui

import (
	"slices"

	"capmon/fleet"
)

// Render draws one frame: height lines of at most width cells with colour
// sequences, the same for the same arguments. Negative sizes count as zero.
func Render(f Frame, v View, width, height int, th Theme) string {
	c := newCanvas(width, height, th.ascii)
	draw(c, &f, &v, th)
	return c.String(th)
}

func draw(c *canvas, f *Frame, v *View, th Theme) {
	if c.w == 0 || c.h == 0 {
		return
	}
	draw := drawOverview
	if v.Screen < screens && pages[v.Screen].draw != nil {
		draw = pages[v.Screen].draw
	}
	draw(c.all(), f, v, th)
}

// shape is how much of the overview fits at all.
type shape uint8

const (
	tiny  shape = iota // the verdict, and what else there is a line for
	small              // verdict, three numbers, the worst hosts
	full               // panes
)

// plan is where everything of the overview goes: rows of each pane, its title
// included; 0: not drawn.
type plan struct {
	shape     shape
	rows      []int // hosts to list, in order
	top       int   // the first of them on screen
	list      int   // how many are on screen
	left      int   // width of the main column
	right     int   // width of the column beside it, with its line
	gap       int   // blank lines before the gauges
	gauges    int
	chart     int
	pools     int // a line each, with their head
	hosts     int // the table with its head and total
	fleet     bool
	detail    int
	attention []notice
	bottom    int // rule, status line, footer
	heat      int // of the column beside: cores of the fleet, or the machine
	ahead     int // also: the plan of the pool of the verdict
	byPool    int // and what each pool could stand
	learned   int // and what traffic taught
	services  int // of the fleet
	beside    int // charts in that column
	buckets   int // of the chart
}

func planOf(f *Frame, v *View, w, h int) plan {
	p := plan{rows: rowsOf(f, v, w), left: w}
	switch {
	case w < 40 || h < 6:
		p.list = max(0, h-4)
	case w < 60 || h < 15:
		p.shape = small
		p.list = h - smallTop(h, w) - 1
		if len(p.rows) > p.list {
			p.list-- // for the line that counts the rest
		}
	default:
		p.shape = full
		p.fill(f, v, w, h)
	}
	p.list = max(p.list, 0)
	p.top = scrolled(v.Top, cursorRow(f, v, p.rows), p.list, len(p.rows))
	p.buckets = min(max(p.left-8, 20), 1000)
	return p
}

// smallTop is the lines before the hosts of a small screen.
func smallTop(h, w int) int {
	n := 3 // header, verdict, why
	if h >= 9 {
		n += 2 // users, cpu
	}
	if w >= 60 {
		n++ // the table's head
	}
	return n
}

// scrolled keeps the cursor on screen and moves no more than that needs.
func scrolled(top, at, visible, n int) int {
	top = min(top, at)
	if at >= top+visible {
		top = at - visible + 1
	}
	return max(0, min(top, n-visible))
}

// alone holds when there is one machine to show: then its cores take the place
// of a table with one row.
func (p *plan) alone(f *Frame) bool { return len(f.Hosts) == 1 && len(p.rows) == 1 }

// fill shares out the lines of a screen of panes: verdict and gauges first,
// then hosts, then what needs attention; what is left goes to the chart and
// the selected host.
func (p *plan) fill(f *Frame, v *View, w, h int) {
	if w >= 200 {
		p.right = 78 + (w-200)/3
		p.left = w - p.right
	}
	rules := h >= 20
	p.gauges = 4
	if h < 24 || w < 80 {
		p.gauges = 2
	}
	p.bottom = 1
	if rules {
		p.bottom++
	}
	if h >= 40 {
		p.gap, p.bottom = 1, p.bottom+1
	}
	p.pools = poolLines(f, h)
	body := h - 3 - p.gap - p.gauges - p.bottom - p.pools
	n := len(p.rows)
	over := 1 // the table's head
	if rules {
		over++
	}
	if p.fleet = h >= 40 && n > 1; p.fleet {
		over++
	}
	want := over + max(n, 1)
	if p.alone(f) {
		want, over = 0, 0
	}
	reserved := 0
	if h >= 40 && w >= 100 {
		reserved = 9
		if w >= 200 {
			reserved += 8
		}
	}
	if h >= 24 {
		most := 3
		if h >= 40 || len(histories(f)) == 0 { // no chart is to be drawn
			most = 6
		}
		p.attention = notices(f, p, w, most, want > body-reserved)
	}
	body -= titled(len(p.attention))
	p.hosts = min(want, max(body-reserved, min(want, over+3)))
	p.list = max(0, p.hosts-over)
	p.share(body-p.hosts, p.detailWant(f, v, h), h >= 40)
	if p.right > 0 {
		p.fillBeside(f, h-3-p.bottom)
	}
}

const agentLines = 5 // title, three lines, a blank

// fillBeside shares out the column of a wide screen: first what it is for,
// then the services of the fleet, then charts that the main column leaves.
func (p *plan) fillBeside(f *Frame, rows int) {
	rows -= agentLines
	claim := func(n int) int { // all of it, beside a little of the cores
		if n > rows-4 {
			return 0
		}
		rows -= n
		return n
	}
	p.ahead, p.byPool = claim(planHeight(worst(f))), claim(byPoolHeight(f))
	all, changes, least := learnedHeight(f, p)
	p.learned = claim(least)
	p.heat = min(rows, 1+len(p.rows))
	if p.alone(f) {
		h := &f.Hosts[p.rows[0]]
		p.heat = min(rows, len(factsOf(h))+max(len(h.Limits), 1)+2)
	}
	rows -= p.heat
	if p.learned > 0 { // more of it, in whole if that can be had
		more := all - p.learned
		if more > rows*2/3 {
			more = min(changes-p.learned, rows*2/3)
		}
		p.learned += more
		rows -= more
	}
	if n := fleetServices(f, p.rows); n > 0 && rows >= 5 {
		p.services = min(rows, n+2, max(rows/2, 8))
		rows -= p.services
	}
	if rows >= leastChart+2 {
		p.beside = rows
	}
}

// titled is n lines and their title; nothing for nothing.
func titled(n int) int {
	if n == 0 {
		return 0
	}
	return n + 1
}

// detailWant is how many rows the selected host would fill.
func (p *plan) detailWant(f *Frame, v *View, height int) int {
	if len(p.rows) == 0 {
		return 0
	}
	h := &f.Hosts[p.rows[cursorRow(f, v, p.rows)]]
	if h.Newest == nil {
		return 0
	}
	most := height / 4
	if p.alone(f) { // cores may fill half of the screen
		most = height / 2
	}
	if p.right > 0 { // what the engine knows stands beside
		return titled(detailHeight(h, p.left, most, p.alone(f)))
	}
	return titled(detailHeight(h, p.left, most, false) + len(engineLines(f, h, p.left)))
}

const (
	leastChart  = 5 // title and four lines
	leastDetail = 4
)

// share gives the lines that hosts don't need to the chart and the selected
// host; with one host its cores come first.
func (p *plan) share(spare, detail int, tall bool) {
	chart := leastChart
	if tall {
		chart = 9
	}
	switch {
	case spare <= 0:
		return
	case detail > 0 && p.hosts == 0: // one host
		p.detail = min(detail, spare)
		if rest := spare - p.detail; rest >= leastChart {
			p.chart = rest
		} else if spare-leastChart >= leastDetail+1 {
			p.chart, p.detail = leastChart, spare-leastChart
		} else {
			p.detail = spare
		}
	case spare >= leastChart+leastDetail && detail >= leastDetail:
		p.detail = min(detail, spare*3/5, spare-chart)
		p.detail = max(p.detail, leastDetail)
		p.chart = spare - p.detail
	case spare >= leastDetail:
		p.chart = spare
	default:
		p.hosts += spare
		p.list += spare
	}
}

// worst is the pool whose verdict is on line 2: the most urgent.
func worst(f *Frame) *fleet.Pool { return f.Worst() }

// limitNamed is the sum of a limit over all pools: what the fleet can give.
// Not ok when a pool doesn't know it.
func limitNamed(f *Frame, name string) (used, capacity float64, ok bool) {
	for i := range f.Pools {
		at := slices.IndexFunc(f.Pools[i].Limits, func(l limit) bool { return l.Name == name })
		if at < 0 || !(f.Pools[i].Limits[at].Capacity > 0) {
			return 0, 0, false
		}
		used += f.Pools[i].Limits[at].Used
		capacity += f.Pools[i].Limits[at].Capacity
	}
	return used, capacity, capacity > 0
}
