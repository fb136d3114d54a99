package ui

import (
	"strings"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// A cell is one place of the terminal. Char is a rune, 0 for a blank, follows
// for the right half of a wide character, or -1-i for canvas.clusters[i].
type cell struct {
	char  rune
	style style
}

const follows rune = utf8.MaxRune + 1

// A canvas is a grid of cells. Whatever is drawn outside of it is lost, so a
// frame always fits.
type canvas struct {
	w, h     int
	ascii    bool
	cells    []cell
	clusters []string // characters of more than one rune
	zones    []zone   // what can be clicked, later ones on top
}

// A hit is what a click on a part of the screen means; one of them.
type hit struct {
	do   action // as if its key had been pressed
	host string // this host under the cursor; twice: enter
	sort Sort   // with by: rows in this order
	by   bool
	item int // with own: item of the screen's list, or place on its time axis, from 0
	own  ownHit
}

// ownHit is a hit that only the screen it is on understands.
type ownHit uint8

// A zone is a rectangle that can be clicked.
type zone struct {
	area area
	hit  hit
}

// zone makes the area mean something to the mouse.
func (a area) zone(h hit) {
	if a.w > 0 && a.h > 0 {
		a.c.zones = append(a.c.zones, zone{a, h})
	}
}

func newCanvas(w, h int, ascii bool) *canvas {
	w, h = max(w, 0), max(h, 0)
	return &canvas{w: w, h: h, ascii: ascii, cells: make([]cell, w*h)}
}

// clear blanks the canvas for another frame of the same size.
func (c *canvas) clear() {
	clear(c.cells)
	c.clusters = c.clusters[:0]
	c.zones = c.zones[:0]
}

// same says whether both show the same picture.
func (c *canvas) same(o *canvas) bool {
	if o == nil || c.w != o.w || c.h != o.h {
		return false
	}
	for i := range c.cells {
		if !c.sameCell(o, i) {
			return false
		}
	}
	return true
}

func (c *canvas) sameCell(o *canvas, i int) bool {
	a, b := c.cells[i], o.cells[i]
	if a.char >= 0 || b.char >= 0 {
		return a == b
	}
	return a.style == b.style && c.clusters[-1-a.char] == o.clusters[-1-b.char]
}

// set puts one character of the given width at x, y, and mends a wide
// character that it cuts in two.
func (c *canvas) set(x, y, width int, char rune, st style) {
	row := c.cells[y*c.w : (y+1)*c.w]
	if row[x].char == follows && x > 0 {
		row[x-1].char = 0
	}
	if end := x + width; end < c.w && row[end].char == follows {
		row[end].char = 0
	}
	row[x] = cell{char, st}
	for i := 1; i < width; i++ {
		row[x+i] = cell{follows, st}
	}
}

// An area is a rectangle of a canvas; its own corner is 0, 0.
type area struct {
	c          *canvas
	x, y, w, h int
}

func (c *canvas) all() area { return area{c: c, w: c.w, h: c.h} }

// sub is the part of a that begins at x, y, clipped to a.
func (a area) sub(x, y, w, h int) area {
	x, y = min(max(x, 0), a.w), min(max(y, 0), a.h)
	return area{a.c, a.x + x, a.y + y, max(0, min(w, a.w-x)), max(0, min(h, a.h-y))}
}

// row is line y of a; rows is n lines from y.
func (a area) row(y int) area     { return a.sub(0, y, a.w, 1) }
func (a area) rows(y, n int) area { return a.sub(0, y, a.w, n) }

// text draws s at x, y, clipped to the area, and returns the x after it.
func (a area) text(x, y int, st style, s string) int {
	if y < 0 || y >= a.h {
		return x
	}
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if easy(r) && easyNext(s[n:]) { // the usual case, without a table
			if r < ' ' || r == 0x7f {
				r = '?'
			}
			s = s[n:]
			x = a.put(x, y, 1, r, st)
			continue
		}
		cluster, width := ansi.FirstGraphemeCluster(s, ansi.GraphemeWidth)
		if cluster == "" {
			break
		}
		s = s[len(cluster):]
		x = a.cluster(x, y, width, cluster, st)
	}
	return x
}

// easy holds for characters of one cell that need no table: ASCII and the
// blocks and lines we draw with.
func easy(r rune) bool { return r < utf8.RuneSelf || r >= 0x2500 && r <= 0x259f }

// easyNext says whether what follows cannot belong to the character before.
func easyNext(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return easy(r) || len(s) == 0
}

func (a area) cluster(x, y, width int, s string, st style) int {
	r, n := utf8.DecodeRuneInString(s)
	switch {
	case r == utf8.RuneError || r >= 0x80 && r < 0xa0 || bidi(r): // a terminal might obey these
		return a.put(x, y, 1, '?', st)
	case width <= 0: // nothing to see, and nothing a cell can hold
		return x
	case width > 2:
		width, n = 2, 0
		s = "??"
	}
	if n == len(s) {
		return a.put(x, y, width, r, st)
	}
	if a.c.ascii || unsafe(s) {
		for range width {
			x = a.put(x, y, 1, '?', st)
		}
		return x
	}
	if x >= 0 && x+width <= a.w {
		a.c.clusters = append(a.c.clusters, s)
		a.c.set(a.x+x, a.y+y, width, rune(-len(a.c.clusters)), st)
	}
	return x + width
}

// bidi holds for the marks that reorder what stands around them.
func bidi(r rune) bool {
	return r >= 0x200e && r <= 0x200f || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}

// unsafe holds for a cluster with something in it that is not text.
func unsafe(s string) bool {
	for _, r := range s {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == utf8.RuneError || bidi(r) {
			return true
		}
	}
	return false
}

// put draws one character; one that would stick out is left out whole.
func (a area) put(x, y, width int, r rune, st style) int {
	if x < 0 || x+width > a.w || y < 0 || y >= a.h {
		return x + width
	}
	if a.c.ascii && r >= utf8.RuneSelf {
		r = plain(r)
		for i := range width {
			a.c.set(a.x+x+i, a.y+y, 1, r, st)
		}
		return x + width
	}
	a.c.set(a.x+x, a.y+y, width, r, st)
	return x + width
}

// right draws s so that it ends before x.
func (a area) right(x, y int, st style, s string) {
	a.text(x-cells(s), y, st, s)
}

// fill repeats r from x over n cells.
func (a area) fill(x, y, n int, r rune, st style) {
	if y < 0 || y >= a.h {
		return
	}
	for i := max(x, 0); i < min(x+n, a.w); i++ {
		a.put(i, y, 1, r, st)
	}
}

// paint gives a whole line another style, whatever stands in it.
func (a area) paint(y int, change func(style) style) {
	if y < 0 || y >= a.h {
		return
	}
	row := a.c.cells[(a.y+y)*a.c.w+a.x:]
	for i := range a.w {
		row[i].style = change(row[i].style)
	}
}

// cells is how many places s takes.
func cells(s string) int {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return ansi.StringWidth(s)
		}
	}
	return len(s)
}

// cut shortens s to n cells at its end.
func cut(s string, n int) string {
	if cells(s) <= n {
		return s
	}
	return ansi.Truncate(s, max(n, 0), "…")
}

// cutMiddle shortens a name to n cells in its middle, where names of a fleet
// differ least: web-eu…-017.
func cutMiddle(s string, n int) string {
	w := cells(s)
	if w <= n {
		return s
	}
	if n < 3 {
		return ansi.Truncate(s, max(n, 0), "")
	}
	tail := (n - 1) / 2
	head := ansi.Truncate(s, n-1-tail, "")
	return head + "…" + ansi.TruncateLeft(s, w-tail, "")
}

// plain is the ASCII character that stands for r.
func plain(r rune) rune {
	switch {
	case r >= '▁' && r <= '█':
		return '#'
	case strings.ContainsRune("─┄┈━—–−", r):
		return '-'
	case strings.ContainsRune("│┊", r):
		return '|'
	case strings.ContainsRune("┬┴┼├┤┌┐└┘", r):
		return '+'
	}
	switch r {
	case '▶', '→', '▸', '›':
		return '>'
	case '◂', '←', '‹', '◄':
		return '<'
	case '×':
		return 'x'
	case 'µ':
		return 'u'
	case '░', '·':
		return '.'
	case '…':
		return '~'
	case '↑', '▲':
		return '^'
	case '↓', '▼':
		return 'v'
	case '≥':
		return '>'
	case '≤':
		return '<'
	case '±':
		return '+'
	case '“', '”', '’', '‘':
		return '\''
	case '\u00a0':
		return ' '
	}
	return '_'
}

// String is the frame as lines of text with colour sequences, without blanks
// at their ends.
func (c *canvas) String(th Theme) string {
	var b strings.Builder
	b.Grow(len(c.cells) * 2)
	for y := range c.h {
		if y > 0 {
			b.WriteByte('\n')
		}
		end := c.lineEnd(y)
		if th.painted {
			end = c.w
		}
		c.writeRun(&b, th, y, 0, end)
	}
	return b.String()
}

// lineEnd is the x after the last cell of line y that shows anything.
func (c *canvas) lineEnd(y int) int {
	row := c.cells[y*c.w : (y+1)*c.w]
	x := c.w
	for x > 0 && (row[x-1].char == 0 || row[x-1].char == ' ') && row[x-1].style == 0 {
		x--
	}
	return x
}

type textWriter interface {
	WriteString(s string) (int, error)
	WriteRune(r rune) (int, error)
	WriteByte(b byte) error
}

// writeRun writes cells from..to of line y, from a terminal without attributes
// to one without.
func (c *canvas) writeRun(b textWriter, th Theme, y, from, to int) {
	at, plain := normal, !th.painted
	for _, cl := range c.cells[y*c.w+from : y*c.w+to] {
		if cl.char == follows {
			continue
		}
		if cl.style != at || !plain {
			at, plain = cl.style, true
			_, _ = b.WriteString(th.sequence(at))
		}
		switch {
		case cl.char == 0:
			_ = b.WriteByte(' ')
		case cl.char < 0:
			_, _ = b.WriteString(c.clusters[-1-cl.char])
		default:
			_, _ = b.WriteRune(cl.char)
		}
	}
	if (at != normal || th.painted && to > from) && th.seq != nil {
		_, _ = b.WriteString(resetStyle)
	}
}
