package ui

import (
	"bytes"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/term"
)

// A painter stands between Bubble Tea's renderer and the terminal. The renderer
// wakes ten times a second to see whether there is something to draw, sends
// whole lines, and measures each: that costs more than all of the rest. So the
// painter draws when the model shows a new picture, at once and at most ten
// times a second, and only the cells that differ from what the terminal shows.
// What the renderer sends beside its frames is passed on.
type painter struct {
	out   io.Writer
	later func()           // has show called again, from the program's own goroutine
	clock func() time.Time // nil: no link is slow
	slow  func(bool)       // told when the link becomes slow, and when it no longer is

	mu      sync.Mutex
	active  bool    // the alternate screen is ours
	next    *canvas // to be shown; never changed again
	theme   Theme
	on      *canvas // shown by the terminal; nil: not known
	under   Theme   // with this theme
	buf     bytes.Buffer
	resting bool // something was drawn less than rest ago
	late    bool // and something else is to be
	slowed  bool // slow was told
	quick   int  // pictures written quickly since
}

// rest is the time between two pictures.
const rest = 100 * time.Millisecond

// paintedFile is a painter whose terminal Bubble Tea may ask for its size.
type paintedFile struct {
	*painter
	term.File
}

func (p paintedFile) Write(b []byte) (int, error) { return p.painter.Write(b) }

// show sets the next picture and draws it, now or after a rest.
func (p *painter) show(c *canvas, th Theme) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next, p.theme = c, th
	if p.resting {
		p.late = true
		return
	}
	if n, err := p.draw(); err == nil && n > 0 {
		p.resting = true
		time.AfterFunc(rest, p.rested)
	}
}

func (p *painter) rested() {
	p.mu.Lock()
	late := p.late
	p.resting, p.late = false, false
	p.mu.Unlock()
	if late && p.later != nil {
		p.later()
	}
}

// draw sends what is missing on the terminal.
func (p *painter) draw() (int, error) {
	if !p.active || p.next == nil || p.on == p.next && p.under == p.theme {
		return 0, nil
	}
	p.paint()
	if p.buf.Len() == 0 {
		return 0, nil
	}
	if p.clock == nil {
		return p.out.Write(p.buf.Bytes())
	}
	began := p.clock()
	n, err := p.out.Write(p.buf.Bytes())
	p.timed(p.clock().Sub(began))
	return n, err
}

// timed judges the link by how long a picture took to be taken. What ssh or a
// multiplexer buffers can't be seen from here.
func (p *painter) timed(took time.Duration) {
	was := p.slowed
	switch p.quick++; {
	case took > slowWrite:
		p.slowed, p.quick = true, 0
	case took > quickWrite:
		p.quick = 0
	case p.quick >= quickRuns:
		p.slowed = false
	}
	if p.slow != nil && p.slowed != was {
		p.slow(p.slowed)
	}
}

// ask sends a question to the terminal, which changes nothing on it.
func (p *painter) ask(q string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = io.WriteString(p.out, q)
}

// Write takes what the renderer sends. Its frames begin at the home position
// and hold only the number of a picture: what is late is drawn instead, so
// that the last one is there before the screen is left. After anything else
// the terminal's contents are not known.
func (p *painter) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if bytes.HasPrefix(b, []byte(ansi.CursorHomePosition)) && len(b) > len(ansi.CursorHomePosition) {
		p.late = false
		if _, err := p.draw(); err != nil {
			return 0, err
		}
		return len(b), nil
	}
	p.on = nil
	if bytes.Contains(b, []byte(ansi.SetModeAltScreenSaveCursor)) {
		p.active = true
	}
	if bytes.Contains(b, []byte(ansi.ResetModeAltScreenSaveCursor)) {
		p.active = false
	}
	return p.out.Write(b)
}

// paint fills buf with what turns the terminal's picture into the next one.
func (p *painter) paint() {
	p.buf.Reset()
	next, th := p.next, p.theme
	whole := p.on == nil || p.on.w != next.w || p.on.h != next.h
	if whole { // once, or lines drawn for another width would stay
		p.buf.WriteString(ansi.EraseEntireScreen)
	}
	whole = whole || p.under != th
	for y := range next.h {
		if whole {
			end := next.lineEnd(y)
			if th.painted {
				end = next.w
			}
			p.line(y, 0, end)
			if end < next.w {
				p.buf.WriteString(ansi.EraseLineRight)
			}
			continue
		}
		p.changes(y)
	}
	p.on, p.under = next, th
}

// gap is how many unchanged cells are sent again rather than skipped: moving
// the cursor costs about as many bytes.
const gap = 6

// changes paints the cells of line y that differ.
func (p *painter) changes(y int) {
	next, on := p.next, p.on
	base := y * next.w
	for x := 0; x < next.w; x++ {
		if next.sameCell(on, base+x) {
			continue
		}
		from, to := x, x+1
		for i := to; i < next.w && i-to < gap; i++ {
			if !next.sameCell(on, base+i) {
				to = i + 1
			}
		}
		for from > 0 && next.cells[base+from].char == follows {
			from--
		}
		for to < next.w && next.cells[base+to].char == follows {
			to++
		}
		p.line(y, from, to)
		x = to
	}
}

// line paints cells from..to of line y, beginning and ending in the normal
// style.
func (p *painter) line(y, from, to int) {
	p.buf.WriteString("\x1b[")
	p.buf.WriteString(strconv.Itoa(y + 1))
	if from > 0 {
		p.buf.WriteByte(';')
		p.buf.WriteString(strconv.Itoa(from + 1))
	}
	p.buf.WriteByte('H')
	p.next.writeRun(&p.buf, p.theme, y, from, to)
}
