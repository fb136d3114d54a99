package ui

import (
	"slices"
	"strconv"
	"strings"
)

// numbered are the screens with a number, which is also the key that shows them.
var numbered = [...]Screen{Overview, CoresScreen, HostScreen, PlanScreen, AlertsScreen, DemoScreen}

// tabs are the numbered screens that can be reached from one, in order.
func tabs(from Screen) []Screen {
	var list []Screen
	for i, s := range numbered {
		if actionOf(strconv.Itoa(i+1), from) != actNone {
			list = append(list, s)
		}
	}
	return list
}

// number is the key that shows a screen.
func (s Screen) number() string { return strconv.Itoa(s.tab() + 1) }

// tab is its place among the numbered; -1: it has none. A story and a class
// stand in the place of the demo.
func (s Screen) tab() int {
	if s == StoryScreen || s == ClassScreen {
		s = DemoScreen
	}
	return slices.Index(numbered[:], s)
}

// withTabs puts the numbers of the other screens around what a screen says of
// itself, to be clicked.
func withTabs(v *View, where []segment) []segment {
	var before, after []string
	here := v.Screen.tab()
	for _, s := range tabs(v.Screen) {
		switch at := s.tab(); {
		case at < here:
			before = append(before, s.number())
		case at > here && here >= 0:
			after = append(after, s.number())
		}
	}
	tab := func(numbers []string) []segment {
		if len(numbers) == 0 {
			return nil
		}
		return []segment{{text: strings.Join(numbers, " "), style: dim, drop: tabDrop}}
	}
	return slices.Concat(tab(before), where, tab(after))
}

// tabDrop marks the numbers of other screens in a header.
const tabDrop = 9

// zoneTabs makes numbers of screens in a segment drawn at x clickable.
func zoneTabs(a area, x int, s segment, v *View) {
	if s.drop != tabDrop {
		return
	}
	for i, r := range s.text {
		if r != ' ' {
			a.sub(x+i, 0, 1, 1).zone(hit{do: actionOf(string(r), v.Screen)})
		}
	}
}

// turnTab shows the next of the numbered screens, or the last one.
func (m *model) turnTab(by int) {
	list := tabs(m.view.Screen)
	at := slices.IndexFunc(list, func(s Screen) bool { return s.tab() == m.view.Screen.tab() })
	if len(list) == 0 || at < 0 {
		return
	}
	m.act(actionOf(list[(at+by+len(list))%len(list)].number(), m.view.Screen))
}
