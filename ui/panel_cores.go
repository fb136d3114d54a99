package ui

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"capmon/fleet"
)

const (
	barsWidth  = 26 // at which a core gets a bar that is easy to read
	leastWidth = 17 // at which it is one at all
)

// coresLayout is how many lines the cores of a host fill within most lines,
// and in how many columns of bars; no columns: as one mark a core, or a group.
func coresLayout(n, width, most int) (rows, columns int) {
	if n == 0 {
		return min(1, most), 1
	}
	columns = min(max(width/barsWidth, 1), 8)
	switch { // a few cores are better one under another
	case n <= 4:
		columns = 1
	case n <= 16:
		columns = min(columns, 2)
	case n <= 48:
		columns = min(columns, 4)
	}
	rows = (n + columns - 1) / columns
	for rows > most && columns < width/leastWidth {
		columns++
		rows = (n + columns - 1) / columns
	}
	if rows <= most {
		return rows, columns
	}
	perLine := marksPerLine(n, width)
	return min((n+perLine-1)/perLine, most), 0
}

// marksPerLine is how many cores stand in a line, in eights.
func marksPerLine(n, width int) int {
	return max((width-len(strconv.Itoa(n))-3)/9*8, 1)
}

// block is cores of a host under one head: those of a socket and node.
type block struct {
	head   string // "" where all stand together
	places []int  // of Host.Cores
}

// blocksOf are the cores of a host by socket and NUMA node; one block where there
// is one of both, or they are not known.
func blocksOf(h *fleet.Host) []block {
	all := block{places: make([]int, len(h.Cores))}
	for i := range all.places {
		all.places[i] = i
	}
	layout := fleet.LayoutOf(h.Machine.GetTopology())
	places := h.Places()
	if places == nil || layout.Sockets < 2 && layout.Nodes < 2 {
		return []block{all}
	}
	slices.SortStableFunc(all.places, func(a, b int) int { // unknown last
		x, y := places[a], places[b]
		return cmp.Or(cmp.Compare(uint(x.Socket), uint(y.Socket)), cmp.Compare(uint(x.Node), uint(y.Node)))
	})
	var out []block
	for _, i := range all.places {
		var names []string
		for _, of := range []struct {
			name    string
			n, many int
		}{{"socket", places[i].Socket, layout.Sockets}, {"node", places[i].Node, layout.Nodes}} {
			switch {
			case of.many == 0:
			case of.n < 0:
				names = append(names, of.name+" "+unknownText)
			default:
				names = append(names, of.name+" "+strconv.Itoa(of.n))
			}
		}
		head := strings.Join(names, " / ")
		if n := len(out); n == 0 || out[n-1].head != head {
			out = append(out, block{head: head})
		}
		last := &out[len(out)-1]
		last.places = append(last.places, i)
	}
	return out
}

// coresGrid is how the cores of a host fill their pane: blocks side by side, and
// below one another what does not fit so, each of rows and columns of bars.
type coresGrid struct {
	blocks        []block
	across        int  // blocks side by side
	width         int  // of a block
	rows, columns int  // of a block; columns 0: one mark a core, or a group
	height        int  // of all, heads included
	joined        bool // there are more cores than marks
}

// layGrid is the grid for a pane of this width and at most so many lines. Where
// heads don't fit, the cores stand together.
func layGrid(h *fleet.Host, width, most int) coresGrid {
	blocks := blocksOf(h)
	best := coresGrid{}
	for across := len(blocks); across >= 1 && len(blocks) > 1; across-- {
		lines := (len(blocks) + across - 1) / across
		g := coresGrid{blocks: blocks, across: across, width: width / across}
		if most/lines < 2 || across > 1 && g.width < barsWidth {
			continue
		}
		g.fill(h, g.width-2, most/lines-1)
		g.height = lines * (g.rows + 1)
		if best.height == 0 || g.better(&best) {
			best = g
		}
	}
	if best.height > 0 {
		return best
	}
	all := block{places: make([]int, len(h.Cores))}
	for i := range all.places {
		all.places[i] = i
	}
	g := coresGrid{blocks: []block{all}, across: 1, width: width}
	g.fill(h, width, most)
	g.height = g.rows
	return g
}

// fill shares out the largest block over lines of this width.
func (g *coresGrid) fill(h *fleet.Host, width, most int) {
	n := 0
	for _, b := range g.blocks {
		n = max(n, len(b.places))
	}
	if g.rows, g.columns = coresLayout(n, width, most); g.columns > 0 {
		return
	}
	perLine := marksPerLine(coreID(h, len(h.Cores)-1), width)
	rows := (n + perLine - 1) / perLine
	g.rows, g.joined = min(rows, most), rows > most
}

// better says that g, with fewer blocks side by side, shows more than o or takes
// a good deal less room: blocks stand best beside one another.
func (g *coresGrid) better(o *coresGrid) bool {
	if bars := g.columns > 0; bars != (o.columns > 0) {
		return bars
	}
	if g.joined != o.joined {
		return o.joined
	}
	return g.height*4 <= o.height*3
}

// drawCores shows every core of a host: as bars where there is room, else as
// one mark each, else the busiest of groups; it says which. It returns how
// many lines it used.
func drawCores(a area, h *fleet.Host, v *View, th Theme) int {
	return drawGrid(a, layGrid(h, a.w, a.h), h, v, th)
}

func drawGrid(a area, g coresGrid, h *fleet.Host, v *View, th Theme) int {
	if len(h.Cores) == 0 {
		a.text(1, 0, unknown, "? no reading of the cores")
		return 1
	}
	each := g.rows
	if len(g.blocks) > 1 {
		each++
	}
	for i, b := range g.blocks {
		pane := a.sub(i%g.across*g.width, i/g.across*each, g.width, each)
		if b.head != "" {
			drawBlockHead(pane.row(0), h, b)
			pane = pane.sub(0, 1, pane.w-2, pane.h)
		}
		if g.columns == 0 {
			drawCoreMarks(pane, h, b.places)
			continue
		}
		width := pane.w / g.columns
		for k, place := range b.places {
			drawCore(pane.sub(k/g.rows*width, k%g.rows, width, 1), h, place, v, th)
		}
	}
	return g.height
}

// drawBlockHead names a socket and what its cores use.
func drawBlockHead(a area, h *fleet.Host, b block) {
	x := a.text(1, 0, head, cut(b.head, a.w-1))
	used, known := 0.0, true
	for _, place := range b.places {
		used += h.Cores[place]
		known = known && !math.IsNaN(h.Cores[place])
	}
	s := unknownText
	if known {
		s = oneDigit(used)
	}
	if s += " of " + plural(len(b.places), "core"); x+3+cells(s) < a.w {
		a.text(x+3, 0, dim, s)
	}
}

// coresPast says whether each core of a host gets a line with its last minute
// beside its bar.
func coresPast(h *fleet.Host, width, most int) bool {
	return width >= 100 && len(h.Past.Cores) == len(h.Cores) && len(h.Cores)+headsOf(blocksOf(h)) <= most
}

// headsOf is how many lines the heads of blocks take one below another.
func headsOf(blocks []block) int {
	if len(blocks) < 2 {
		return 0
	}
	return len(blocks)
}

// drawCoresPast is a line a core: where its time goes now, and its last minute.
func drawCoresPast(a area, h *fleet.Host, v *View, th Theme) int {
	past := min(max(a.w*2/5, 30), 60)
	y := 0
	for _, b := range blocksOf(h) {
		if b.head != "" {
			y++
		}
		for _, place := range b.places {
			a.spark(a.w-past-1, y, past, resample(h.Past.Cores[place], past), 1, roleChart.style())
			y++
		}
	}
	return drawCoresList(a.sub(0, 0, a.w-past-2, a.h), h, v, th)
}

// drawCoresList is a line a core.
func drawCoresList(a area, h *fleet.Host, v *View, th Theme) int {
	y := 0
	for _, b := range blocksOf(h) {
		if b.head != "" {
			drawBlockHead(a.row(y), h, b)
			y++
		}
		for _, place := range b.places {
			drawCore(a.row(y), h, place, v, th)
			y++
		}
	}
	return y
}

// coreID is the kernel's number of the i-th core.
func coreID(h *fleet.Host, i int) int {
	if ids := h.Newest.GetCpu().GetIds(); i < len(ids) {
		return int(ids[i])
	}
	return i
}

// userWidth is what a core gets for the name of who has it, on lines as wide as
// userFrom.
const userWidth, userFrom = 22, 60

// drawCore is one core: its number, a bar, and who has it where that is known.
func drawCore(a area, h *fleet.Host, place int, v *View, th Theme) {
	busy := h.Cores[place]
	digits := len(strconv.Itoa(coreID(h, len(h.Cores)-1)))
	var part *fleet.CoreParts
	if parts := h.Past.Parts; len(parts) == len(h.Cores) {
		part = &parts[place]
	}
	if a.w >= userFrom && len(h.Past.Users) > 0 {
		a.text(a.w-userWidth+1, 0, dim, cutMiddle(userText(h, place), userWidth-2))
		a.w -= userWidth
	}
	name := strconv.Itoa(coreID(h, place))
	x := 1
	if a.w >= 40 {
		x = a.text(x, 0, dim, "core ")
	}
	a.right(x+digits, 0, normal, name)
	x += digits + 1
	bar := a.w - x - 7
	if part != nil && !math.IsNaN(part.User) {
		drawParts(a, x, bar, *part, th)
	} else {
		a.gauge(x, 0, bar, busy, busyStyle(busy))
	}
	s, unit := unknownText, ""
	if !math.IsNaN(busy) {
		s, unit = percent(num(busy)), "%"
		if v.Cores {
			s, unit = coreCount(num(busy)), ""
		}
	}
	a.right(x+bar+6, 0, normal, s+unit)
	if busy >= fullCore && v.Screen != ClassScreen { // there it is what was asked for
		a.text(x+bar+6, 0, roleSoon.style(), "!")
	}
}

// fullCore is from what on a core gets a sign.
const fullCore = 0.95

// userText is who has a core, "node 2211" or, of one thread of several, "node/GC
// 2215"; "" where nobody has it or it is not known.
func userText(h *fleet.Host, place int) string {
	if place >= len(h.Past.Users) || len(h.Past.Users) != len(h.Cores) {
		return ""
	}
	u := &h.Past.Users[place]
	if u.PID == 0 {
		return ""
	}
	name := u.Name
	for i := range h.Processes {
		if p := &h.Processes[i]; p.PID == u.PID && p.Name != "" && p.Name != u.Name {
			if name = p.Name; u.Name != "" {
				name += "/" + u.Name
			}
		}
	}
	return or(name, unknownText) + " " + strconv.Itoa(u.TID)
}

// drawParts draws a bar of user, system and irq, then what is not busy: iowait
// and steal, apart. Letters tell them where colours cannot.
func drawParts(a area, x, n int, p fleet.CoreParts, th Theme) {
	if n <= 0 {
		return
	}
	track := '░'
	if th.letters {
		track = '·'
	}
	a.fill(x, 0, n, track, rule)
	used, sum := 0, 0.0
	for i, v := range [...]float64{p.User, p.System, p.IRQ, p.IOWait, p.Steal} {
		if math.IsNaN(v) || v < 0 {
			continue
		}
		sum += v
		to := min(int(math.Round(sum*float64(n))), n)
		mark := '█'
		if th.letters {
			mark = rune("usiwt"[i])
		}
		a.fill(x+used, 0, to-used, mark, style(roleUser)+style(i))
		used = max(used, to)
	}
}

// drawCoreMarks is one mark a core, in lines of eights, or the busiest of
// groups where even that is too much.
func drawCoreMarks(a area, h *fleet.Host, places []int) {
	if a.h == 0 || len(places) == 0 {
		return
	}
	last := coreID(h, len(h.Cores)-1)
	digits := len(strconv.Itoa(last))
	perLine := marksPerLine(last, a.w)
	group := 1
	for ((len(places)+group-1)/group+perLine-1)/perLine > a.h {
		group++
	}
	y, i := 0, 0
	for part := range slices.Chunk(places, group) {
		if i == perLine {
			y, i = y+1, 0
		}
		if i == 0 {
			a.right(1+digits, y, dim, strconv.Itoa(coreID(h, part[0])))
		}
		top := math.NaN()
		for _, place := range part {
			if busy := h.Cores[place]; !(busy <= top) && !math.IsNaN(busy) {
				top = busy
			}
		}
		a.mark(2+digits+i+i/8, y, top, busyStyle(top))
		i++
	}
	if s := "a mark = busiest of " + strconv.Itoa(group); group > 1 && 2+digits+i+i/8+2+cells(s) < a.w {
		a.text(2+digits+i+i/8+2, y, dim, s)
	}
}

// drawHeat is the cores of the fleet, a row a host, in the order of the table.
func drawHeat(a area, f *Frame, v *View, p *plan) {
	about := survey(f, p.rows)
	name := min(about.name, 16)
	cellsFor := a.w - 1 - name - 2 - 15
	per, gaps := heatCells(about.cores, cellsFor)
	what := "cell = core"
	if about.cores > per {
		what = "cell = max of " + strconv.Itoa((about.cores+per-1)/per)
	}
	drawTitle(a.row(0), "cores of the fleet", what+", row = host")
	visible := min(a.h-1, len(p.rows))
	top := scrolled(p.top, cursorRow(f, v, p.rows), visible, len(p.rows))
	if visible >= len(p.rows) {
		top = 0
	}
	for y := range visible {
		h := &f.Hosts[p.rows[top+y]]
		row := a.row(1 + y)
		row.text(1, 0, normal, cutMiddle(h.Name, name))
		drawHeatRow(row, h, 1+name+2, per, gaps)
	}
}

// heatCells is how many cells a host gets, and how many cores wide each core
// is drawn: few cores are drawn wide.
func heatCells(cores, room int) (per, wide int) {
	if cores == 0 {
		return max(room, 1), 1
	}
	wide = min(max(room/cores-1, 1), 3)
	if wide > 1 || cores*2 <= room {
		return cores, wide
	}
	per = max(min(cores, room), 1)
	if cores > room {
		per = max(room/8*8, 1)
	}
	return per, 1
}

func drawHeatRow(a area, h *fleet.Host, x, per, wide int) {
	mark := signOf(h)
	if !h.CPU.OK && len(h.Cores) == 0 || h.State == fleet.Down {
		a.text(x, 0, mark.role.style(), flagText(sign{text: or(mark.text, "?"), word: mark.word}))
		return
	}
	cores := h.Cores
	if len(cores) > per {
		cores = bands(cores, per)
	}
	at := x
	for _, busy := range cores {
		for range wide {
			a.mark(at, 0, busy, busyStyle(busy))
			at++
		}
		if wide > 1 {
			at++
		}
	}
	if h.State == fleet.Stale {
		a.paint(0, func(style) style { return unknown })
	}
	a.right(a.w-9, 0, normal, percent(h.CPU)+"%")
	a.text(a.w-8, 0, dim, "hot")
	a.right(a.w-1, 0, normal, percent(hotOf(h)))
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// coresHeadOf names the pane of the host screen.
func coresHeadOf(h *fleet.Host, past bool) []string {
	if past {
		return []string{"cores", machineLine(h), "at the right the last 60 s"}
	}
	return []string{"cores", machineLine(h)}
}
