package ui

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A role is what something on screen means. Only this file knows colours.
type role uint8

const (
	roleNormal   role = iota
	roleStrong        // a headline number
	roleDim           // what can be skipped: units, sources, ages
	roleRule          // lines between panes, the empty part of a bar
	roleTitle         // of a pane
	roleHead          // of a column
	roleKey           // a key in the footer
	roleSoon          // !
	roleAct           // !!
	roleActLine       // line 2 when something must be done
	roleUnknown       // ? and what is stale
	roleDown          // x
	rolePaused        // the header while time stands still
	roleNotice        // SIMULATED, INSECURE, an active filter
	roleCursor        // the mark of the selected row
	roleChart         // trends, and the upper third of a chart
	roleChartMid      // its middle
	roleChartLow      // its lower third
	roleLimit         // the line of a limit or a target in a chart
	roleUser          // parts of a core's time
	roleSystem
	roleIRQ
	roleIOWait
	roleSteal
	roleRamp // the first of rampSteps levels of busy
	roles    = roleRamp + rampSteps
	// From here on two cores in one cell, the one above the other: a pair of the
	// levels of busy, as foreground and background.
	rolePair = roles
	styles   = rolePair + rampSteps*rampSteps
)

const rampSteps = 6

// A style is a role, perhaps on the selected row.
type style uint8

const selected style = 0x80

func (s style) role() role { return role(s &^ selected) }

func (r role) style() style { return style(r) }

const (
	normal  = style(roleNormal)
	strong  = style(roleStrong)
	dim     = style(roleDim)
	rule    = style(roleRule)
	title   = style(roleTitle)
	head    = style(roleHead)
	unknown = style(roleUnknown)
)

// busyStyle is the colour of a share 0..1 of being busy.
func busyStyle(share float64) style {
	return style(roleRamp) + style(rampLevel(share))
}

// pairStyle is the colour of two cores in one cell: of ▀ the upper is the
// foreground, of ▄ what is given first is.
func pairStyle(fg, bg float64) style {
	return style(rolePair) + style(rampLevel(fg)*rampSteps+rampLevel(bg))
}

// rampLevel is 0..rampSteps-1.
func rampLevel(share float64) int { return min(max(int(share*rampSteps), 0), rampSteps-1) }

// graphic roles keep their shape on the selected row where that can only be
// shown by reversing: a reversed bar would say the opposite.
func (r role) graphic() bool {
	return r == roleRule || r >= roleChart && r <= roleChartLow || r >= roleUser
}

// furniture may be faint: nothing is lost with it.
func (r role) furniture() bool { return r == roleRule || r == roleLimit }

// ink is how one role looks. Zero is the terminal's own.
type ink struct {
	fg      colour
	c16     int // 1 + the number among the sixteen
	bold    bool
	reverse bool
}

// colour is 0xRRGGBB with a bit that says it is one.
type colour uint32

const (
	set colour = 1 << 24

	black, red, yellow, blue, magenta, cyan = 1, 2, 4, 5, 6, 7
	grey, brightRed, brightBlue             = 9, 10, 13
)

func hex(v uint32) colour { return set | colour(v) }

// look is one theme. Where paper is set the whole screen is painted with it,
// so that a light theme holds on a dark terminal; else the terminal's own
// background is assumed to be one of those it is made for.
type look struct {
	selection colour // behind the selected row
	text      colour // on the selection and on paper, where a role has no colour
	paper     colour
	on        []colour
	ink       [roles]ink
	// heat is the ramp of cells that are all colour, from the 256 that every
	// terminal of so many shows alike; zero: there are none.
	heat [rampSteps]colour
}

// Okabe and Ito's colours where something is said; see theme_test.go for the
// contrasts they must keep.
var looks = map[string]*look{
	"dark": {
		selection: hex(0x1a2838),
		text:      hex(0xe4e8ec),
		// What is dark: black, and the grounds of palettes that many use
		// (Ubuntu, Solarized, Gruvbox, One, Dracula, Tokyo Night, Nord).
		on: []colour{
			hex(0x000000), hex(0x1e1e1e), hex(0x300a24), hex(0x002b36), hex(0x282828),
			hex(0x282c34), hex(0x282a36), hex(0x1a1b26), hex(0x2e3440),
		},
		heat: [rampSteps]colour{
			hex(0x005f87), hex(0x0087af), hex(0x00afaf), hex(0x5fd787), hex(0xd7d75f), hex(0xffff5f),
		},
		ink: [roles]ink{
			roleStrong:   {bold: true},
			roleDim:      {fg: hex(0x9aa3ad)},
			roleRule:     {fg: hex(0x4a525c), c16: grey},
			roleTitle:    {fg: hex(0xb8c4d0), bold: true},
			roleHead:     {fg: hex(0x9aa3ad)},
			roleKey:      {bold: true},
			roleSoon:     {fg: hex(0xf2b53c), c16: yellow},
			roleAct:      {fg: hex(0xf5855a), c16: brightRed, bold: true},
			roleActLine:  {fg: hex(0xf5855a), c16: brightRed, bold: true, reverse: true},
			roleUnknown:  {fg: hex(0x98a0a8), c16: grey},
			roleDown:     {fg: hex(0x98a0a8), c16: grey},
			rolePaused:   {bold: true, reverse: true},
			roleNotice:   {bold: true, reverse: true},
			roleCursor:   {bold: true},
			roleChart:    {fg: hex(0x8fbbe2), c16: brightBlue},
			roleChartMid: {fg: hex(0x7cacd8), c16: brightBlue},
			roleChartLow: {fg: hex(0x6da1d2), c16: brightBlue},
			roleLimit:    {fg: hex(0x8a939d), c16: grey},
			roleUser:     {fg: hex(0x7aa6e6), c16: brightBlue},
			roleSystem:   {fg: hex(0xd9c45c), c16: yellow},
			roleIRQ:      {fg: hex(0xf7f0d8)},
			roleIOWait:   {fg: hex(0x9d9d9d), c16: grey},
			roleSteal:    {fg: hex(0xcc9ad0), c16: magenta},
			roleRamp:     {fg: hex(0x7aa6e6), c16: brightBlue},
			roleRamp + 1: {fg: hex(0x80b2cf), c16: brightBlue},
			roleRamp + 2: {fg: hex(0x92bfae), c16: cyan},
			roleRamp + 3: {fg: hex(0xb4c98a), c16: cyan},
			roleRamp + 4: {fg: hex(0xdcd267), c16: yellow},
			roleRamp + 5: {fg: hex(0xffe945), c16: yellow},
		},
	},
	"light": {
		selection: hex(0xdde9f6),
		text:      hex(0x1a1a1a),
		paper:     hex(0xffffff),
		heat: [rampSteps]colour{
			hex(0x87d7ff), hex(0x5fafd7), hex(0x0087af), hex(0x005f87), hex(0x303030), hex(0x000000),
		},
		ink: [roles]ink{
			roleStrong:   {bold: true},
			roleDim:      {fg: hex(0x55595e)},
			roleRule:     {fg: hex(0xb4bac0), c16: grey},
			roleTitle:    {fg: hex(0x2f3a46), bold: true},
			roleHead:     {fg: hex(0x55595e)},
			roleKey:      {bold: true},
			roleSoon:     {fg: hex(0x746400), c16: magenta},
			roleAct:      {fg: hex(0x800000), c16: red, bold: true},
			roleActLine:  {fg: hex(0x800000), c16: red, bold: true, reverse: true},
			roleUnknown:  {fg: hex(0x585858)},
			roleDown:     {fg: hex(0x585858)},
			rolePaused:   {bold: true, reverse: true},
			roleNotice:   {bold: true, reverse: true},
			roleCursor:   {bold: true},
			roleChart:    {fg: hex(0x1f5a99), c16: blue},
			roleChartMid: {fg: hex(0x2a66a5), c16: blue},
			roleChartLow: {fg: hex(0x2d68a8), c16: blue},
			roleLimit:    {fg: hex(0x6a6f75), c16: grey},
			roleUser:     {fg: hex(0x2a66a5), c16: blue},
			roleSystem:   {fg: hex(0x7d5200), c16: magenta},
			roleIRQ:      {fg: hex(0x1c1c1c)},
			roleIOWait:   {fg: hex(0x5f6368)},
			roleSteal:    {fg: hex(0x8a3a7c), c16: red},
			roleRamp:     {fg: hex(0x2a66a5), c16: blue},
			roleRamp + 1: {fg: hex(0x2c5c88), c16: blue},
			roleRamp + 2: {fg: hex(0x36536b), c16: blue},
			roleRamp + 3: {fg: hex(0x464a4c), c16: black},
			roleRamp + 4: {fg: hex(0x453c20), c16: black},
			roleRamp + 5: {fg: hex(0x332200), c16: black},
		},
	},
	"projector": {
		selection: hex(0xe4edf8),
		text:      hex(0x000000),
		paper:     hex(0xffffff),
		ink: [roles]ink{
			roleStrong:   {bold: true},
			roleDim:      {fg: hex(0x2a2a2a)},
			roleRule:     {fg: hex(0x9a9a9a), c16: black},
			roleTitle:    {bold: true},
			roleHead:     {fg: hex(0x2a2a2a)},
			roleKey:      {bold: true},
			roleSoon:     {fg: hex(0x5f00d7), bold: true},
			roleAct:      {fg: hex(0x870000), bold: true}, // of the sixteen only black and blue are sure of 7:1
			roleActLine:  {fg: hex(0x870000), bold: true, reverse: true},
			roleUnknown:  {fg: hex(0x3a3a3a)},
			roleDown:     {fg: hex(0x3a3a3a)},
			rolePaused:   {bold: true, reverse: true},
			roleNotice:   {bold: true, reverse: true},
			roleCursor:   {bold: true},
			roleChart:    {fg: hex(0x0a1f6b), c16: blue},
			roleChartMid: {fg: hex(0x0a2387), c16: blue},
			roleChartLow: {fg: hex(0x0a2899), c16: blue},
			roleLimit:    {fg: hex(0x444444), c16: black},
			roleUser:     {fg: hex(0x0a2387), c16: blue},
			roleSystem:   {fg: hex(0x5f0000)},
			roleIRQ:      {fg: hex(0x000000)},
			roleIOWait:   {fg: hex(0x3a3a3a)},
			roleSteal:    {fg: hex(0x6a1f60), c16: black},
			roleRamp:     {fg: hex(0x0a2899), c16: blue},
			roleRamp + 1: {fg: hex(0x12267f), c16: blue},
			roleRamp + 2: {fg: hex(0x1a2262), c16: blue},
			roleRamp + 3: {fg: hex(0x1c1e44), c16: black},
			roleRamp + 4: {fg: hex(0x1c1628), c16: black},
			roleRamp + 5: {fg: hex(0x160c0c), c16: black},
		},
	},
	"mono": {
		ink: [roles]ink{
			roleStrong:  {bold: true},
			roleTitle:   {bold: true},
			roleKey:     {bold: true},
			roleSoon:    {bold: true},
			roleAct:     {bold: true, reverse: true},
			roleActLine: {bold: true, reverse: true},
			rolePaused:  {bold: true, reverse: true},
			roleNotice:  {bold: true, reverse: true},
			roleCursor:  {bold: true},
		},
	},
}

// Themes are the names that Options.Theme takes, in the order in which `t`
// goes through them.
func Themes() []string { return []string{"dark", "light", "projector", "mono"} }

// A Theme is how everything looks: colours for one depth, and the character
// set. The zero Theme has no attributes at all.
type Theme struct {
	name    string
	ascii   bool
	letters bool // parts of a core's time are told apart by letters
	painted bool // every cell has a background of ours
	pairs   bool // two cores fit in a cell, told apart by colour alone
	seq     *[2 * styles]string
}

// NewTheme returns the named theme ("" is dark) for a terminal that knows
// 1<<bits colours (24, 8, 4; anything less is none: bold and reverse only), in
// ASCII alone if that is all it can show. An unknown name is an error that
// lists the known ones.
func NewTheme(name string, bits int, ascii bool) (Theme, error) {
	if name == "" {
		name = "dark"
	}
	lk, ok := looks[name]
	if !ok {
		return Theme{}, fmt.Errorf("no theme %q: use one of %s", name, strings.Join(Themes(), ", "))
	}
	if bits < 4 {
		bits, lk = 0, looks["mono"]
	}
	th := Theme{
		name: name, ascii: ascii, letters: ascii || bits <= 4 || name == "mono",
		painted: lk.paper != 0, seq: new([2 * styles]string), pairs: lk.heat[0] != 0 && bits >= 8 && !ascii,
	}
	for r := range roles {
		th.seq[r] = lk.sequence(r, bits, false)
		th.seq[styles+r] = lk.sequence(r, bits, true)
	}
	if th.pairs {
		lk.pairs(th.seq, bits)
	}
	return th, nil
}

// pairs makes the sequences of two levels in one cell, which are the same on the
// selected row.
func (lk *look) pairs(seq *[2 * styles]string, bits int) {
	write := rgb
	if bits < 24 {
		write = xterm
	}
	var fg, bg [rampSteps]string
	for i, c := range lk.heat {
		prefix := ";2;"
		if bits < 24 {
			prefix = ";5;"
		}
		fg[i], bg[i] = string(write(nil, ";38"+prefix, c)), string(write(nil, ";48"+prefix, c))
	}
	for i := range rampSteps * rampSteps {
		s := "\x1b[" + fg[i/rampSteps] + bg[i%rampSteps] + "m"
		seq[rolePair+role(i)], seq[styles+rolePair+role(i)] = s, s
	}
}

// Name is one of Themes, or "" for the zero Theme.
func (th Theme) Name() string { return th.name }

// next is the theme that follows this one when `t` is pressed.
func nextTheme(name string) string {
	all := Themes()
	return all[(slices.Index(all, name)+1)%len(all)]
}

// sequence is what switches the terminal to st, whatever was before.
func (th Theme) sequence(st style) string {
	if th.seq == nil {
		return ""
	}
	if st&selected != 0 {
		return th.seq[styles+st.role()]
	}
	return th.seq[st.role()]
}

const resetStyle = "\x1b[m"

// sequence switches to a role. It begins with a reset, so that it holds after
// any other.
func (lk *look) sequence(r role, bits int, sel bool) string {
	k := lk.ink[r]
	fg, bg := k.fg, lk.paper
	deep := bits >= 8 && lk.selection != 0
	if sel && deep {
		bg = lk.selection
	}
	if fg == 0 && bg != 0 {
		fg = lk.text
	}
	b := []byte("\x1b[")
	// Many terminals draw bold black of the sixteen as grey.
	if greyed := !deep && bits >= 4 && lk.paper != 0 && k.c16 <= black && !k.reverse; k.bold && !greyed {
		b = append(b, ";1"...)
	}
	if k.reverse || sel && !deep && !r.graphic() {
		b = append(b, ";7"...)
	}
	switch {
	case bits >= 24:
		b = rgb(rgb(b, ";38;2;", fg), ";48;2;", bg)
	case bits >= 8:
		b = xterm(xterm(b, ";38;5;", fg), ";48;5;", bg)
	case bits >= 4:
		b = sixteen(b, k.c16, lk.paper != 0)
	}
	return string(append(b, 'm'))
}

// sixteen adds a colour of the sixteen; on paper that is bright white, under
// black where a role has no colour.
func sixteen(b []byte, c16 int, paper bool) []byte {
	if c16 == 0 && paper {
		c16 = black
	}
	if n := c16 - 1; n >= 8 {
		b = strconv.AppendInt(append(b, ';'), int64(90+n-8), 10)
	} else if n >= 0 {
		b = strconv.AppendInt(append(b, ';'), int64(30+n), 10)
	}
	if paper {
		b = append(b, ";107"...)
	}
	return b
}

func rgb(b []byte, prefix string, c colour) []byte {
	if c&set == 0 {
		return b
	}
	return fmt.Appendf(b, "%s%d;%d;%d", prefix, c>>16&255, c>>8&255, c&255)
}

func xterm(b []byte, prefix string, c colour) []byte {
	if c&set == 0 {
		return b
	}
	return strconv.AppendInt(append(b, prefix...), int64(nearest(c)), 10)
}

// nearest is the number of the colour closest to c among the 240 that every
// terminal of 256 colours shows alike.
func nearest(c colour) int {
	best, at := 1<<30, 16
	for i := 16; i < 256; i++ {
		p := palette(i)
		d := 0
		for shift := 0; shift <= 16; shift += 8 {
			x := int(c>>shift&255) - int(p>>shift&255)
			d += x * x
		}
		if d < best {
			best, at = d, i
		}
	}
	return at
}

// palette is colour 16..255 of xterm's table.
func palette(i int) colour {
	if i >= 232 {
		g := colour(8 + 10*(i-232))
		return set | g<<16 | g<<8 | g
	}
	step := func(n int) colour {
		if n == 0 {
			return 0
		}
		return colour(55 + 40*n)
	}
	i -= 16
	return set | step(i/36)<<16 | step(i/6%6)<<8 | step(i%6)
}
