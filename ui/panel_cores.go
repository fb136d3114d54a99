package ui

import (
	"math"
	"strconv"

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

// drawCores shows every core of a host: as bars where there is room, else as
// one mark each, else the busiest of groups; it says which. It returns how
// many lines it used.
func drawCores(a area, h *fleet.Host, parts []fleet.CoreParts, v *View, th Theme) int {
	n := len(h.Cores)
	if n == 0 {
		a.text(1, 0, unknown, "? no reading of the cores")
		return 1
	}
	rows, columns := coresLayout(n, a.w, a.h)
	if columns == 0 {
		return drawCoreMarks(a, h)
	}
	width := a.w / columns
	for i, busy := range h.Cores {
		cell := a.sub(i/rows*width, i%rows, width, 1)
		var part *fleet.CoreParts
		if i < len(parts) && len(parts) == n {
			part = &parts[i]
		}
		drawCore(cell, coreID(h, i), busy, part, v, th, len(strconv.Itoa(coreID(h, n-1))))
	}
	return rows
}

// coresPast says whether each core of a host gets a line with its last minute
// beside its bar.
func coresPast(h *fleet.Host, width, most int) bool {
	return width >= 100 && len(h.Past.Cores) == len(h.Cores) && len(h.Cores) <= most
}

// drawCoresPast is a line a core: where its time goes now, and its last minute.
func drawCoresPast(a area, h *fleet.Host, v *View, th Theme) int {
	n := len(h.Cores)
	past := min(max(a.w*2/5, 30), 60)
	bars := a.sub(0, 0, a.w-past-2, a.h)
	for i, busy := range h.Cores {
		var part *fleet.CoreParts
		if i < len(h.Past.Parts) && len(h.Past.Parts) == n {
			part = &h.Past.Parts[i]
		}
		drawCore(bars.row(i), coreID(h, i), busy, part, v, th, len(strconv.Itoa(coreID(h, n-1))))
		a.spark(a.w-past-1, i, past, resample(h.Past.Cores[i], past), 1, roleChart.style())
	}
	return n
}

// coreID is the kernel's number of the i-th core.
func coreID(h *fleet.Host, i int) int {
	if ids := h.Newest.GetCpu().GetIds(); i < len(ids) {
		return int(ids[i])
	}
	return i
}

func drawCore(a area, id int, busy float64, part *fleet.CoreParts, v *View, th Theme, digits int) {
	name := strconv.Itoa(id)
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
func drawCoreMarks(a area, h *fleet.Host) int {
	if a.h == 0 {
		return 0
	}
	digits := len(strconv.Itoa(coreID(h, len(h.Cores)-1)))
	perLine := marksPerLine(coreID(h, len(h.Cores)-1), a.w)
	cores, group := h.Cores, 1
	for (len(cores)+perLine-1)/perLine > a.h {
		group++
		cores = bands(h.Cores, (len(h.Cores)+group-1)/group)
	}
	y := 0
	for from := 0; from < len(cores); from += perLine {
		x := 1
		a.right(x+digits, y, dim, strconv.Itoa(coreID(h, min(from*group, len(h.Cores)-1))))
		x += digits + 1
		for i, busy := range cores[from:min(from+perLine, len(cores))] {
			a.mark(x+i+i/8, y, busy, busyStyle(busy))
		}
		y++
	}
	return y
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
