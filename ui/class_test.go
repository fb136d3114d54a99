package ui

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"capmon/capacity"
	"capmon/demo/lessons"
	"capmon/fleet"
)

// How far the class of a test is: in lesson 3, at the step C.
type classAt int

const (
	classPredict classAt = iota // of C
	classStarting
	classSeen
	classPoint  // of C: the question of D stands there
	classFailed // C could not begin
)

func classFrame(at classAt) Frame { return classOf(2, at) }

// classOf is a class on a machine of so many cores, with words of the lessons.
func classOf(cores int, at classAt) Frame {
	f := fixture{hosts: 1, cores: cores, level: fleet.OK}.frame()
	workers := lessons.Workers(float64(cores))
	set := lessons.Setting{Cores: float64(cores), Workers: workers, Nice: 10, Lasts: time.Minute}
	busy := float64(workers)
	h := &f.Hosts[0]
	h.CoresUsed = capacity.Known(busy + 0.03)
	for i := range h.Cores {
		h.Cores[i] = 0
		if i < workers {
			h.Cores[i] = 1
		}
	}
	h.Past.Cores = nil
	for i := range cores {
		past := make([]float64, 60)
		for t := range past {
			if i < workers && (t > 40 || t%8 == i) {
				past[t] = 1
			}
		}
		h.Past.Cores = append(h.Past.Cores, past)
	}
	three := lessons.Three()
	steps := []lessons.Step{three[0].Steps[0], three[1].Steps[0], three[2].Steps[0], three[2].Steps[1]}
	c, d := steps[2], steps[3]
	s := &lessons.State{
		Number: 3, Of: 3, Title: three[2].Title, Setting: set, Key: "c", Name: c.Name(set), Asked: c.Question(set), Question: c.Question(set), Next: "c",
		Notes: c.Notes, Command: c.Command(set), Code: c.Code(set), CodeOf: set.Lang.Whose(),
	}
	rows := map[string]lessons.Row{}
	for i, step := range steps {
		r := lessons.Row{Key: step.Key, Name: step.Name(set)}
		r.Processes, r.Threads = step.Shape(set)
		use := []float64{0.998, busy - 0.02, busy - 0.01}
		if i < 2 || i == 2 && at >= classSeen && at != classFailed {
			r.OK, r.Cores, r.One, r.Least = true, capacity.Known(use[i]), capacity.Known(use[i]/float64(r.Processes)), capacity.Known(use[i]/float64(r.Processes)-0.01)
			r.Work, r.Speed = capacity.Known(212e6*use[i]), capacity.Known(use[i]/0.998)
			r.Share = capacity.Known(use[i] / float64(cores))
		}
		rows[r.Key] = r
		s.Rows = append(s.Rows, r)
	}
	m := lessons.Measured{Setting: set, Row: rows["c"], Rows: rows, Moved: 2, Looks: 9}
	switch at {
	case classPredict:
		s.Votes = lessons.Votes{F: 14, S: 9, Same: 7}
		s.Voted = s.Votes
	case classStarting:
		s.Stage, s.Starting = lessons.Running, "starting"
	case classFailed:
		s.Error = "C did not begin: start process 1 of 1: resource temporarily unavailable: this user, container or machine has no room for it: fewer --processes"
	default:
		s.Stage, s.Running, s.Left = lessons.Seen, true, 41*time.Second
		s.Voted, s.Right = lessons.Votes{F: 14, S: 9, Same: 7}, new(bool)
		s.Votes = s.Voted
		s.Seen = c.Seen(m)
		s.Where = map[int]string{0: "thread 1 of process 7431", 1: "thread 2 of process 7431"}
		s.Others = "other programs used 0.40 cores meanwhile: the numbers are lower than they could be"
		if at == classPoint {
			s.Stage, s.Point, s.Question, s.Next, s.Votes = lessons.Point, c.Point(m), d.Question(set), "d", lessons.Votes{F: 3}
		}
	}
	f.Lesson = s
	return f
}

// A lesson fits on every terminal, says what runs and ends in help; where it is
// too small the numbers are there all the same.
func TestAClassFitsEverywhere(t *testing.T) {
	for _, at := range []classAt{classPredict, classStarting, classSeen, classPoint, classFailed} {
		for _, cores := range []int{1, 2, 8, 64, 256} {
			f := classOf(cores, at)
			for _, size := range slices.Concat(sizes, [][2]int{{60, 20}, {79, 23}, {80, 30}, {100, 36}, {160, 45}}) {
				for _, v := range []View{{}, {Big: true}, {Teacher: true}} {
					v.Screen = ClassScreen
					w, h := size[0], size[1]
					for _, ascii := range []bool{false, true} {
						lines := fits(t, Render(f, v, w, h, theme(t, "mono", 0, ascii)), w, h)
						text := strings.Join(lines, "\n")
						if w >= 40 && h >= 6 && !strings.HasSuffix(strings.TrimRight(lines[h-1], " "), "? help") {
							t.Errorf("%dx%d, %d cores: the footer %q does not end in help", w, h, cores, lines[h-1])
						}
						if w >= 20 && h >= 1 && !strings.Contains(text, "lesson 3 of 3") {
							t.Errorf("%dx%d, %d cores: which lesson?\n%s", w, h, cores, text)
						}
						if small := w < classWidth || h < classHeight; small && w >= 40 && h >= 10 && !strings.Contains(text, "too small for a lesson") {
							t.Errorf("%dx%d: it does not say that it is too small:\n%s", w, h, text)
						} else if !small && at == classSeen && !v.Teacher && (!strings.Contains(text, "SEEN") || !strings.Contains(text, "one process shows")) {
							t.Errorf("%dx%d, %d cores: what was seen is not said:\n%s", w, h, cores, text)
						}
						if ascii && strings.ContainsFunc(text, func(r rune) bool { return r >= 0x80 }) {
							t.Errorf("%dx%d: not ASCII:\n%s", w, h, text)
						}
					}
				}
			}
		}
	}
	for w := range 70 {
		for h := range 24 {
			fits(t, Render(classFrame(classPoint), View{Screen: ClassScreen, Big: w%2 == 0}, w, h, Theme{}), w, h)
		}
	}
}

// With a class 6 is the classroom, without one the screen that says how to begin
// one; what was measured is not on screen before it was.
func TestTheClassIsScreenSix(t *testing.T) {
	d := drive(t, 120, 40, classFrame(classPredict))
	if text := d.text(); !strings.Contains(text, "PREDICT") || strings.Contains(text, "SEEN") {
		t.Errorf("it does not begin with a question:\n%s", text)
	}
	d.press("2")
	if d.m.view.Screen != CoresScreen {
		t.Error("2 does not show the cores")
	}
	d.press("shift+tab", "6")
	if d.m.view.Screen != ClassScreen {
		t.Errorf("6 shows screen %d", d.m.view.Screen)
	}
	d.press("tab")
	if d.m.view.Screen != Overview {
		t.Errorf("tab after the last screen shows screen %d", d.m.view.Screen)
	}
	if d = drive(t, 120, 40, nine()).press("6"); d.m.view.Screen != DemoScreen {
		t.Errorf("without a class 6 shows screen %d", d.m.view.Screen)
	}
}

func TestVotesAreTyped(t *testing.T) {
	d := drive(t, 80, 24, classFrame(classPoint)).press("v").typed("f 14 s 9").press("enter")
	want := lessons.Act{Do: lessons.Say, Text: "f 14 s 9"}
	if !slices.Contains(d.lessons, want) {
		t.Errorf("the class was told %+v", d.lessons)
	}
	if d.press("v").typed("q").press("esc"); len(d.lessons) != 1 {
		t.Errorf("what was left was told: %+v", d.lessons)
	}
}

// Keys that are typed so fast that a terminal sends them at once are all taken.
func TestKeysThatComeAtOnce(t *testing.T) {
	d := drive(t, 80, 24, classFrame(classPredict))
	d.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("ssf")})
	slow, fast := lessons.Act{Do: lessons.Vote, Key: "s"}, lessons.Act{Do: lessons.Vote, Key: "f"}
	if want := []lessons.Act{slow, slow, fast}; !slices.Equal(d.lessons, want) {
		t.Errorf("the class was told %+v", d.lessons)
	}
	d.send(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("ss"), Paste: true})
	if len(d.lessons) != 3 {
		t.Error("a paste voted")
	}
}

// Over the classroom help begins with what its keys mean there.
func TestHelpOverTheClass(t *testing.T) {
	text := drive(t, 80, 24, classFrame(classPredict)).press("?").text()
	for _, want := range []string{"over: class", "CLASS", "class: run it", "class: a vote more", "class: save the run"} {
		if !strings.Contains(text, want) {
			t.Errorf("help does not begin with %q:\n%s", want, text)
		}
	}
}

func TestProjectorAndBack(t *testing.T) {
	d := drive(t, 80, 24, classFrame(classPoint)).press("t", "t")
	if got := d.m.theme.Name(); got != "dark" {
		t.Errorf("twice t ends in the theme %s", got)
	}
}

// What is not known is ?, in digits of any size too.
func TestBigDigits(t *testing.T) {
	c := newCanvas(40, 6, true)
	c.all().big(0, 0, 1, normal, "0.5×?%")
	if got, want := bigWidth("0.5×?%", 1), 3+1+2+1+3+1+3+1+3+1+3; got != want {
		t.Errorf("%d cells, want %d", got, want)
	}
	var lines []string
	for line := range strings.SplitSeq(ansi.Strip(c.String(Theme{})), "\n") {
		lines = append(lines, strings.TrimRight(line, " "))
	}
	want := []string{"###    ###     ### # #", "# #    #   # #   #   #", "# #    ###  #   ##  #", "# #      # # #     #", "### ## ###      #  # #", ""}
	if !slices.Equal(lines, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	for _, r := range "0123456789.%×?" {
		if !drawable(string(r)) {
			t.Errorf("no big %c", r)
		}
	}
	for _, v := range []float64{0, 0.004, 0.61, 1, 3.94, 12, 99.99, 1e6} {
		if s := speedUp(capacity.Known(v)); !drawable(strings.ReplaceAll(s, ",", "")) {
			t.Errorf("%s can't be drawn", s)
		}
	}
	before := classFrame(classPredict)
	if s := fmt.Sprint(bigNumbers(&before)); strings.Count(s, "?") != 2 {
		t.Errorf("before its run a step shows %s", s)
	}
}
