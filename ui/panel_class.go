package ui

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"capmon/capacity"
	"capmon/demo/lessons"
)

// lessonUse is how many cores the machine uses now.
func lessonUse(f *Frame) capacity.Num {
	if len(f.Hosts) == 0 {
		return capacity.Num{}
	}
	return f.Hosts[0].CoresUsed
}

// ofACore is a use in cores as systems show it for a process: 100% is a core.
func ofACore(n capacity.Num) string {
	if !n.OK {
		return unknownText
	}
	return grouped(n.V*100) + "%"
}

// speedUp is how many times: ×0.61, ×3.9.
func speedUp(n capacity.Num) string {
	switch {
	case !n.OK:
		return unknownText
	case n.V < 0.995:
		return "×" + strconv.FormatFloat(n.V, 'f', 2, 64)
	case n.V < 99.95:
		return "×" + strconv.FormatFloat(n.V, 'f', 1, 64)
	}
	return "×" + grouped(n.V)
}

// workText is work a second: 841 M.
func workText(n capacity.Num, unit string) string {
	if !n.OK {
		return unknownText
	}
	for _, p := range []struct {
		size float64
		name string
	}{{1e9, " G"}, {1e6, " M"}, {1e3, " k"}} {
		if n.V >= p.size*0.9995 {
			digits := 0
			if v := n.V / p.size; v < 9.995 {
				digits = 2
			} else if v < 99.95 {
				digits = 1
			}
			return strconv.FormatFloat(n.V/p.size, 'f', digits, 64) + p.name + unit
		}
	}
	return grouped(n.V) + unit
}

// drawClassMiddle is what lessons 1 to 3 show: numbers, cores, code, the table,
// the last minute. It returns the line after it.
func drawClassMiddle(a area, y int, f *Frame, v *View, th Theme, p *classPlan) int {
	if p.scale > 0 {
		drawBigNumbers(a.rows(y, p.scale*glyphLines+1), f, p.scale)
		y += p.scale*glyphLines + 1
	}
	if p.titled {
		drawTitle(a.row(y+p.blank()), "cores of this machine")
		y += 1 + p.blank()
	}
	drawClassCores(a.rows(y, p.side), f, v, th, p)
	y += p.side
	if p.scale == 0 {
		drawClassNumbers(a.row(y), f)
		y++
	}
	drawTitle(a.row(y), "side by side")
	drawRuns(a.rows(y+1, 1+len(f.Lesson.Rows)), f.Lesson)
	y += 2 + len(f.Lesson.Rows)
	if p.past > 0 {
		drawTitle(a.row(y), "the last 60 seconds, core by core", "each column a second")
		drawClassPast(a.rows(y+1, p.past), f)
		y += 1 + p.past
	}
	if p.commands > 0 {
		drawCommands(a.row(y), f.Lesson)
		y++
	}
	return y
}

// blank is the line between the digits and what follows.
func (p *classPlan) blank() int {
	if p.scale > 0 {
		return 1
	}
	return 0
}

// drawClassCores draws the cores, which thread was seen on which, and the code.
func drawClassCores(a area, f *Frame, v *View, th Theme, p *classPlan) {
	n := coresOf(f)
	if n == 0 {
		a.text(1, 0, unknown, "? no reading of the cores yet")
		return
	}
	bare := f.Hosts[0] // bars of one colour, and the lesson says who runs where
	bare.Past.Parts, bare.Past.Users = nil, nil
	h := &bare
	left := a.sub(0, 0, classCoresWidth(a.w, n, p.code), a.h)
	who := 0
	if left.w >= 70 && n <= p.cores { // one under another, with who runs there
		who = 28
	}
	if n > p.cores {
		drawCores(left.sub(0, 0, left.w, p.cores), h, v, th)
	} else { // one under another
		each := max(1, min(p.side/n, 4))
		digits := len(strconv.Itoa(coreID(h, n-1)))
		for i, busy := range h.Cores {
			row := left.sub(0, i*each, left.w-who, 1)
			drawCore(row, h, i, v, th)
			for more := 1; more < each-1; more++ { // a blank line stays between two
				x := 7 + digits
				left.gauge(x, i*each+more, row.w-x-7, busy, busyStyle(busy))
			}
			if who == 0 {
				continue
			}
			text := f.Lesson.Where[coreID(h, i)]
			if text == "" && busy < 0.1 {
				text = "idle"
			}
			left.text(left.w-who+1, i*each, dim, cut(text, who-1))
		}
	}
	if !p.code {
		return
	}
	x := left.w + 1
	a.text(x, 0, title, f.Lesson.CodeOf)
	for i, line := range f.Lesson.Code {
		a.text(x+1, 1+i, normal, cut(line, a.w-x-2))
	}
}

// runColumns are the right ends of the table's columns.
type runColumns struct {
	name, processes, threads, cores, bar, one, together, work, speed int
}

func columnsOfRuns(w int) runColumns {
	if w < 100 {
		return runColumns{name: 22, processes: 31, threads: 40, cores: 47, one: 59, work: 70, speed: 78}
	}
	bar := min(max((w-100)/2, 0)+10, 40)
	c := runColumns{name: 26, processes: 36, threads: 45, cores: 53, bar: bar}
	c.one = c.cores + bar + 14
	c.together = c.one + 11
	c.work = c.together + 11
	c.speed = c.work + 10
	return c
}

// drawRuns is the table of runs.
func drawRuns(a area, s *lessons.State) {
	c := columnsOfRuns(a.w)
	heads := []struct {
		at   int
		text string
	}{{c.processes, "PROCESSES"}, {c.threads, "THREADS"}, {c.cores, "CORES"}, {c.one, "PER PROCESS"}, {c.together, "TOGETHER"}, {c.work, "WORK/s"}, {c.speed, "SPEED"}}
	for _, h := range heads {
		if h.at > 0 {
			a.right(h.at, 0, head, h.text)
		}
	}
	for i := range s.Rows {
		drawRun(a.row(1+i), &s.Rows[i], s, c)
	}
}

func drawRun(a area, r *lessons.Row, s *lessons.State, c runColumns) {
	st := normal
	now := r.Key == s.Key && (s.Running || s.Starting != "")
	if now {
		st = strong
	}
	a.text(1, 0, strong, strings.ToUpper(r.Key))
	a.text(4, 0, st, cut(r.Name, c.processes-11))
	a.right(c.processes-4, 0, st, strconv.Itoa(r.Processes))
	a.right(c.threads-3, 0, st, strconv.Itoa(r.Threads))
	number := func(at int, n capacity.Num, text string) {
		if at == 0 {
			return
		}
		look := st
		if !n.OK {
			text, look = unknownText, unknown
		}
		a.right(at, 0, look, text)
	}
	number(c.cores, r.Cores, coreCount(r.Cores))
	if c.bar > 0 && s.Setting.Cores > 0 {
		share := math.NaN()
		if r.Cores.OK {
			share = r.Cores.V / s.Setting.Cores
		}
		if r.OK {
			a.gauge(c.cores+1, 0, c.bar, share, busyStyle(share))
		} else {
			a.fill(c.cores+1, 0, c.bar, '░', rule)
		}
	}
	one := ofACore(r.One)
	if r.Processes > 1 && r.Cores.OK {
		one = strconv.Itoa(r.Processes) + " × " + ofACore(num(r.Cores.V/float64(r.Processes)))
	}
	number(c.one, r.One, one)
	number(c.together, r.Cores, ofACore(r.Cores))
	number(c.work, r.Work, workText(r.Work, ""))
	number(c.speed, r.Speed, speedUp(r.Speed))
	if now && a.w > c.speed+2 {
		a.text(c.speed+1, 0, roleCursor.style(), first(a.w-c.speed-1, "◄ now", "◄"))
	}
}

// drawClassPast is the last minute of each core.
func drawClassPast(a area, f *Frame) {
	h := &f.Hosts[0]
	for i := range min(a.h, len(h.Cores)) {
		x := a.text(1, i, dim, "core ")
		a.right(x+2, i, normal, strconv.Itoa(coreID(h, i)))
		if i < len(h.Past.Cores) {
			n := min(a.w-x-5, 60)
			if a.w >= 140 { // two cells a second
				n = 120
			}
			values := h.Past.Cores[i]
			if n > 60 {
				values = nil
				for _, v := range h.Past.Cores[i] {
					values = append(values, v, v)
				}
			}
			a.spark(x+4, i, n, values, 1, roleChart.style())
		}
	}
}

// drawCommands says how to do the same without the class.
func drawCommands(a area, s *lessons.State) {
	x := a.text(1, 0, dim, "the same by hand  ")
	x = a.text(x, 0, roleKey.style(), s.Command)
	if s.Try != "" {
		if text := "  or  " + s.Try; x+cells(text) < a.w {
			a.text(x, 0, normal, text)
		}
	}
}

// saidLine is a line of what is said: a label on the first of each text.
type saidLine struct {
	label, text string
	style       style
	keep        int // those with the least go first
}

const saidAt = 11

// saidLines are what the class is told, in lines that fit.
func saidLines(s *lessons.State, v *View, w int) []saidLine {
	var lines []saidLine
	say := func(label, text string, st style, keep int) {
		if text == "" {
			return
		}
		for i, line := range strings.Split(ansi.Wrap(text, max(w-saidAt-1, 20), ""), "\n") {
			if i > 0 {
				label = ""
			}
			lines = append(lines, saidLine{label, line, st, keep})
		}
	}
	say("!!", s.Error, roleAct.style(), 9)
	say("!", s.LangNote, roleSoon.style(), 8)
	if v.Teacher {
		for i, n := range s.Notes {
			label := ""
			if i == 0 {
				label = "NOTES"
			}
			say(label, "· "+n, normal, 7-i)
		}
		return lines
	}
	if s.Stage == lessons.Predict {
		say("PREDICT", s.Question.Text, strong, 9)
		say("", optionsText(s), normal, 9)
		say("", "enter or "+s.Key+" runs it", dim, 5)
		return lines
	}
	say("PREDICT", predicted(s), normal, 6)
	switch {
	case s.Seen != "":
		say("SEEN", s.Seen+verdictOfClass(s), strong, 9)
	case s.Missed:
		say("SEEN", "? the agent names the eight processes that want most, and these are not among them: stop what else runs here", unknown, 9)
	case s.Starting != "" || s.Running:
		say("SEEN", "? measuring: a few seconds", unknown, 9)
	}
	say("POINT", s.Point, normal, 8)
	for i, l := range s.Said {
		label := ""
		if i == 0 {
			label = "PORT"
		}
		say(label, l, normal, 5)
	}
	say("LOOK", s.Look, normal, 3)
	say("!", s.Others, roleSoon.style(), 4)
	switch {
	case s.Stage == lessons.Seen:
		say("NEXT", "enter: what that means", dim, 7)
	case s.Stage == lessons.Point && s.Next != "":
		say("NEXT", s.Question.Text, strong, 8)
		say("", optionsText(s)+"   then enter", normal, 8)
	case s.Stage == lessons.Point:
		say("NEXT", s.Question.Text, normal, 8)
	}
	return lines
}

// verdictOfClass says whether the answer with most votes was what happened.
func verdictOfClass(s *lessons.State) string {
	switch {
	case s.Right == nil:
		return ""
	case *s.Right:
		return "   you were right"
	}
	return "   not what you said"
}

// optionsText is what can be answered, with the votes so far.
func optionsText(s *lessons.State) string {
	var parts []string
	for _, o := range s.Question.Options {
		text := o.Key + " " + o.Text
		if n := s.Votes.Of(o.Key); n > 0 {
			text += " (" + strconv.Itoa(n) + ")"
		}
		parts = append(parts, text)
	}
	text := strings.Join(parts, "    ")
	if s.Votes.Text != "" {
		text += "    you said: " + s.Votes.Text
	}
	return text
}

// predicted is what the class said before.
func predicted(s *lessons.State) string {
	v := s.Voted
	switch {
	case v.Text != "":
		return "you said: " + v.Text
	case !v.Any():
		return "nobody said anything (f, s, = or v before a run)"
	}
	var parts []string
	for _, k := range []string{"f", "s", "="} {
		if n := v.Of(k); n > 0 {
			parts = append(parts, optionName(s, k)+" "+strconv.Itoa(n))
		}
	}
	return "you said: " + strings.Join(parts, " · ")
}

// optionName is an answer of the step itself in words.
func optionName(s *lessons.State, key string) string {
	for _, o := range s.Asked.Options {
		if o.Key == key {
			return o.Text
		}
	}
	return key
}

// fitSaid leaves out what matters least until the rest fits.
func fitSaid(lines []saidLine, room int) []saidLine {
	for len(lines) > max(room, 0) {
		at, least := len(lines)-1, 100
		for i, l := range lines {
			if l.keep <= least {
				at, least = i, l.keep
			}
		}
		lines = slices.Delete(lines, at, at+1)
	}
	return lines
}

func drawSaid(a area, l saidLine) {
	st := title
	if l.label == "!!" || l.label == "!" {
		st = l.style
	}
	a.text(1, 0, st, l.label)
	a.text(saidAt, 0, l.style, cut(l.text, a.w-saidAt))
}

// drawClassSmall is the lesson on a terminal that is too small for it: the
// numbers, and what to do.
func drawClassSmall(a area, f *Frame, v *View) {
	s := f.Lesson
	lines := []saidLine{
		{text: "lesson " + strconv.Itoa(s.Number) + " of " + strconv.Itoa(s.Of) + "  " + coreCount(lessonUse(f)) + " of " + coreTotal(num(s.Setting.Cores)) + " cores used", style: strong},
	}
	if s.Error != "" {
		lines = append(lines, saidLine{text: "!! " + s.Error, style: roleAct.style()})
	}
	for i := range s.Rows {
		r := &s.Rows[i]
		if !r.OK && r.Key != s.Key {
			continue
		}
		mark := " "
		if r.Key == s.Key {
			mark = "▶"
		}
		text := mark + strings.ToUpper(r.Key) + " " + coreCount(r.Cores) + " cores " + ofACore(r.One) + " " + workText(r.Work, "/s") + " " + speedUp(r.Speed)
		lines = append(lines, saidLine{text: text, style: normal})
	}
	lines = append(lines, saidLine{text: "too small for a lesson: " + strconv.Itoa(classWidth) + "x" + strconv.Itoa(classHeight) + " at least", style: dim})
	foot := 0
	if a.h >= 3 {
		foot = 1
		drawFooter(a.row(a.h-1), f, v, len(f.Hosts))
	}
	for i, l := range lines {
		if i < a.h-foot {
			a.text(0, i, l.style, cut(l.text, a.w))
		}
	}
}
