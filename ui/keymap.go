package ui

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	tea "github.com/charmbracelet/bubbletea"
)

// A Binding is one thing that keys do, for a file that changes them.
type Binding struct {
	Table string   // the screen it is of, where it is of one alone; "": of several
	Name  string   // its first key as it ships, which names it within its table
	Keys  []string // that do it now
	Does  string   // in a few words; several bindings may share them
}

// keyNamed are keys with a name of more than one character.
var keyNamed = func() map[string]bool {
	names := map[string]bool{"space": true}
	for t := tea.KeyF20; t <= tea.KeyBackspace; t++ {
		if s := t.String(); len(s) > 1 && t != tea.KeyRunes {
			names[s] = true
		}
	}
	return names
}()

// fixed are bindings that stay: numbers name the screens in their headers, ? and
// esc are how one finds back.
func fixed(name string) bool {
	return slices.Contains([]string{"1", "2", "3", "4", "5", "6", "?", "esc"}, name)
}

// alwaysQuits is kept by what leaves.
const alwaysQuits = "ctrl+c"

// Bindings are all that can be changed, in the order of help.
func Bindings() []Binding {
	var list []Binding
	for _, k := range table {
		for i, b := range k.binds {
			if !fixed(k.named[i]) {
				list = append(list, Binding{Table: k.tableName(), Name: spell(k.named[i]), Keys: spelled(b.keys), Does: k.Does})
			}
		}
	}
	return list
}

// tableName is the screen of a line of help that is of one alone.
func (k *Key) tableName() string {
	if len(k.On) != 1 {
		return ""
	}
	return pages[k.On[0]].name
}

// spell writes a key as files do.
func spell(key string) string {
	if key == " " {
		return "space"
	}
	return key
}

func spelled(keys []string) []string {
	out := make([]string, len(keys))
	for i, k := range keys {
		out[i] = spell(k)
	}
	return out
}

// SetKeys changes keys: what a binding names is done by the keys given, and by no
// others; without any it can only be reached by the mouse or a command. It refuses
// all of them, with nothing changed, when one is unknown or a key would mean two
// things on one screen. Call it before Run, never beside it.
func SetKeys(changes []Binding) error {
	next := slices.Clone(table)
	for i := range next {
		next[i].binds = slices.Clone(next[i].binds)
	}
	for _, c := range changes {
		if err := rebind(next, c); err != nil {
			return err
		}
	}
	for i := range next {
		next[i].label()
	}
	if err := oneMeaning(next); err != nil {
		return err
	}
	table = next
	return nil
}

func rebind(keys []Key, c Binding) error {
	name := c.Name
	if name == "space" {
		name = " "
	}
	where := c.Table
	if where != "" {
		where += ": "
	}
	var to []string
	for _, k := range c.Keys {
		switch {
		case k == "space":
			k = " "
		case utf8.RuneCountInString(k) == 1 && unicode.IsPrint([]rune(k)[0]) || keyNamed[k] || strings.HasPrefix(k, "alt+") && len(k) > 4:
		default:
			return fmt.Errorf("%s%s: no key %q: want one character, or a name such as ctrl+k, f5, pgdown, space", where, c.Name, k)
		}
		to = append(to, k)
	}
	for i := range keys {
		k := &keys[i]
		at := slices.Index(k.named, name)
		if at < 0 || k.tableName() != c.Table || fixed(name) {
			continue
		}
		if slices.Contains(k.binds[at].keys, alwaysQuits) && !slices.Contains(to, alwaysQuits) {
			to = append(to, alwaysQuits)
		}
		k.changed = k.changed || !slices.Equal(k.binds[at].keys, to)
		k.binds[at].keys = to
		return nil
	}
	return fmt.Errorf("%s%s: there is nothing of that name to change: see capmon keys --write", where, c.Name)
}

// label writes anew what help and the footer say of a line whose keys changed.
func (k *Key) label() {
	if !k.changed {
		return
	}
	k.Keys = nil
	var words []string
	for _, b := range k.binds {
		k.Keys = append(k.Keys, b.keys...)
		if len(b.keys) > 0 {
			words = append(words, strings.ReplaceAll(spell(b.keys[0]), "+", "-"))
		}
	}
	was := len(strings.Fields(k.Label))
	k.Label = or(strings.Join(words, " "), "-")
	switch foot := strings.Fields(k.Foot); {
	case k.Foot == "" || k.Foot == helpFoot:
	case len(words) == 0 || len(k.binds[0].keys) == 0:
		k.Foot, k.foot = "", 0
	case was > 1 && len(foot) > 2 && len(k.binds) > 1 && len(words) > 1: // [ ] time
		k.Foot = words[0] + " " + strings.Join(foot[2:], " ")
	default:
		k.Foot = words[0] + " " + strings.Join(foot[1:], " ")
	}
}

func oneMeaning(keys []Key) error {
	for on := range screens {
		does := map[string]string{}
		for _, k := range keys {
			if !slices.Contains(k.On, on) {
				continue
			}
			for _, b := range k.binds {
				for _, key := range b.keys {
					if other, twice := does[key]; twice {
						return fmt.Errorf("the key %s would mean two things on the screen %q: %s; %s", spell(key), pages[on].name, other, k.Does)
					}
					does[key] = k.Does
				}
			}
		}
	}
	return nil
}
