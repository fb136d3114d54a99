package ui

import (
	"bytes"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"capmon/fleet"
)

// screenOf plays what a painter sent into a grid, as a terminal would: enough
// of one to see that differences add up to the whole picture.
type screenOf struct {
	w, h, x, y int
	lenient    bool // what sticks out is left out: it was drawn for another size
	cells      [][]string
}

func newScreenOf(w, h int) *screenOf {
	s := &screenOf{w: w, h: h}
	for range h {
		s.cells = append(s.cells, make([]string, w))
	}
	return s
}

func (s *screenOf) play(t *testing.T, b string) {
	t.Helper()
	for b != "" {
		if b[0] == '\r' {
			s.x, b = 0, b[1:]
			continue
		}
		if rest, ok := strings.CutPrefix(b, askBackground); ok {
			b = rest
			continue
		}
		if strings.HasPrefix(b, "\x1b[") {
			end := strings.IndexFunc(b[2:], func(r rune) bool { return r >= '@' && r <= '~' }) + 2
			if end < 2 { // cut off by the end of a read
				return
			}
			s.control(t, b[2:end], b[end])
			b = b[end+1:]
			continue
		}
		c, width := ansi.FirstGraphemeCluster(b, ansi.GraphemeWidth)
		b = b[len(c):]
		if s.x+width > s.w && s.lenient {
			continue
		}
		if s.x+width > s.w {
			t.Fatalf("%q sticks out of line %d", c, s.y)
		}
		s.cells[s.y][s.x] = c
		for i := 1; i < width; i++ {
			s.cells[s.y][s.x+i] = "\x00"
		}
		s.x += width
	}
}

func (s *screenOf) control(t *testing.T, args string, final byte) {
	t.Helper()
	switch final {
	case 'H':
		s.y, s.x = 0, 0
		row, column, _ := strings.Cut(args, ";")
		s.y, s.x = max(atoi(row), 1)-1, max(atoi(column), 1)-1
		if s.lenient {
			s.y = min(s.y, s.h-1)
		}
	case 'K':
		clear(s.cells[s.y][min(s.x, s.w):])
	case 'J':
		for _, l := range s.cells {
			clear(l)
		}
	case 'm':
	case 'h', 'l':
		if !strings.HasPrefix(args, "?") {
			t.Fatalf("mode %q", args)
		}
	default:
		t.Fatalf("the painter sent %q", args+string(final))
	}
}

func atoi(s string) (n int) {
	for _, r := range s {
		n = n*10 + int(r-'0')
	}
	return n
}

func (s *screenOf) text() string {
	var lines []string
	for _, l := range s.cells {
		var b strings.Builder
		for _, c := range l {
			switch c {
			case "":
				b.WriteByte(' ')
			case "\x00":
			default:
				b.WriteString(c)
			}
		}
		lines = append(lines, strings.TrimRight(b.String(), " "))
	}
	return strings.Join(lines, "\n")
}

func trimmed(s string) string {
	lines := strings.Split(ansi.Strip(s), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

func TestDifferencesAddUp(t *testing.T) {
	for _, name := range []string{"dark", "light", "mono"} {
		th := theme(t, name, 24, false)
		var out bytes.Buffer
		p := &painter{out: &out, active: true}
		s := newScreenOf(120, 40)
		all := scenes()
		for round := range 2 {
			for _, scene := range []string{"three", "act", "wide", "hostile", "many", "one", "nothing", "stale", "down", "128 cores"} {
				c := newCanvas(120, 40, false)
				f, v := all[scene], View{Screen: Screen(round)}
				draw(c, &f, &v, th)
				out.Reset()
				p.show(c, th)
				if _, err := p.Write([]byte(ansi.CursorHomePosition + "\r1")); err != nil {
					t.Fatal(err)
				}
				s.play(t, out.String())
				if got, want := s.text(), trimmed(Render(f, v, 120, 40, th)); got != want {
					t.Fatalf("%s, %s: the terminal shows\n%s\nnot\n%s", name, scene, got, want)
				}
			}
		}
	}
}

func TestNothingChangedNothingSent(t *testing.T) {
	var out bytes.Buffer
	p := &painter{out: &out, active: true}
	th := theme(t, "dark", 24, false)
	f := scenes()["act"]
	for i := range 3 {
		c := newCanvas(120, 40, false)
		draw(c, &f, &View{}, th)
		out.Reset()
		p.show(c, th)
		if _, err := p.Write([]byte(ansi.CursorHomePosition + "\r1")); err != nil {
			t.Fatal(err)
		}
		if sent := out.Len(); (sent > 0) != (i == 0) {
			t.Errorf("write %d sent %d bytes", i, sent)
		}
	}
	if _, err := p.Write([]byte("\x1b[2J")); err != nil || out.String() != "\x1b[2J" {
		t.Errorf("erasing sent %q, %v", out.String(), err)
	}
	if _, err := p.Write([]byte(ansi.CursorHomePosition + "\r1")); err != nil || out.Len() < 2000 {
		t.Errorf("after erasing only %d bytes were sent, %v", out.Len(), err)
	}
}

// TestBytesPerFrame prints what a busy second costs on the wire, and holds it
// to the budget of 6 kB at 120 x 40 with 50 hosts.
func TestBytesPerFrame(t *testing.T) {
	th := theme(t, "dark", 24, false)
	var out bytes.Buffer
	p := &painter{out: &out, active: true}
	sent := 0
	const frames = 20
	for i := range frames + 1 {
		f := fixture{hosts: 50, cores: 64, level: fleet.OK, limited: true}.frame()
		for k := range f.Hosts {
			h := &f.Hosts[k]
			move := 0.06 * wave(k, float64(i)*7)
			h.CPU.V += move
			h.RPS.V += 400 * move
			h.Connections.V += float64(i)
			h.Trend = append(h.Trend[i:], h.Trend[:i]...)
			for c := range h.Cores {
				h.Cores[c] = min(max(h.Cores[c]+0.06*wave(k+c, float64(i)*7), 0), 1)
			}
		}
		c := newCanvas(120, 40, false)
		draw(c, &f, &View{}, th)
		out.Reset()
		p.show(c, th)
		if _, err := p.Write([]byte(ansi.CursorHomePosition + "\r1")); err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			sent += out.Len()
		}
	}
	t.Logf("%d bytes a frame", sent/frames)
	if sent/frames > 6000 {
		t.Errorf("%d bytes a frame, 6000 allowed", sent/frames)
	}
}
