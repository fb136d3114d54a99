package ui

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"capmon/capacity"
	"capmon/fleet"
)

// Sort is the column that orders the rows.
type Sort uint8

// The orders, as `s` goes through them. SortList is the order of LIST; on
// screens narrower than 60 cells it is worst first.
const (
	SortList Sort = iota
	SortWorst
	SortCPU
	SortHot
	SortRPS
	SortConns
	SortRoom
	SortAge
	SortName
	SortPerCore
	SortNew
	SortSteal
	sorts
)

// String is the name in the status line.
func (s Sort) String() string {
	return [...]string{"list", "worst first", "cpu", "hot", "rps", "conns", "room", "age", "name", "rps/core", "new", "steal"}[min(s, sorts-1)]
}

// A sign is what a host's state comes to: one of the four signs, a word, and
// how much it matters.
type sign struct {
	text, word string
	role       role
	rank       int // higher is worse
}

// signOf judges one host. Zero: nothing to say.
func signOf(h *fleet.Host) sign {
	switch h.State {
	case fleet.Down:
		return sign{"x", "down", roleDown, 5}
	case fleet.Unseen:
		return sign{"?", "unseen", roleUnknown, 3}
	case fleet.Stale:
		return sign{"?", "stale", roleUnknown, 3}
	}
	worst := sign{}
	for _, f := range h.Flags {
		if s := signOfFlag(f, h); s.rank > worst.rank {
			worst = s
		}
	}
	return worst
}

func signOfFlag(flag string, h *fleet.Host) sign {
	soon := func(word string) sign { return sign{"!", word, roleSoon, 2} }
	switch flag {
	case "":
		return sign{}
	case "full":
		bound := h.Bound
		if l := fullLimit(h); l != nil {
			bound = l.Name
		}
		return sign{"!!", first(5, bound, strings.TrimSuffix(bound, "s"), cutMiddle(bound, 5)), roleAct, 4}
	case "stale":
		return sign{"?", "stale", roleUnknown, 3}
	case fleet.SingleThread:
		return soon("1T")
	case fleet.AboutOneCore:
		return soon("1C")
	case fleet.WorkersFull:
		return soon(workersWord(h))
	case fleet.Pinned:
		return soon("PIN")
	case "throttled":
		return soon("THR")
	case "clock-skew":
		return soon("skew")
	}
	return soon(flag)
}

// workersWord is how many of how many workers are full.
func workersWord(h *fleet.Host) string {
	for i := range h.Findings {
		if n := strconv.Itoa(h.Findings[i].Workers); h.Findings[i].Verdict == fleet.WorkersFull && len(n) < 3 {
			return n + "/" + n
		}
	}
	return "n/n"
}

// fullLimit is the nearest limit that makes a host full: the thread that is
// full leaves the others of its machine room.
func fullLimit(h *fleet.Host) *limit {
	for i := range h.Limits {
		if h.Limits[i].Name != "thread" {
			return &h.Limits[i]
		}
	}
	return nil
}

// rowsOf are the indexes of the hosts to list, in the order of the view. The
// slice is the caller's.
func rowsOf(f *Frame, v *View, width int) []int {
	if v.rows == nil {
		return listRows(f, v, width)
	}
	key := rowsKeyOf(f, v, width)
	if v.rows.list == nil || v.rows.key != key {
		v.rows.key, v.rows.list = key, listRows(f, v, width)
	}
	return slices.Clone(v.rows.list)
}

// rowsKeyOf is what the rows stand on.
func rowsKeyOf(f *Frame, v *View, width int) rowsKey {
	key := rowsKey{filter: v.Filter, sort: effective(v.Sort, width), reverse: v.Reverse, hosts: len(f.Hosts), order: len(v.Order)}
	if len(f.Hosts) > 0 {
		key.first = &f.Hosts[0]
	}
	if len(v.Order) > 0 {
		key.begin = &v.Order[0]
	}
	return key
}

// rowsMemo keeps the last answer of rowsOf, which a key or a frame asks for many
// times: with ten thousand hosts it takes milliseconds. Snapshots are values, so
// hosts in the same place are the same hosts.
type rowsMemo struct {
	key  rowsKey
	list []int
}

type rowsKey struct {
	first   *fleet.Host
	begin   *string // of the order
	hosts   int
	order   int
	filter  string
	sort    Sort
	reverse bool
}

func listRows(f *Frame, v *View, width int) []int {
	match := parseFilter(v.Filter)
	rows := make([]int, 0, len(f.Hosts))
	for i := range f.Hosts {
		if match.holds(&f.Hosts[i]) {
			rows = append(rows, i)
		}
	}
	if v.Order == nil {
		sortRows(f.Hosts, rows, effective(v.Sort, width), v.Reverse)
		return rows
	}
	return ordered(f.Hosts, rows, v.Order)
}

// ordered puts rows in the order of names; hosts that are not among them go to
// the end.
func ordered(hosts []fleet.Host, rows []int, names []string) []int {
	place := make(map[string]int, len(rows))
	for _, i := range rows {
		place[hosts[i].Name] = i
	}
	out := make([]int, 0, len(rows))
	taken := make([]bool, len(hosts))
	for _, name := range names {
		if i, ok := place[name]; ok && !taken[i] {
			out = append(out, i)
			taken[i] = true
		}
	}
	for _, i := range rows {
		if !taken[i] {
			out = append(out, i)
		}
	}
	return out
}

// nextSort is the order after one, as s goes through them: those whose column is
// not on screen are passed over.
func nextSort(f *Frame, v *View, width, height int) Sort {
	shown := func(s Sort) bool {
		if s < SortPerCore {
			return true
		}
		if v.Screen != Overview {
			return false
		}
		p := planOf(f, v, width, height)
		return slices.ContainsFunc(columnsOf(f, v, p.left, p.rows), func(c column) bool { return c.sort == s })
	}
	s := (v.Sort + 1) % sorts
	for s != v.Sort && !shown(s) {
		s = (s + 1) % sorts
	}
	return s
}

// effective is the order that is drawn: where few rows fit, the worst first.
func effective(s Sort, width int) Sort {
	if s == SortList && width < 60 {
		return SortWorst
	}
	return s
}

func sortRows(hosts []fleet.Host, rows []int, by Sort, reverse bool) {
	if by == SortList && !reverse {
		return
	}
	slices.SortStableFunc(rows, func(a, b int) int {
		c := compareHosts(&hosts[a], &hosts[b], by)
		if by == SortList {
			c = cmp.Compare(a, b)
		}
		if reverse && sortNumber(&hosts[a], by).OK == sortNumber(&hosts[b], by).OK { // what is unknown stays last
			c = -c
		}
		return c
	})
}

// compareHosts orders by the interesting end first: highest load, least room,
// oldest data; what is unknown comes last.
func compareHosts(a, b *fleet.Host, by Sort) int {
	switch by {
	case SortWorst:
		return cmp.Or(cmp.Compare(signOf(b).rank, signOf(a).rank), highFirst(tightness(a), tightness(b)))
	case SortName:
		return strings.Compare(a.Name, b.Name)
	}
	return highFirst(sortNumber(a, by), sortNumber(b, by))
}

// sortNumber is the number that an order goes by; never known for those that go
// by something else.
func sortNumber(h *fleet.Host, by Sort) capacity.Num {
	switch by {
	case SortCPU:
		return h.CPU
	case SortHot:
		return hotOf(h)
	case SortRPS:
		return h.RPS
	case SortConns:
		return h.Connections
	case SortRoom:
		return negative(roomOf(h))
	case SortAge:
		return h.Age
	case SortPerCore:
		return perCore(h.RPS, h.Available)
	case SortNew:
		return newConnections(h)
	case SortSteal:
		return stealOf(h)
	}
	return capacity.Num{}
}

// tightness is the share of its nearest limit that a host uses, else its CPU.
func tightness(h *fleet.Host) capacity.Num {
	if len(h.Limits) > 0 && h.Limits[0].Capacity > 0 {
		return capacity.Known(h.Limits[0].Used / h.Limits[0].Capacity)
	}
	return h.CPU
}

func negative(n capacity.Num) capacity.Num { return capacity.Num{V: -n.V, OK: n.OK} }

func highFirst(a, b capacity.Num) int {
	switch {
	case a.OK && b.OK:
		return cmp.Compare(b.V, a.V)
	case a.OK:
		return -1
	case b.OK:
		return 1
	}
	return 0
}

// hotOf is how busy the busiest core is.
func hotOf(h *fleet.Host) capacity.Num {
	return capacity.Num{V: h.HottestCore.Busy, OK: h.HottestCore.Known}
}

// label is the value of a host's label, "" when it has none.
func label(h *fleet.Host, key string) string {
	for _, l := range h.Machine.GetLabels() {
		if l.GetKey() == key {
			return l.GetValue()
		}
	}
	return ""
}

// share is used of capacity; NaN when that means nothing.
func share(l capacity.Limit) float64 {
	if !(l.Capacity > 0) {
		return math.NaN()
	}
	return l.Used / l.Capacity
}

// cursorRow is the place of the selected host among rows: 0 when it is not
// there, -1 when there are none.
func cursorRow(f *Frame, v *View, rows []int) int {
	for at, i := range rows {
		if f.Hosts[i].Name == v.Host {
			return at
		}
	}
	return min(0, len(rows)-1)
}

// hostNamed finds a host, nil when it is gone.
func hostNamed(f *Frame, name string) *fleet.Host {
	for i := range f.Hosts {
		if f.Hosts[i].Name == name {
			return &f.Hosts[i]
		}
	}
	return nil
}

// roomOf is what a host can still take: users, else requests a second.
func roomOf(h *fleet.Host) capacity.Num {
	if h.RoomUsers.OK {
		return h.RoomUsers
	}
	return h.RoomRPS
}
