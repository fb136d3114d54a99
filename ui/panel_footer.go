package ui

import (
	"slices"
	"strconv"
	"strings"
)

// helpFoot stands last in every footer.
const helpFoot = "? help"

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
	if v.Prompt.For != NoPrompt {
		drawPrompt(a, f, v, pad)
		return
	}
	x := pad
	if v.Note != "" {
		x = a.text(x, 0, roleNotice.style(), " "+cut(v.Note, a.w-x-12)+" ") + 2
	} else if text := *v.filterOf(); text != "" && slices.Contains(onFilter, v.Screen) {
		all := len(f.Hosts)
		if v.Screen == AlertsScreen {
			all = len(f.Alerts)
		}
		s := "filter: " + cutMiddle(text, max(a.w/3, 4)) + " (" + strconv.Itoa(shown) + " of " + strconv.Itoa(all) + ")"
		x = a.text(x, 0, roleNotice.style(), " "+cut(s, a.w-x-12)+" ") + 2
		if room := a.w - x - cells(helpFoot) - 4; room > len("esc clear") {
			x = drawKey(a, x, "esc clear") + 2
		}
	}
	room := a.w - pad - cells(helpFoot) - x
	var keys []string
	const speed = "< > speed"
	if f.Replay != nil && room > 2*cells(speed) {
		keys, room = append(keys, speed), room-cells(speed)-2
	}
	for _, k := range footKeys(v.Screen) {
		if k.Foot == helpFoot || idle(f, v, k.binds[0].do) || !f.Story.has(k.binds[0].do) {
			continue
		}
		if key, pause := strings.CutSuffix(k.Foot, " pause"); v.Paused && pause {
			k.Foot = key + " live"
		}
		if room -= cells(k.Foot) + 2; room < 0 {
			break
		}
		keys = append(keys, k.Foot)
	}
	// Leaving and help stand at the end, where one looks for them.
	for i, k := range keys {
		if strings.HasSuffix(k, " quit") {
			keys = append(append(keys[:i:i], keys[i+1:]...), k)
			break
		}
	}
	for _, k := range append(keys, helpFoot) {
		from := x
		x = drawKey(a, x, k)
		a.sub(from, 0, x-from, 1).zone(hit{do: footAction(v.Screen, k)})
		x += 2
	}
}

// idle holds for an action that does nothing as things are.
func idle(f *Frame, v *View, do action) bool {
	switch do {
	case actNextPool:
		return !tiers(f)
	case actThreads:
		h := hostNamed(f, v.Host)
		return h == nil || len(h.Processes) == 0 || v.Threads != 0
	case actAck, actSnooze:
		return len(f.Alerts) == 0
	case actEnter:
		return v.Screen == AlertsScreen && len(f.Alerts) == 0
	case actNextEvent:
		return len(f.Events) == 0
	}
	return false
}

// footAction is what a click on a key of the footer does: what the first of its
// keys does.
func footAction(on Screen, foot string) action {
	for _, k := range footKeys(on) {
		if k.Foot == foot || strings.HasSuffix(k.Foot, " pause") && strings.HasSuffix(foot, " live") {
			return k.binds[0].do
		}
	}
	return actNone
}

// drawKey writes the key bold and what it does plain.
func drawKey(a area, x int, text string) int {
	key, does, _ := strings.Cut(text, " ")
	for _, two := range []string{"[ ]", "- +", "+ -", "< >", "f s ="} {
		if strings.HasPrefix(text, two) {
			key, does = two, text[len(two)+1:]
		}
	}
	x = a.text(x, 0, roleKey.style(), key)
	return a.text(x+1, 0, dim, does)
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
	mouse := "on (M: off)"
	if v.MouseOff {
		mouse = "off (M: on)"
	}
	x := 1
	for _, p := range [][2]string{{"filter", cutMiddle(filter, 40)}, {"sort", by}, {"order", order}, {"units", units}, {"span", lasting(v.Span)}, {"mouse", mouse}} {
		if x+cells(p[0])+cells(p[1])+2 > a.w {
			return
		}
		x = a.text(x, 0, dim, p[0]+": ")
		x = a.text(x, 0, normal, p[1]) + 3
	}
}
