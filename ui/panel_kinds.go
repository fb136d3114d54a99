package ui

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"capmon/capacity"
)

// Kinds is the same users before several kinds of server on one machine, one
// after the other.
type Kinds struct {
	Cores   int
	Target  float64
	Wanted  capacity.Num // requests a second that the users would ask
	Servers []ServerKind
	Law     []string // how throughput follows the threads, or what that lacks; the first is the most telling
	Notes   []string // what was in the way
}

// ServerKind is one kind of server and what was measured of it. What is not
// known yet is unknown.
type ServerKind struct {
	Name               string
	Processes, Threads int // threads of each process that work
	Running, Done      bool

	Asked, Served  capacity.Num // a second
	P50, P99       capacity.Num // seconds until the answer
	CoresUsed      capacity.Num
	Each           []float64    // cores used by each of its processes
	UsersCores     capacity.Num // used by the users, on the same machine
	Cells          []float64    // its threads laid on its cores, 0..1; nil: not known
	CoresOf, RPSOf []float64    // of the last 60 s, oldest first; NaN: not known

	Word, Do  string // what capmon says of it; empty: nothing yet
	Evidence  string // of a thread that is full
	Brief     string // the same in few words
	Disturbed string // why it would serve more elsewhere
	Unwatched string // why it says nothing

	Enough               capacity.Num // servers like it, at the target, for all that is wanted
	EnoughAtMost         bool         // fewer may do
	AllCores, IdleCores  float64      // of these
	Vertical, Horizontal KindChange
}

// KindChange is what another machine, or a second server, would serve.
type KindChange struct {
	From, To int // cores, or servers
	Then     capacity.Num
	AtMost   bool   // Then is a bound
	Trust    string // what it stands on
}

func init() {
	lessonPictures["kinds"] = func(a area, f *Frame, _ *View, _ Theme) {
		if k, ok := f.Lesson.Data.(*Kinds); ok {
			drawKinds(a, k)
		}
	}
}

const kindColumn = 58 // cells that a kind needs beside the others

// drawKinds shows the kinds beside one another where there is room, else one
// under the other.
func drawKinds(a area, k *Kinds) {
	n := len(k.Servers)
	if n == 0 || a.w <= 0 || a.h <= 0 {
		return
	}
	law := k.lawLines(a.w-2, max(a.h/8, 1))
	body := a.rows(0, max(a.h-len(law), 0))
	for i, l := range law {
		a.text(1, body.h+i, l.st, l.text)
	}
	if a.w >= n*kindColumn+2*(n-1) && body.h >= 18 {
		w := (a.w - 3*(n-1)) / n
		foot := 0 // lines of the longest
		for i := range n {
			foot = max(foot, len(k.Servers[i].footLines(k, w-2)))
		}
		for i := range n {
			x := i * (w + 3)
			if i > 0 {
				for y := range body.h {
					body.put(x-2, y, 1, '│', rule)
				}
			}
			drawKindColumn(body.sub(x, 0, w, body.h), k, i, foot)
		}
		return
	}
	y := 0
	for i := range n {
		h := (body.h - y) / (n - i)
		drawKindRow(body.rows(y, h), k, i)
		y += h
	}
}

// lawLines are what is known of scaling and what was in the way.
func (k *Kinds) lawLines(width, most int) []fact {
	var out []fact
	for _, list := range [][]string{k.Law, k.Notes} {
		for i, t := range list {
			if i == 0 && len(k.Law) > 0 && len(out) == 0 {
				t = "law of scaling: " + t
			}
			for line := range strings.SplitSeq(ansi.Wrap(t, max(width, 1), ""), "\n") {
				out = append(out, fact{text: line, st: dim})
			}
		}
	}
	if most < len(out) {
		out = out[:most]
		last := &out[most-1]
		last.text = cut(last.text+" …", width)
	}
	return out
}

// letter is what a kind is called by keys.
func letter(i int) string { return string(rune('A' + i%26)) }

// shape is processes and threads in words.
func (s *ServerKind) shape() string {
	text := plural(s.Processes, "process")
	if s.Processes != 1 {
		text = grouped(float64(s.Processes)) + " processes"
	}
	return text + " × " + plural(s.Threads, "thread")
}

// shows is what tools show of one process: 100%, 8 × 98%, 790%.
func (s *ServerKind) shows() string {
	if len(s.Each) == 0 {
		return unknownText
	}
	low, high := num(lowest(s.Each)), num(highest(s.Each))
	n := strconv.Itoa(len(s.Each)) + " × "
	switch {
	case len(s.Each) == 1:
		return percent(high) + "%"
	case high.V-low.V < 0.05:
		return n + percent(num(mean(s.Each))) + "%"
	}
	return n + percent(low) + ".." + percent(high) + "%"
}

// says is the verdict, and how it looks.
func (s *ServerKind) says() (string, style) {
	switch {
	case s.Unwatched != "":
		return "? " + s.Unwatched, unknown
	case s.Word == "" && !s.Running && !s.Done:
		return "not yet", dim
	case s.Word == "":
		return "? it has just begun to look", unknown
	}
	return s.Word, strong
}

// state is where the kind is in its turn.
func (s *ServerKind) state() (string, style) {
	switch {
	case s.Running:
		return "now", strong
	case s.Done:
		return "done", dim
	}
	return "next", dim
}

func (c *KindChange) text(unit string, now capacity.Num) string {
	about := "~"
	if c.AtMost {
		about = "at most "
	}
	if c.Then.OK && now.OK && c.Then.V == now.V {
		about = ""
	}
	if !c.Then.OK {
		return fmt.Sprintf("%d → %d %s: ?", c.From, c.To, unit)
	}
	return fmt.Sprintf("%d → %d %s: %s → %s%s", c.From, c.To, unit, count(now, 7), about, whole(c.Then, 7))
}

// enough is how many servers would do.
func (k *Kinds) enough(s *ServerKind) string {
	most := ""
	if s.EnoughAtMost {
		most = "at most "
	}
	return fmt.Sprintf("to serve %s/s at %s%%: %s%s", whole(k.Wanted, 7), percent(num(k.Target)), most, plural(int(s.Enough.V), "server"))
}

func (s *ServerKind) idle() string {
	return fmt.Sprintf(", %s of %s cores idle", coreTotal(num(math.Round(s.IdleCores))), coreTotal(num(s.AllCores)))
}

// share is how many of those who ask are served.
func (s *ServerKind) share() float64 {
	if !s.Asked.OK || !s.Served.OK || !(s.Asked.V > 0) {
		return math.NaN()
	}
	return s.Served.V / s.Asked.V
}

func (s *ServerKind) served() string {
	return whole(s.Served, 7) + "/s of " + whole(s.Asked, 7) + " asked  " + percent(num(s.share())) + "%"
}

func (s *ServerKind) within() string {
	return "half within " + spanText(s.P50) + ", 99% within " + spanText(s.P99)
}

// top is the highest rate of any kind, so that their lines compare.
func (k *Kinds) top() float64 {
	top := math.NaN()
	for i := range k.Servers {
		top = highest([]float64{top, highest(k.Servers[i].RPSOf)})
	}
	return top
}

// drawKindColumn is one kind beside the others, of which the longest has so many
// lines at its foot.
func drawKindColumn(a area, k *Kinds, i, foot int) {
	s := &k.Servers[i]
	state, st := s.state()
	x := a.text(1, 0, strong, letter(i)+"  "+s.Name)
	a.text(x+2, 0, dim, s.shape())
	a.right(a.w-1, 0, st, state)
	y := 2
	half := a.w / 2
	a.text(1, y, dim, "cores in use, of "+strconv.Itoa(k.Cores))
	a.text(half, y, dim, "requests a second")
	if big := a.h >= 30; big {
		drawBig(a, 1, y+1, coreBig(s.CoresUsed))
		drawBig(a, half, y+1, rateBig(s.Served))
		y += glyphLines + 1
	} else {
		a.text(1, y+1, strong, coreCount(s.CoresUsed))
		a.text(half, y+1, strong, whole(s.Served, 7))
		y += 2
	}
	a.text(1, y, normal, "one process shows "+s.shows())
	a.text(half, y, normal, "99% within "+spanText(s.P99))
	y += 2

	const fixed = 6 // users served and the last 60 s
	cores := max(min(a.h-y-fixed-foot, max(k.Cores, 1)), 0)
	s.drawCells(a.rows(y, cores))
	y += cores
	if a.h-y-fixed-foot > 0 {
		y++
	}
	drawTitle(a.sub(0, y, a.w-1, 1), "users served")
	a.text(1, y+1, normal, s.served())
	a.gauge(1, y+2, a.w-3, s.share(), roleChart.style())
	y += 3
	if a.h-y-fixed/2-foot > 0 {
		y++
	}
	drawTitle(a.sub(0, y, a.w-1, 1), "last 60 s")
	s.drawSparks(a.rows(y+1, 2), k, a.w-2)
	y += 3
	if a.h-y-foot > 0 {
		y++
	}
	for _, l := range s.footLines(k, a.w-2) {
		a.text(1, y, l.st, l.text)
		y++
	}
}

func (s *ServerKind) drawSparks(a area, k *Kinds, width int) {
	a.text(1, 0, dim, "cpu")
	a.spark(5, 0, width-5, s.CoresOf, float64(k.Cores), roleChart.style())
	a.text(1, 1, dim, "rps")
	a.spark(5, 1, width-5, s.RPSOf, k.top(), roleChart.style())
}

// drawBig is a number in big digits.
func drawBig(a area, x, y int, text string) {
	st := strong
	if text == unknownText {
		st = unknown
	}
	if !drawable(text) { // a number too large for it
		a.text(x, y, st, text)
		return
	}
	a.big(x, y, 1, st, text)
}

// rateBig is a rate in five figures at most, none of them a comma.
func rateBig(n capacity.Num) string {
	if v := math.Round(n.V); n.OK && v < 99_999.5 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return whole(n, 5)
}

// coreBig is cores used in three figures at most.
func coreBig(n capacity.Num) string {
	if n.OK && n.V < 9.95 {
		return strconv.FormatFloat(n.V, 'f', 1, 64)
	}
	return whole(n, 4)
}

// drawCells draws a bar for each core of the server, or for the busiest of
// several where there are more than lines.
func (s *ServerKind) drawCells(a area) {
	if len(s.Cells) == 0 {
		a.text(1, 0, unknown, "? which cores it uses is not known")
		return
	}
	n := min(a.h, len(s.Cells))
	values := bands(s.Cells, n)
	for i, v := range values {
		name := "core " + strconv.Itoa(i)
		if n < len(s.Cells) {
			name = "≤" + strconv.Itoa((i+1)*len(s.Cells)/n-1)
		}
		a.text(1, i, dim, name)
		a.gauge(9, i, a.w-16, v, busyStyle(v))
		a.right(a.w-2, i, normal, percent(num(v))+"%")
	}
}

// footLines are the verdict and what follows, the verdict first.
func (s *ServerKind) footLines(k *Kinds, width int) []fact {
	var out []fact
	add := func(st style, text string, most int) {
		lines := strings.Split(ansi.Wrap(text, max(width, 1), ""), "\n")
		for _, l := range lines[:min(len(lines), most)] {
			out = append(out, fact{text: l, st: st})
		}
	}
	word, st := s.says()
	add(st, "capmon says: "+word, 2)
	if s.Evidence != "" || s.Do != "" {
		add(normal, or(s.Evidence, s.Do), 3)
	}
	if s.Disturbed != "" {
		add(roleSoon.style(), "! "+s.Disturbed, 2)
	}
	if !s.Enough.OK {
		return out
	}
	add(normal, k.enough(s)+s.idle(), 2)
	add(normal, "vertical    "+s.Vertical.text("cores", s.Served), 1)
	add(dim, s.Vertical.Trust, 2)
	add(normal, "horizontal  "+s.Horizontal.text("servers", s.Served), 1)
	if s.Horizontal.Trust != s.Vertical.Trust {
		add(dim, s.Horizontal.Trust, 2)
	}
	return out
}

// drawKindRow is one kind under the others: as many lines as there is room for,
// the most telling ones.
func drawKindRow(a area, k *Kinds, i int) {
	s := &k.Servers[i]
	state, st := s.state()
	word, wordStyle := s.says()
	type rowLine struct {
		drop int // the highest goes first
		draw func(y int)
	}
	say := func(drop int, st style, texts ...string) rowLine {
		return rowLine{drop, func(y int) { a.text(4, y, st, cut(first(a.w-5, texts...), a.w-5)) }}
	}
	lines := []rowLine{
		{0, func(y int) {
			if a.h >= 6 {
				a.fill(0, y, a.w, '─', rule)
			}
			x := a.text(1, y, strong, letter(i)+"  "+s.Name+" ")
			if x+cells(s.shape())+cells(state)+cells(word)+8 < a.w {
				x = a.text(x, y, dim, " "+s.shape()+" ")
			}
			x = a.text(x, y, st, " "+state+" ")
			word = cut(word, a.w-x-2)
			a.text(a.w-2-cells(word), y, wordStyle, " "+word+" ")
		}},
		{1, func(y int) {
			x := a.text(4, y, strong, s.served()) + 2
			within := s.within()
			if n := a.w - x - cells(within) - 4; n >= 8 {
				a.gauge(x, y, n, s.share(), roleChart.style())
				x += n + 2
			}
			a.text(x, y, normal, cut(within, a.w-x-1))
		}},
		{2, func(y int) {
			x := a.text(4, y, strong, coreCount(s.CoresUsed)+" of "+plural(k.Cores, "core")) + 2
			shows := "one process shows " + s.shows()
			if n := a.w - x - cells(shows) - 4; n >= 8 && len(s.Cells) > 0 {
				each := max((n+1)/min(len(s.Cells), max(n/4, 1))-1, 1)
				for c, v := range bands(s.Cells, min(len(s.Cells), max(n/4, 1))) {
					a.gauge(x+c*(each+1), y, each, v, busyStyle(v))
				}
				x += n + 2
			}
			a.text(x, y, normal, cut(shows, a.w-x-1))
		}},
	}
	if s.Evidence != "" || s.Do != "" {
		lines = append(lines, say(6, normal, or(s.Evidence, s.Do), or(s.Brief, s.Do)))
	}
	if s.Disturbed != "" {
		lines = append(lines, say(2, roleSoon.style(), "! "+s.Disturbed))
	}
	if s.Enough.OK {
		v, h := s.Vertical.text("cores", s.Served), s.Horizontal.text("servers", s.Served)
		lines = append(lines,
			say(3, normal, v+"   "+h),
			say(7, normal, k.enough(s)+s.idle()),
			say(8, dim, "vertical: "+s.Vertical.Trust))
		if s.Horizontal.Trust != s.Vertical.Trust {
			lines = append(lines, say(9, dim, "horizontal: "+s.Horizontal.Trust))
		}
	}
	if len(s.CoresOf) > 0 {
		lines = append(lines, rowLine{5, func(y int) { s.drawSpark(a.row(y), "cpu", s.CoresOf, float64(k.Cores)) }},
			rowLine{4, func(y int) { s.drawSpark(a.row(y), "rps", s.RPSOf, k.top()) }})
	}
	for len(lines) > a.h {
		worst := 0
		for i, l := range lines {
			if l.drop > lines[worst].drop {
				worst = i
			}
		}
		if lines[worst].drop == 0 {
			break
		}
		lines = slices.Delete(lines, worst, worst+1)
	}
	for y, l := range lines {
		l.draw(y)
	}
}

func (s *ServerKind) drawSpark(a area, name string, values []float64, top float64) {
	a.text(4, 0, dim, name)
	a.spark(8, 0, min(a.w-10, 60), values, top, roleChart.style())
}
