package ui

import (
	"strconv"
	"strings"
)

// drawFooter is the last line. While a filter is typed it is the place for
// it; else it names the keys that fit, help always among them.
func drawFooter(a area, f *Frame, v *View, shown int) {
	if a.h == 0 {
		return
	}
	pad := 1
	if a.w < 60 {
		pad = 0
	}
	const helpText = "? help"
	if v.Typing {
		drawTyping(a, v, pad, strconv.Itoa(shown)+" of "+strconv.Itoa(len(f.Hosts)))
		return
	}
	x := pad
	if v.Note != "" {
		x = a.text(x, 0, roleNotice.style(), " "+cut(v.Note, a.w-x-12)+" ") + 2
	} else if v.Filter != "" && v.Screen == Overview {
		s := "filter: " + cutMiddle(v.Filter, max(a.w/3, 4)) + " (" + strconv.Itoa(shown) + " of " + strconv.Itoa(len(f.Hosts)) + ")"
		x = a.text(x, 0, roleNotice.style(), " "+cut(s, a.w-x-12)+" ") + 2
		if room := a.w - x - cells(helpText) - 4; room > len("esc clear") {
			x = drawKey(a, x, "esc clear") + 2
		}
	}
	room := a.w - pad - cells(helpText) - x
	var keys []string
	for _, k := range footKeys(v.Screen) {
		if k.Foot == helpText || k.binds[0].do == actNextPool && !tiers(f) {
			continue
		}
		if v.Paused && k.Foot == "space pause" {
			k.Foot = "space live"
		}
		if room -= cells(k.Foot) + 2; room < 0 {
			break
		}
		keys = append(keys, k.Foot)
	}
	// Leaving and help stand at the end, where one looks for them.
	for i, k := range keys {
		if k == "q quit" {
			keys = append(append(keys[:i:i], keys[i+1:]...), k)
			break
		}
	}
	for _, k := range append(keys, helpText) {
		x = drawKey(a, x, k) + 2
	}
}

// drawKey writes the key bold and what it does plain.
func drawKey(a area, x int, text string) int {
	key, does, _ := strings.Cut(text, " ")
	for _, two := range []string{"[ ]", "- +"} {
		if strings.HasPrefix(text, two) {
			key, does = two, text[len(two)+1:]
		}
	}
	x = a.text(x, 0, roleKey.style(), key)
	return a.text(x+1, 0, dim, does)
}

func drawTyping(a area, v *View, pad int, found string) {
	x := a.text(pad, 0, roleKey.style(), "/")
	text := []rune(v.Filter)
	caret := min(max(v.Caret, 0), len(text))
	room := max(a.w-x-len(found)-28, 8)
	before := string(text[:caret])
	for cells(before) > room && len(before) > 0 { // the caret stays in sight
		r := []rune(before)
		before = string(r[1:])
	}
	x = a.text(x, 0, normal, before)
	under, after := " ", ""
	if caret < len(text) {
		under, after = string(text[caret]), string(text[caret+1:])
	}
	x = a.text(x, 0, roleNotice.style(), under)
	x = a.text(x, 0, normal, cut(after, room))
	hint := found + "   enter keep  esc clear  ? = text"
	if x+2+cells(hint) > a.w {
		hint = found + "  ?"
	}
	a.right(a.w-pad, 0, dim, hint)
}

// drawStatus says what is chosen: filter, order, units.
func drawStatus(a area, v *View, shown, hosts int) {
	filter := "none"
	if v.Filter != "" {
		filter = v.Filter + " (" + strconv.Itoa(shown) + " of " + strconv.Itoa(hosts) + ")"
	}
	order := "steady (f)"
	if v.Loose {
		order = "re-sorts every 5s (f)"
	}
	by := v.Sort.String()
	if v.Reverse {
		by += ", reversed"
	}
	units := "percent (u: cores)"
	if v.Cores {
		units = "cores (u: percent)"
	}
	x := 1
	for _, p := range [][2]string{{"filter", cutMiddle(filter, 40)}, {"sort", by}, {"order", order}, {"units", units}, {"span", lasting(v.Span)}} {
		if x+cells(p[0])+cells(p[1])+2 > a.w {
			return
		}
		x = a.text(x, 0, dim, p[0]+": ")
		x = a.text(x, 0, normal, p[1]) + 3
	}
}
