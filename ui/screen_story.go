package ui

import (
	"math"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"capmon/capacity"
)

func init() {
	pages[StoryScreen] = page{
		name: "story", draw: func(a area, f *Frame, v *View, _ Theme) { drawStory(a, f, v) }, act: storyAct,
		body: func(f *Frame, v *View, w, h int, th Theme) (*canvas, int) {
			top, foot := stepsFrame(h)
			if h -= top + foot; f.Story == nil || storyFull(w, h) {
				return nil, 0
			}
			return storyList(f.Story, v, w, th.ascii), h
		},
		click: func(m *model, h hit) { m.view.Setting = h.item },
	}
}

func init() {
	lessonPictures[StoryPicture] = func(a area, f *Frame, v *View, _ Theme) {
		s, _ := f.Lesson.Data.(*Story)
		if s == nil {
			a.text(1, 1, dim, cut("what happens stands here while it runs", a.w-2))
			return
		}
		told := *s // its keys are those of its own screen
		told.Settings, told.Keys = nil, nil
		body := a.rows(0, a.h-1)
		if storyFull(body.w, body.h) {
			drawStoryPanes(body, &told, v)
		} else {
			scroll(body, storyList(&told, v, body.w, body.c.ascii), 0)
		}
		x := a.text(1, a.h-1, roleKey.style(), DemoScreen.number()) + 1
		a.text(x, a.h-1, dim, first(a.w-x-1, "the story's own screen, to change target, spare, warm-up and what comes, and to break something; again: the class", "settings and keys of the story; again: the class", "the story's screen"))
	}
}

// StoryPicture is the picture of a lesson that has a *Story told.
const StoryPicture = "story"

// hitSetting is a setting of a story.
const hitSetting ownHit = 4

// drawStory is a demo's story, above it the verdict of the fleet that it makes.
func drawStory(a area, f *Frame, v *View) {
	top, foot := stepsFrame(a.h)
	switch own := f.Story != nil && f.Story.Verdict != ""; {
	case a.h < 6 && own:
		a.text(1, 0, strong, cut(f.Story.Verdict, a.w-2))
	case a.h < 6:
		drawVerdictOf(a.row(0), f, v, worst(f))
	default:
		drawHeader(a.row(0), f, v, segment{"6 demo", normal, 5, false})
		if own {
			a.text(1, 1, strong, cut(f.Story.Verdict, a.w-2))
		} else {
			drawVerdict(a.rows(1, top-1), f, v)
		}
	}
	body := a.rows(top, a.h-top-foot)
	switch s := f.Story; {
	case s == nil:
		body.text(1, 0, unknown, cut("? the story has not begun", body.w-1))
	case storyFull(body.w, body.h):
		drawStoryPanes(body, s, v)
	default:
		scroll(body, storyList(s, v, body.w, a.c.ascii), v.Scroll)
	}
	if foot > 1 {
		drawTitle(a.row(a.h - 2))
	}
	if foot > 0 {
		drawFooter(a.row(a.h-1), f, v, len(f.Hosts))
	}
}

// storyFull says whether there is room for panes.
func storyFull(w, h int) bool { return w >= 72 && h >= 17 }

// lasts is where in its time a story is.
func (s *Story) lasts() string {
	t := lasting(s.After.Truncate(time.Second))
	if s.Of > 0 {
		t += " of " + lasting(s.Of)
	}
	return t
}

// storyAside is the width from which on events stand beside the settings.
const storyAside = 110

func drawStoryPanes(a area, s *Story, v *View) {
	drawTitle(a.row(0), s.Title, s.lasts())
	y := 1
	for line := range strings.SplitSeq(ansi.Wrap(s.Now, a.w-2, ""), "\n") {
		if y > 2 {
			break
		}
		a.text(1, y, strong, line)
		y++
	}
	if a.h >= 30 {
		y++
	}
	y += drawStoryNumbers(a.rows(y, 7), s.Numbers, a.h >= 24, v.Big)
	if a.h >= 30 {
		y++
	}
	rest := a.rows(y, a.h-y)
	if a.w >= storyAside {
		settings := settingsList(s, v, a.w*3/5)
		low := len(settings)
		if low > 0 {
			low++
		}
		events := min(len(s.Events)+1, max(rest.h/3, 4))
		low = min(max(low, events), rest.h)
		drawStoryCharts(rest.rows(0, rest.h-low), s)
		below := rest.rows(rest.h-low, low)
		drawSettings(below.sub(0, 0, a.w*3/5, low), settings)
		drawStoryEvents(below.sub(a.w*3/5+1, 0, a.w, low), s)
		return
	}
	settings := settingsFlow(s, v, a.w)
	low := len(settings)
	if low > 0 {
		low++
	}
	events := min(len(s.Events)+1, max((rest.h-low)/3, 3))
	if len(s.Events) == 0 {
		events = 0
	}
	drawStoryCharts(rest.rows(0, rest.h-low-events), s)
	drawSettings(rest.rows(rest.h-low-events, low), settings)
	drawStoryEvents(rest.rows(rest.h-events, events), s)
}

// drawStoryNumbers writes as many numbers as fit beside each other, in digits of
// one line or five, their names below and, where there is room, what is said of
// them; it returns the lines used.
func drawStoryNumbers(a area, list []StoryNumber, notes, tall bool) int {
	high, x, noted := 1, 1, 0
	if tall {
		high = 5
	}
	for i := range list {
		n := &list[i]
		digits := strings.ReplaceAll(n.Text, ",", "")
		w, tall := cells(storyText(n)), tall && drawable(digits)
		if tall {
			w = bigWidth(digits, 1)
		}
		if w = max(w, cells(n.Name)); notes {
			w = max(w, min(cells(n.Note), 22))
		}
		if x+w > a.w-1 {
			break
		}
		if tall {
			a.big(x, 0, 1, n.style(), digits)
		} else {
			a.text(x, high-1, n.style(), storyText(n))
		}
		a.text(x, high, dim, n.Name)
		if notes && n.Note != "" {
			a.text(x, high+1, dim, cut(n.Note, w))
			noted = 1
		}
		x += w + 3
	}
	if x == 1 {
		return 0
	}
	return high + 1 + noted
}

func storyText(n *StoryNumber) string {
	if n.Mark {
		return n.Text + " !"
	}
	return n.Text
}

func (n *StoryNumber) style() style {
	switch {
	case n.Text == unknownText:
		return unknown
	case n.Mark:
		return roleSoon.style()
	}
	return strong
}

// drawStoryCharts draws as many charts beside each other as have room.
func drawStoryCharts(a area, s *Story) {
	if len(s.Charts) == 0 || a.h < 3 {
		return
	}
	n := min(len(s.Charts), max(a.w/36, 1))
	rows := 1
	if over := len(s.Charts); n < over && a.h >= 16 { // the others below
		rows = min((over+n-1)/n, a.h/8)
	}
	for i, c := range s.Charts[:min(len(s.Charts), n*rows)] {
		at, y := i%n, i/n
		from, to := a.w*at/n, a.w*(at+1)/n
		drawStoryChart(a.sub(from, a.h*y/rows, to-from, a.h*(y+1)/rows-a.h*y/rows), &c)
	}
}

// The signs of a chart's columns, in their order, and of its line.
var storyBlocks = [...]rune{'█', '▒', '░'}

const storyStroke = '─'

// strokeOn is that line as a canvas can show it, unlike that of a limit.
func strokeOn(c *canvas) rune {
	if c.ascii {
		return '='
	}
	return storyStroke
}

func drawStoryChart(a area, c *StoryChart) {
	notes := []string{c.Name}
	blocks := 0
	for i := range c.Lines {
		sign := strokeOn(a.c)
		if !c.Lines[i].Over {
			if sign = storyBlocks[min(blocks, len(storyBlocks)-1)]; a.c.ascii {
				sign = plain(sign)
			}
			blocks++
		}
		notes = append(notes, string(sign)+" "+c.Lines[i].Name+" "+c.Lines[i].Now)
	}
	if c.Top > 0 {
		notes = append(notes, c.TopIs+" "+count(capacity.Known(c.Top), 7)+" ┄")
	}
	if cells(strings.Join(notes, "  "))+4 > a.w { // the lines are named too
		notes = notes[1:]
	}
	drawTitle(a, notes...)
	plot := a.rows(1, a.h-2)
	if a.h < 5 {
		plot = a.rows(1, a.h-1)
	}
	if plot.h == 0 || plot.w <= axis+4 {
		return
	}
	body := plot.sub(axis, 0, plot.w-axis-1, plot.h)
	lines := make([][]float64, len(c.Lines))
	peak, n := 0.0, 0
	var stack []float64
	for i := range c.Lines {
		lines[i] = resample(c.Lines[i].Values, body.w)
		n = max(n, len(c.Lines[i].Values))
		if !c.Lines[i].Over {
			stack = atop(stack, lines[i])
			lines[i] = stack
		}
		if top := highest(lines[i]); top > peak {
			peak = top
		}
	}
	hi := nice(peak * 1.05)
	if peak <= c.Top && c.Top <= peak*2.5 {
		hi = nice(c.Top * 1.05)
	}
	hi = wholeTop(hi)
	for y := range plot.h {
		plot.put(axis-1, y, 1, '│', rule)
	}
	plot.right(axis-1, 0, dim, count(capacity.Known(hi), axis-1))
	if plot.h > 1 {
		plot.right(axis-1, plot.h-1, dim, "0")
	}
	if y := lineAt(topOf(c), 0, hi, body.h); y >= 0 {
		body.fill(0, y, body.w, '┄', roleLimit.style())
	}
	for i := len(lines) - 1; i >= 0; i-- { // the lowest last, over those that stand on it
		if !c.Lines[i].Over {
			drawBlocks(body, lines[i], hi, before(c.Lines[:i]))
		}
	}
	for i := range lines {
		if c.Lines[i].Over {
			drawStroke(body, lines[i], hi)
		}
	}
	if a.h >= 5 {
		drawSince(a.sub(axis, a.h-1, body.w, 1), time.Duration(n)*c.Step)
	}
}

func topOf(c *StoryChart) float64 {
	if c.Top > 0 {
		return c.Top
	}
	return math.NaN()
}

// before counts the columns that stand below.
func before(lines []StoryLine) (n int) {
	for i := range lines {
		if !lines[i].Over {
			n++
		}
	}
	return n
}

// atop adds what stands on other columns; not known where neither is.
func atop(below, values []float64) []float64 {
	if below == nil {
		return values
	}
	out := make([]float64, max(len(below), len(values)))
	for i := range out {
		out[i] = math.NaN()
		for _, list := range [][]float64{below, values} {
			switch {
			case i >= len(list) || math.IsNaN(list[i]):
			case math.IsNaN(out[i]):
				out[i] = list[i]
			default:
				out[i] += list[i]
			}
		}
	}
	return out
}

// drawBlocks draws columns from zero, and none of what is zero or not known: the
// lowest in eighths of a row, those that stand on others in whole rows.
func drawBlocks(a area, values []float64, hi float64, below int) {
	for x, v := range values {
		share := min(v/hi, 1)
		if !(share > 0) {
			continue
		}
		if below == 0 {
			drawColumns(a.sub(x, 0, 1, a.h), []float64{share}, 0, 1)
			continue
		}
		for y := a.h - int(math.Ceil(share*float64(a.h)-1e-9)); y < a.h; y++ {
			a.put(x, y, 1, storyBlocks[min(below, len(storyBlocks)-1)], roleChart.style())
		}
	}
}

// drawStroke draws a line a value a cell.
func drawStroke(a area, values []float64, hi float64) {
	for x, v := range values {
		if y := lineAt(v, 0, hi, a.h); y >= 0 {
			a.put(x, y, 1, strokeOn(a.c), roleSoon.style())
		}
	}
}

// drawSince writes times after the beginning under a chart.
func drawSince(a area, all time.Duration) {
	parts := 2
	if a.w >= 60 {
		parts = 4
	}
	if a.w < 16 || all <= 0 {
		return
	}
	for i := range parts + 1 {
		s := lasting((all * time.Duration(i) / time.Duration(parts)).Round(time.Second))
		x := a.w * i / parts
		switch i {
		case 0:
			s = "0"
		case parts:
			x = a.w - cells(s)
		default:
			x -= cells(s) / 2
		}
		a.text(x, 0, dim, s)
	}
}

// settingLine is a line of the pane of settings and keys.
type settingLine []settingPart

type settingPart struct {
	st   style
	text string
	item int // of the setting to be clicked, from 1; 0: none
}

// settingsList is a setting a line, with what it is, and then the keys.
func settingsList(s *Story, v *View, width int) (out []settingLine) {
	name, value := 0, 0
	for i := range s.Settings {
		name, value = max(name, cells(s.Settings[i].Name)), max(value, cells(s.Settings[i].Value))
	}
	for i := range s.Settings {
		x := &s.Settings[i]
		out = append(out, settingLine{
			settingMark(s, v, i),
			{normal, pad(x.Name, name+2), i + 1},
			{strong, pad(x.Value, value+2), i + 1},
			{dim, cut(x.Why, max(width-name-value-7, 0)), i + 1},
		})
	}
	for _, k := range s.Keys {
		if key := storyKey(k.Do); key != "" {
			out = append(out, settingLine{{normal, "  ", 0}, {roleKey.style(), pad(key, name+2), 0}, {normal, cut(k.Does, max(width-name-6, 0)), 0}})
		}
	}
	return out
}

// settingsFlow is all settings one after the other, what the one under the
// cursor is, and the keys.
func settingsFlow(s *Story, v *View, width int) (out []settingLine) {
	var line settingLine
	x := 0
	add := func(w int, parts ...settingPart) {
		if x > 0 && x+w > width-1 {
			out, line, x = append(out, line), nil, 0
		}
		line, x = append(line, parts...), x+w
	}
	flush := func() {
		if len(line) > 0 {
			out, line, x = append(out, line), nil, 0
		}
	}
	for i := range s.Settings {
		t := &s.Settings[i]
		add(cells(t.Name)+cells(t.Value)+4, settingMark(s, v, i), settingPart{normal, t.Name + " ", i + 1}, settingPart{strong, t.Value + "  ", i + 1})
	}
	flush()
	if at := settingAt(s, v); at >= 0 {
		out = append(out, settingLine{{dim, "  " + cut(s.Settings[at].Name+": "+s.Settings[at].Why, width-3), 0}})
	}
	for _, k := range s.Keys {
		if key := storyKey(k.Do); key != "" {
			add(cells(key)+cells(k.Does)+5, settingPart{roleKey.style(), "  " + key + " ", 0}, settingPart{normal, k.Does + "  ", 0})
		}
	}
	flush()
	return out
}

// settingAt is the setting under the cursor; -1 where there is none.
func settingAt(s *Story, v *View) int {
	return min(max(v.Setting, 0), len(s.Settings)-1)
}

func settingMark(s *Story, v *View, i int) settingPart {
	if i == settingAt(s, v) {
		return settingPart{roleCursor.style(), " ▶", i + 1}
	}
	return settingPart{normal, "  ", 0}
}

func pad(s string, width int) string { return s + strings.Repeat(" ", max(width-cells(s), 0)) }

func drawSettings(a area, lines []settingLine) {
	if a.h == 0 || len(lines) == 0 {
		return
	}
	drawTitle(a.row(0), "settings", "h l choose, + - change")
	drawSettingLines(a.rows(1, a.h-1), lines)
}

func drawSettingLines(a area, lines []settingLine) {
	for y, line := range lines {
		x := 0
		for _, p := range line {
			from := x
			if x = a.text(x, y, p.st, p.text); p.item > 0 {
				a.sub(from, y, x-from, 1).zone(hit{own: hitSetting, item: p.item - 1})
			}
		}
	}
}

// drawStoryEvents lists what happened, the newest first.
func drawStoryEvents(a area, s *Story) {
	if a.h == 0 {
		return
	}
	drawTitle(a.row(0), "what happened", "newest first")
	for y := 1; y < a.h && y <= len(s.Events); y++ {
		e := &s.Events[len(s.Events)-y]
		drawStoryEvent(a.row(y), e)
	}
}

func drawStoryEvent(a area, e *StoryEvent) {
	a.right(8, 0, dim, lasting(e.After.Truncate(time.Second)))
	if e.Mark {
		a.text(9, 0, roleSoon.style(), "!")
	}
	a.text(11, 0, normal, cut(e.Text, a.w-12))
}

// storyList is all of a story but its charts, a line each, for where there is no
// room for panes.
func storyList(s *Story, v *View, w int, ascii bool) *canvas {
	settings := settingsFlow(s, v, w)
	now := strings.Split(ansi.Wrap(s.Now, max(w-2, 1), ""), "\n")
	c := newCanvas(w, 3+len(now)+len(s.Numbers)+len(settings)+len(s.Events), ascii)
	a := c.all()
	a.text(1, 0, title, cut(s.Title+"  "+s.lasts(), a.w-1))
	y := 1
	for _, line := range now {
		a.text(1, y, normal, line)
		y++
	}
	wide := 0
	for i := range s.Numbers {
		wide = max(wide, cells(s.Numbers[i].Name))
	}
	for i := range s.Numbers {
		n := &s.Numbers[i]
		a.text(1, y, dim, n.Name)
		x := a.text(wide+3, y, n.style(), storyText(n))
		a.text(x+2, y, dim, cut(n.Note, a.w-x-3))
		y++
	}
	drawSettingLines(a.rows(y, a.h-y), settings)
	y += len(settings)
	for i := len(s.Events) - 1; i >= 0; i-- {
		drawStoryEvent(a.row(y), &s.Events[i])
		y++
	}
	return c
}
