package ui

import (
	"strconv"

	"capmon/fleet"
)

// processesTop is the lines above the first process.
const processesTop = 2

// drawProcesses lists the processes that use most, the highest demand first (what
// they have of cores and wait for), with a mark for each thread whose demand is known. It returns the lines used:
// none where the agent sends no processes.
func drawProcesses(a area, h *fleet.Host, v *View) int {
	if h.Processes == nil {
		return 0
	}
	drawTitle(a.row(0), "processes", "CORES used, WAIT for one: 1.00 = one core", "enter: its threads")
	if len(h.Processes) == 0 {
		a.text(1, 1, dim, "none uses much")
		return 2
	}
	name := 16
	if a.w >= 100 {
		name = 24
	}
	threads, bar := 0, 0 // cells of the marks, and of the bar behind them
	switch rest := a.w - name - 36 - 7 - 12; {
	case rest >= 56:
		threads, bar = 30, 22
	case rest >= 9:
		threads = min(rest, 24)
	}
	place := processPlaces(name, threads, bar)
	a.right(7, 1, head, "PID")
	a.text(9, 1, head, "NAME")
	a.right(place.threads, 1, head, "THR")
	a.right(place.cores, 1, head, "CORES")
	a.right(place.wait, 1, head, "WAIT")
	a.right(place.top, 1, head, "TOP-THR")
	if threads > 0 {
		a.text(place.marks, 1, head, first(threads, "THREADS BY DEMAND", "THREADS"))
	}
	if bar > 0 {
		a.text(place.bar, 1, head, "SHARE OF HOST")
	}
	a.text(place.flag, 1, head, "FLAG")
	for i := range h.Processes {
		row := a.row(processesTop + i)
		drawProcess(row, h, &h.Processes[i], name, threads, bar, place)
		row.zone(hit{own: hitProcess, item: h.Processes[i].PID})
		if i == processAt(h, v) {
			row.text(0, 0, roleCursor.style(), "▶")
			row.paint(0, func(s style) style { return s | selected })
		}
	}
	return processesTop + len(h.Processes)
}

// places are the right ends of numbers and the left ends of what follows.
type places struct{ threads, cores, wait, top, marks, bar, flag int }

func processPlaces(name, threads, bar int) places {
	p := places{threads: 9 + name + 5, cores: 9 + name + 12, wait: 9 + name + 19, top: 9 + name + 28}
	p.marks = p.top + 2
	p.bar = p.marks
	if threads > 0 {
		p.bar += threads + 2
	}
	p.flag = p.bar
	if bar > 0 {
		p.flag += bar + 2
	}
	return p
}

func drawProcess(a area, h *fleet.Host, p *fleet.Process, name, threads, bar int, at places) {
	a.right(7, 0, normal, strconv.Itoa(p.PID))
	a.text(9, 0, normal, cutMiddle(or(p.Name, unknownText), name))
	drawNum(a, at.threads, 0, p.Threads, 5)
	a.right(at.cores, 0, normal, coreCount(num(p.CoresUsed)))
	waits := normal
	if p.Waiting < 0.005 {
		waits = dim
	}
	a.right(at.wait, 0, waits, coreCount(num(p.Waiting)))
	if len(p.Demands) > 0 {
		a.right(at.top, 0, normal, coreCount(num(ofOneCore(p.Demands[0]))))
	} else {
		a.right(at.top, 0, dim, "·") // its threads are not looked at one by one
	}
	drawDemands(a.sub(at.marks, 0, threads, 1), p)
	if bar > 0 && h.Available.V > 0 {
		a.gauge(at.bar, 0, bar, p.CoresUsed/h.Available.V, busyStyle(p.CoresUsed/h.Available.V))
	}
	if p.Finding != nil {
		s := signOfFlag(p.Finding.Verdict, h)
		a.text(at.flag, 0, s.role.style(), s.text+" "+s.word)
	}
}

// drawDemands is one mark for each thread that is known, the highest demand
// first, and how many more there are: █▁▁ is one thread that does the work.
func drawDemands(a area, p *fleet.Process) {
	if len(p.Demands) == 0 || a.w == 0 {
		return
	}
	more := int(p.Threads.Or(0)) - len(p.Demands)
	rest := ""
	if more > 0 {
		rest = " +" + grouped(float64(more))
	}
	shown := min(len(p.Demands), max(a.w-cells(rest), 0))
	for i, d := range p.Demands[:shown] {
		a.mark(i, 0, min(d, 1), busyStyle(d))
	}
	a.text(shown, 0, dim, rest)
}
