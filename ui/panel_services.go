package ui

import (
	"cmp"
	"slices"
	"strconv"

	"capmon/fleet"
)

// fleetServices is how many services the listed hosts have together.
func fleetServices(f *Frame, rows []int) int {
	n := 0
	for _, i := range rows {
		n += len(f.Hosts[i].Services)
	}
	return n
}

// drawFleetServices lists the services with most requests of all hosts listed.
func drawFleetServices(a area, f *Frame, p *plan) {
	type at struct{ host, service int }
	var all []at
	for _, i := range p.rows {
		for j := range f.Hosts[i].Services {
			all = append(all, at{i, j})
		}
	}
	of := func(x at) *fleet.Service { return &f.Hosts[x.host].Services[x.service] }
	slices.SortStableFunc(all, func(x, y at) int {
		s, t := of(x), of(y)
		return cmp.Or(cmp.Compare(s.Port, t.Port), cmp.Compare(x.host, y.host))
	})
	visible := min(len(all), a.h-2)
	if visible < len(all) { // the busy ones, in the same order
		busy := slices.Clone(all)
		slices.SortStableFunc(busy, func(x, y at) int {
			return cmp.Or(highFirst(of(x).RPS, of(y).RPS), highFirst(of(x).Connections, of(y).Connections))
		})
		keep := map[at]bool{}
		for _, x := range busy[:max(visible, 0)] {
			keep[x] = true
		}
		all = slices.DeleteFunc(all, func(x at) bool { return !keep[x] })
	}
	what := "listening ports"
	if n := fleetServices(f, p.rows); n > visible {
		what = "the busiest " + strconv.Itoa(visible) + " of " + strconv.Itoa(n)
	}
	drawTitle(a.row(0), "services", what)
	host := 0
	if !p.alone(f) {
		host = min(survey(f, p.rows).name, 16) + 2
		a.text(1, 1, head, "HOST")
	}
	table := a.sub(host, 1, a.w-host, a.h-1)
	drawServiceHead(table, 20)
	for y, x := range all {
		if host > 0 {
			a.text(1, 2+y, normal, cutMiddle(f.Hosts[x.host].Name, host-2))
		}
		drawService(table.row(1+y), of(x), 20)
	}
}
