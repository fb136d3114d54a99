package ui

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
)

// luminance and contrast are WCAG 2.2's.
func luminance(c colour) float64 {
	l := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		v := float64(c>>(16-8*i)&255) / 255
		if v <= 0.04045 {
			v /= 12.92
		} else {
			v = math.Pow((v+0.055)/1.055, 2.4)
		}
		l += weight * v
	}
	return l
}

func contrast(a, b colour) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// xterm's table of sixteen, the one that is most often copied.
var sixteenColours = []colour{
	0x000000, 0xcd0000, 0x00cd00, 0xcdcd00, 0x0000ee, 0xcd00cd, 0x00cdcd, 0xe5e5e5,
	0x7f7f7f, 0xff0000, 0x00ff00, 0xffff00, 0x5c5cff, 0xff00ff, 0x00ffff, 0xffffff,
}

// grounds are what stands behind a role at a depth. A reversed role has the
// two the other way round, which is the same contrast.
func (lk *look) grounds(bits int) []colour {
	grounds := lk.on
	switch {
	case bits == 4 && lk.paper != 0:
		return []colour{sixteenColours[15]}
	case bits == 4:
		return []colour{sixteenColours[0]}
	case lk.paper != 0:
		grounds = []colour{lk.paper}
	}
	return append(grounds[:len(grounds):len(grounds)], shown(lk.selection, bits))
}

func shown(c colour, bits int) colour {
	if bits == 8 {
		return palette(nearest(c))
	}
	return c
}

func TestContrast(t *testing.T) {
	for name, lk := range looks {
		if name == "mono" { // the terminal's own colours
			continue
		}
		least := map[string]float64{"dark": 4.5, "light": 4.5, "projector": 7}[name]
		for _, bits := range []int{24, 8, 4} {
			for r := range roles {
				k := lk.ink[r]
				fg := k.fg
				if fg == 0 {
					fg = lk.text
				}
				if bits == 4 {
					if k.c16 == 0 { // black on paper, else the terminal's own
						continue
					}
					fg = sixteenColours[k.c16-1]
				}
				want := least
				if r.furniture() {
					want = 1.5
				} else if bits == 4 && r.graphic() { // the palette is the user's, and nothing is to be read
					want = 3
				}
				for _, bg := range lk.grounds(bits) {
					if got := contrast(shown(fg, bits), bg); got < want {
						t.Errorf("%s, %d bits: role %d #%06x on #%06x: contrast %.2f < %.1f", name, bits, r, shown(fg, bits)&0xffffff, bg&0xffffff, got, want)
					}
				}
			}
		}
	}
}

// TestRampIsMonotone: busier is always lighter on dark and darker on light, so
// that a grey projector and every colour blindness still order the levels.
func TestRampIsMonotone(t *testing.T) {
	for _, name := range []string{"dark", "light", "projector"} {
		lk := looks[name]
		for i := 1; i < rampSteps; i++ {
			was, is := luminance(lk.ink[roleRamp+role(i)-1].fg), luminance(lk.ink[roleRamp+role(i)].fg)
			if name == "dark" && is <= was || name != "dark" && is >= was {
				t.Errorf("%s: level %d has luminance %.3f after %.3f", name, i, is, was)
			}
		}
	}
}

// TestHeatIsMonotone: the same holds of cells that are all colour, in which each
// level must be told from the next, however it is seen, and the lowest from what
// is behind it.
func TestHeatIsMonotone(t *testing.T) {
	for name, lk := range looks {
		if lk.heat[0] == 0 {
			continue
		}
		for _, bits := range []int{24, 8} {
			for _, bg := range lk.grounds(bits) {
				if got := contrast(shown(lk.heat[0], bits), bg); got < 1.2 {
					t.Errorf("%s, %d bits: the lowest level on #%06x: contrast %.2f", name, bits, bg&0xffffff, got)
				}
			}
			for i := 1; i < rampSteps; i++ {
				was, is := shown(lk.heat[i-1], bits), shown(lk.heat[i], bits)
				if dark := name == "dark"; (luminance(is) > luminance(was)) != dark {
					t.Errorf("%s, %d bits: level %d has luminance %.3f after %.3f", name, bits, i, luminance(is), luminance(was))
				}
				for who, sight := range sights {
					if d := distance(lab(was, sight), lab(is, sight)); d < 5 {
						t.Errorf("%s, %d bits, %s: levels %d and %d differ by %.1f", name, bits, who, i-1, i, d)
					}
				}
			}
		}
	}
}

// TestPairs: two levels are one sequence, and only where there are colours.
func TestPairs(t *testing.T) {
	th := theme(t, "dark", 24, false)
	if got, want := th.sequence(pairStyle(1, 0)), "\x1b[;38;2;255;255;95;48;2;0;95;135m"; got != want || th.sequence(pairStyle(1, 0)|selected) != want {
		t.Errorf("a full core above an idle one is %q, want %q", got, want)
	}
	for _, name := range Themes() {
		for _, bits := range []int{24, 8, 4, 0} {
			for _, ascii := range []bool{false, true} {
				want := !ascii && bits >= 8 && (name == "dark" || name == "light")
				if th := theme(t, name, bits, ascii); th.pairs != want {
					t.Errorf("%s, %d bits, ascii=%v: pairs %v", name, bits, ascii, th.pairs)
				}
			}
		}
	}
}

// sights are ways to see linear RGB: the colour blindnesses of Machado, Oliveira
// and Fernandes (2009, severity 1), and a screen without colour.
var sights = map[string][3][3]float64{
	"full":   {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
	"protan": {{0.152286, 1.052583, -0.204868}, {0.114503, 0.786281, 0.099216}, {-0.003882, -0.048116, 1.051998}},
	"deutan": {{0.367322, 0.860646, -0.227968}, {0.280085, 0.672501, 0.047413}, {-0.011820, 0.042940, 0.968881}},
	"tritan": {{1.255528, -0.076749, -0.178779}, {-0.078411, 0.930809, 0.147602}, {0.004733, 0.691367, 0.303900}},
	"grey":   {{0.2126, 0.7152, 0.0722}, {0.2126, 0.7152, 0.0722}, {0.2126, 0.7152, 0.0722}},
}

// lab is a colour as it is seen, in CIE L*a*b* (D65).
func lab(c colour, sight [3][3]float64) (out [3]float64) {
	var rgb, seen [3]float64
	for i := range rgb {
		v := float64(c>>(16-8*i)&255) / 255
		if rgb[i] = v / 12.92; v > 0.04045 {
			rgb[i] = math.Pow((v+0.055)/1.055, 2.4)
		}
	}
	for i := range seen {
		for j := range rgb {
			seen[i] += sight[i][j] * rgb[j]
		}
		seen[i] = min(max(seen[i], 0), 1)
	}
	f := func(v float64) float64 {
		if v > 216.0/24389 {
			return math.Cbrt(v)
		}
		return (24389.0/27*v + 16) / 116
	}
	x := f((0.4124564*seen[0] + 0.3575761*seen[1] + 0.1804375*seen[2]) / 0.95047)
	y := f(0.2126729*seen[0] + 0.7151522*seen[1] + 0.0721750*seen[2])
	z := f((0.0193339*seen[0] + 0.1191920*seen[1] + 0.9503041*seen[2]) / 1.08883)
	return [3]float64{116*y - 16, 500 * (x - y), 200 * (y - z)}
}

// TestAlarmsDiffer: soon, act and normal are told apart without colour and by
// the three colour blindnesses. A difference of 2.3 can just be seen; the
// projector's 7:1 leaves only dark colours.
func TestAlarmsDiffer(t *testing.T) {
	for name, lk := range looks {
		if name == "mono" { // bold and reverse, and the signs
			continue
		}
		for _, bits := range []int{24, 8} {
			for who, sight := range sights {
				seen := func(c colour) [3]float64 { return lab(shown(c, bits), sight) }
				text, soon, act := seen(lk.text), seen(lk.ink[roleSoon].fg), seen(lk.ink[roleAct].fg)
				for _, pair := range []struct {
					name          string
					differ, least float64
				}{{"soon and normal", distance(text, soon), 12}, {"act and normal", distance(text, act), 12}, {"soon and act", distance(soon, act), 5}} {
					if pair.differ < pair.least {
						t.Errorf("%s, %d bits, %s: %s differ by %.1f < %.0f", name, bits, who, pair.name, pair.differ, pair.least)
					}
				}
			}
		}
	}
}

func distance(a, b [3]float64) float64 {
	return math.Sqrt((a[0]-b[0])*(a[0]-b[0]) + (a[1]-b[1])*(a[1]-b[1]) + (a[2]-b[2])*(a[2]-b[2]))
}

func TestThemes(t *testing.T) {
	if len(Themes()) != len(looks) {
		t.Errorf("%d themes are offered, %d exist", len(Themes()), len(looks))
	}
	for _, name := range Themes() {
		if theme(t, name, 24, false).Name() != name {
			t.Errorf("%s has another name", name)
		}
	}
	_, err := NewTheme("pink", 24, false)
	if err == nil {
		t.Fatal("a theme that does not exist is taken")
	}
	for _, name := range Themes() {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("the error does not offer %s: %v", name, err)
		}
	}
}

func TestSequences(t *testing.T) {
	for _, c := range []struct {
		theme string
		bits  int
		style style
		want  string
	}{
		{"dark", 24, normal, "\x1b[m"},
		{"dark", 24, roleSoon.style(), "\x1b[;38;2;242;181;60m"},
		{"dark", 8, roleSoon.style(), "\x1b[;38;5;" + strconv.Itoa(nearest(0xf2b53c)) + "m"},
		{"dark", 4, roleSoon.style(), "\x1b[;33m"},
		{"dark", 0, roleSoon.style(), "\x1b[;1m"},
		{"dark", 0, roleActLine.style(), "\x1b[;1;7m"},
		{"dark", 4, normal | selected, "\x1b[;7m"},
		{"dark", 4, roleChart.style() | selected, "\x1b[;94m"},
		{"mono", 24, roleUnknown.style(), "\x1b[m"},
		{"light", 4, normal, "\x1b[;30;107m"},
	} {
		if got := theme(t, c.theme, c.bits, false).sequence(c.style); got != c.want {
			t.Errorf("%s, %d bits, style %d: %q, want %q", c.theme, c.bits, c.style, got, c.want)
		}
	}
}

// TestCalmWhenFine: with nothing wrong the words have no colour of alarm.
func TestCalmWhenFine(t *testing.T) {
	th := theme(t, "dark", 24, false)
	text := Render(scenes()["three"], View{}, 200, 50, th)
	for _, r := range []role{roleSoon, roleAct, roleActLine, roleNotice, rolePaused} {
		if strings.Contains(text, th.sequence(r.style())) {
			t.Errorf("role %d is on a calm screen", r)
		}
	}
	if strings.Contains(Render(scenes()["three"], View{}, 200, 50, theme(t, "dark", 0, false)), "8;5") {
		t.Error("a colour where there is none")
	}
	if n := strings.Count(fmt.Sprint(text), "\x1b[;7m"); n > 0 {
		t.Errorf("%d reversed pieces", n)
	}
}
