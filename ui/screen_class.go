package ui

import (
	"strconv"
	"strings"

	"capmon/demo/lessons"
	"capmon/fleet"
)

func init() {
	pages[ClassScreen] = page{
		name: "class", draw: drawClass, act: classAct,
		ask: func(m *model, ask *fleet.Ask) {
			if len(m.frame.Hosts) > 0 {
				ask.Host = m.frame.Hosts[0].Name
			}
		},
	}
	prompts[VotesPrompt] = prompt{
		sign: "votes: ",
		hint: func(*Frame, *View, int) string { return "f 14 s 9 = 3, or any words  enter  esc leave" },
		done: func(m *model, text string) {
			if strings.TrimSpace(text) != "" {
				m.lesson(lessons.Act{Do: lessons.Say, Text: text})
			}
		},
	}
}

// classActs are the keys that the class itself answers.
var classActs = map[action]lessons.Act{
	actRunA:     {Do: lessons.Begin, Key: "a"},
	actRunB:     {Do: lessons.Begin, Key: "b"},
	actRunC:     {Do: lessons.Begin, Key: "c"},
	actRunD:     {Do: lessons.Begin, Key: "d"},
	actRunStop:  {Do: lessons.Stop},
	actRunMore:  {Do: lessons.More},
	actRunLess:  {Do: lessons.Less},
	actStepNext: {Do: lessons.Next},
	actStepBack: {Do: lessons.Back},
	actStepSkip: {Do: lessons.Skip},
	actVoteFast: {Do: lessons.Vote, Key: "f"},
	actVoteSlow: {Do: lessons.Vote, Key: "s"},
	actVoteSame: {Do: lessons.Vote, Key: "="},
}

// lesson tells the class what the teacher wants.
func (m *model) lesson(a lessons.Act) {
	if m.opts.Lesson == nil {
		m.view.Note = "no class is held here: capmon demo begins one"
		return
	}
	m.opts.Lesson(a)
}

func classAct(m *model, do action) bool {
	if a, ok := classActs[do]; ok {
		m.lesson(a)
		return true
	}
	v := &m.view
	switch do {
	case actVotes:
		m.begin(VotesPrompt, "")
	case actBig:
		v.Big = !v.Big
	case actTeacher:
		v.Teacher = !v.Teacher
	case actProjector:
		m.projector()
	case actSaveRun:
		m.record()
	default:
		return false
	}
	return true
}

// projector turns to the theme for one, and back to what was there.
func (m *model) projector() {
	to := "projector"
	if m.theme.Name() == to {
		if to = m.before; to == "" {
			to = "dark"
		}
	} else {
		m.before = m.theme.Name()
	}
	m.chosen = true
	m.setTheme(to)
	m.view.Note = "theme " + m.theme.Name()
}

// Least size of a terminal that a lesson fits on.
const (
	classWidth  = 60
	classHeight = 20
	leastSaid   = 4 // lines of what is said
	codeLines   = 9 // of a program, with its title, before other things get their place

	leastPicture = 9 // lines of a picture of a lesson's own
)

// lessonPictures draw the middle of lessons that have one of their own, by
// Lesson.Picture, in all lines between the line of what runs and what is said.
var lessonPictures = map[string]func(a area, f *Frame, v *View, th Theme){}

// drawClass is the classroom; without a class it is the screen that says how to
// begin one.
func drawClass(a area, f *Frame, v *View, th Theme) {
	s := f.Lesson
	if s == nil {
		drawDemo(a, f, v, th)
		return
	}
	if a.w < classWidth || a.h < classHeight {
		drawClassSmall(a, f, v)
		return
	}
	p := planClass(f, v, a.w, a.h)
	drawClassHeader(a.row(0), f, v)
	y := 1
	y = drawNow(a, y+p.gap, s)
	y += p.gap
	if draw := lessonPictures[s.Picture]; draw != nil {
		draw(a.rows(y, p.middle), f, v, th)
		y += p.middle
	} else {
		y = drawClassMiddle(a, y, f, v, th, &p)
	}
	drawTitle(a.row(y))
	for i, l := range p.said {
		drawSaid(a.row(y+1+i), l)
	}
	drawTitle(a.row(a.h - 2))
	drawFooter(a.row(a.h-1), f, v, len(f.Hosts))
}

// classPlan is where everything of the classroom goes, in lines.
type classPlan struct {
	gap      int // blank lines around what runs
	scale    int // of the big digits; 0: a line says the same
	cores    int // lines of the cores
	titled   bool
	side     int  // lines of the cores and the code beside them
	code     bool // it stands there
	past     int  // cores whose last minute is shown, title not counted
	commands int
	middle   int // all of the above, for a picture of its own
	said     []saidLine
}

func planClass(f *Frame, v *View, w, h int) classPlan {
	s := f.Lesson
	p := classPlan{said: saidLines(s, v, w)}
	fixed := 1 + 1 + 1 + 2 // header, what runs, the rule before what is said, rule and footer
	middle := 0
	if lessonPictures[s.Picture] != nil {
		middle = leastPicture
	} else {
		middle = 2 + len(s.Rows) + 1 + 1 // table with its title, a line of cores, a line of numbers
	}
	big := 0 // lines that big digits take from what is said, where they are asked for
	if v.Big && middle > 0 && h-fixed-middle-glyphLines >= leastSaid && bigFits(f, w, 1) {
		big = glyphLines
	}
	p.said = fitSaid(p.said, h-fixed-middle-big)
	room := h - fixed - middle - len(p.said)
	p.middle = room + middle
	if lessonPictures[s.Picture] != nil {
		return p
	}
	take := func(n, least int) int { // up to n of what is left, if that is least
		n = min(n, room)
		if n < least || n <= 0 {
			return 0
		}
		room -= n
		return n
	}
	n := coresOf(f)
	rows, _ := coresLayout(n, classCoresWidth(w, n, false), max(room-big+1, 1))
	p.cores = 1 + take(rows-1, 0)
	p.side = p.cores
	roomy := w >= 100 && h >= 36
	scale := 0
	if roomy {
		scale++
	}
	if w >= 180 && h >= 46 {
		scale++
	}
	if v.Big {
		scale++
	}
	for ; scale > 0; scale-- {
		// The line of numbers goes.
		if want := scale * glyphLines; room >= want && bigFits(f, w, scale) {
			room -= want
			p.scale = scale
			break
		}
	}
	if roomy && room > 1 {
		p.titled = true
		room -= 1 + p.blank()
	}
	if classCodeWidth(w, n) > 0 { // first what says the most of it, the rest when all else has its place
		if more := take(max(min(len(s.Code)+1, codeLines)-p.cores, 0), 1); p.cores+more >= min(3, len(s.Code)) {
			p.side, p.code = p.cores+more, true
		} else {
			room += more
		}
	}
	if w >= 100 {
		p.past = max(take(min(n, 8)+1, 3)-1, 0)
	}
	p.commands = take(1, 1)
	if p.code {
		p.side += take(max(len(s.Code)+1-p.side, 0), 1)
	}
	if p.gap = 0; room >= 2 {
		p.gap = 1
		room -= 2
	}
	p.side += room // what is left keeps the cores apart from the table
	return p
}

// coresOf is how many cores the machine shows.
func coresOf(f *Frame) int {
	if len(f.Hosts) == 0 {
		return 0
	}
	return len(f.Hosts[0].Cores)
}

// classCodeWidth is what the code gets beside the cores; 0: it has no place.
func classCodeWidth(w, cores int) int {
	switch {
	case cores > 8:
		return 0
	case w >= 100:
		return 44
	case cores <= 4:
		return 36
	}
	return 0
}

// classCoresWidth is what is left for the cores.
func classCoresWidth(w, cores int, code bool) int {
	if code {
		return w - classCodeWidth(w, cores) - 2
	}
	return w
}

func drawClassHeader(a area, f *Frame, v *View) {
	s := f.Lesson
	left := []segment{{"capmon demo", strong, 5, false}, {text: s.Title, drop: 4}}
	for _, notice := range []struct {
		on   bool
		text string
	}{{f.Simulated, "SIMULATED"}, {v.Warning != "", v.Warning}, {f.Recording != nil && f.Recording.Ended == "", "REC"}} {
		if notice.on {
			left = append(left, segment{notice.text, roleNotice.style(), 0, false})
		}
	}
	if paused(f, v) {
		left = append(left, segment{"PAUSED " + back(f.Time.Sub(f.At)), rolePaused.style(), 0, false})
	}
	right := []segment{{text: "lesson " + strconv.Itoa(s.Number) + " of " + strconv.Itoa(s.Of), style: strong}}
	of := " cores"
	if s.Setting.Cores == 1 {
		of = " core"
	}
	right = append(right, segment{text: coreTotal(num(s.Setting.Cores)) + of, drop: 2})
	if s.Setting.Lang != lessons.Go {
		right = append(right, segment{text: s.Setting.Lang.String(), drop: 3})
	}
	left, right = fit(left, right, a.w-2)
	x := 1
	for _, l := range left {
		x = a.text(x, 0, l.style, l.text) + 2
	}
	x = a.w - 1
	for i := range right {
		a.right(x, 0, right[i].style, right[i].text)
		x -= cells(right[i].text) + 3
	}
	if paused(f, v) {
		a.paint(0, func(style) style { return rolePaused.style() })
	}
}

// drawNow says what runs, and returns the line after it.
func drawNow(a area, y int, s *lessons.State) int {
	what, st, after := "READY", dim, []string{"enter or " + s.Key + " runs it"}
	switch {
	case s.Starting != "":
		what, st, after = "STARTING", strong, []string{s.Starting}
	case s.Running:
		nice := "nice " + strconv.Itoa(s.Setting.Nice)
		what, st = "NOW RUNNING", strong
		after = []string{"this machine, " + nice + ", stops by itself in " + lasting(s.Left), nice + ", stops by itself in " + lasting(s.Left), "stops in " + lasting(s.Left)}
	case s.Ended != "":
		what, after = "STOPPED", []string{s.Ended + "; " + s.Key + " runs it again", s.Ended}
	}
	x := a.text(1, y, st, what) + 3
	x = a.text(x, y, strong, strings.ToUpper(s.Key)) + 2
	x = a.text(x, y, normal, s.Name) + 3
	a.text(x, y, dim, cut(first(a.w-x-1, after...), a.w-x-1))
	return y + 1
}

// classRow is the row of the step that is on screen.
func classRow(s *lessons.State) lessons.Row {
	for _, r := range s.Rows {
		if r.Key == s.Key && r.OK {
			return r
		}
	}
	return lessons.Row{}
}

// bigNumbers are the three that everybody in the room shall read.
func bigNumbers(f *Frame) [3][2]string {
	r := classRow(f.Lesson)
	used := lessonUse(f)
	cores := unknownText
	if used.OK {
		cores = strconv.FormatFloat(used.V, 'f', 1, 64)
	}
	one, speed := unknownText, unknownText
	if r.One.OK {
		one = percent(r.One) + "%"
	}
	if r.Speed.OK {
		speed = speedUp(r.Speed)
	}
	return [3][2]string{{"cores in use", cores}, {"that process shows", one}, {"work, beside one thread", speed}}
}

func bigFits(f *Frame, w, scale int) bool {
	for _, n := range bigNumbers(f) {
		if !drawable(n[1]) || bigWidth(n[1], scale) > (w-2)/3-2 {
			return false
		}
	}
	return true
}

func drawBigNumbers(a area, f *Frame, scale int) {
	wide := (a.w - 2) / 3
	for i, n := range bigNumbers(f) {
		part := a.sub(1+i*wide, 0, wide, a.h)
		part.text(0, 0, dim, cut(n[0], wide-1))
		part.big(0, 1, scale, strong, n[1])
	}
}

// drawClassNumbers says the same in a line.
func drawClassNumbers(a area, f *Frame) {
	r := classRow(f.Lesson)
	x := 1
	for _, n := range [][2]string{
		{"CORES IN USE", coreCount(lessonUse(f)) + " of " + coreTotal(num(f.Lesson.Setting.Cores))},
		{"ONE PROCESS SHOWS", ofACore(r.One)},
		{"WORK", workText(r.Work, " loops/s")},
	} {
		x = a.text(x, 0, dim, n[0]) + 2
		x = a.text(x, 0, strong, n[1]) + 5
	}
}
