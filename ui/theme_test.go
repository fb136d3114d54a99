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

// grounds are what stands behind a role at a depth.
func (lk *look) grounds(bits int) []colour {
	grounds := lk.on
	if lk.paper != 0 {
		grounds = []colour{lk.paper}
	}
	if bits == 4 && lk.paper == 0 {
		return []colour{0}
	}
	if bits >= 8 {
		grounds = append(grounds[:len(grounds):len(grounds)], lk.selection)
	}
	return grounds
}

func shown(c colour, bits int) colour {
	if bits == 8 {
		return palette(nearest(c))
	}
	return c
}

func TestContrast(t *testing.T) {
	for name, lk := range looks {
		least := map[string]float64{"dark": 4.5, "light": 4.5, "projector": 7}[name]
		for _, bits := range []int{24, 8, 4} {
			for r := range roles {
				fg := lk.ink[r].fg
				if fg == 0 {
					fg = lk.text
				}
				if bits == 4 {
					if lk.ink[r].c16 == 0 {
						continue
					}
					fg = sixteenColours[lk.ink[r].c16-1]
				}
				want := least
				if r.furniture() {
					want = 1.5
				}
				if bits == 4 { // the palette is the user's: enough to be read
					want = min(want, 3.5)
				}
				for _, bg := range lk.grounds(bits) {
					if bits < 24 && name == "projector" && bits == 4 || fg == 0 && name == "mono" {
						continue
					}
					if got := contrast(shown(fg, bits), shown(bg, bits)); got < want {
						t.Errorf("%s, %d bits: role %d #%06x on #%06x: contrast %.2f < %.1f", name, bits, r, shown(fg, bits)&0xffffff, shown(bg, bits)&0xffffff, got, want)
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

// TestAlarmsDiffer: soon, act and normal are told apart in grey, and by the
// three common colour blindnesses (Viénot's projection, simplified).
func TestAlarmsDiffer(t *testing.T) {
	project := map[string][3][3]float64{
		"grey":   {{0.2126, 0.7152, 0.0722}, {0.2126, 0.7152, 0.0722}, {0.2126, 0.7152, 0.0722}},
		"protan": {{0.11238, 0.88762, 0}, {0.11238, 0.88762, 0}, {0.00401, -0.00401, 1}},
		"deutan": {{0.29275, 0.70725, 0}, {0.29275, 0.70725, 0}, {-0.02234, 0.02234, 1}},
		"tritan": {{1, 0.1446, -0.1446}, {0, 0.8592, 0.1408}, {0, 0.8592, 0.1408}},
	}
	for name, lk := range looks {
		if name == "mono" {
			continue
		}
		for blindness, m := range project {
			see := func(c colour) (out [3]float64) {
				for i := range out {
					for j := range 3 {
						out[i] += m[i][j] * float64(c>>(16-8*j)&255)
					}
				}
				return out
			}
			text, soon, act := see(lk.text), see(lk.ink[roleSoon].fg), see(lk.ink[roleAct].fg)
			for pair, d := range map[string]float64{"soon and normal": distance(text, soon), "act and normal": distance(text, act)} {
				if d < map[string]float64{"dark": 40, "light": 40, "projector": 18}[name] { // 7:1 leaves only dark colours
					t.Errorf("%s, %s: %s differ by %.0f", name, blindness, pair, d)
				}
			}
			if d := distance(soon, act); d < 12 {
				t.Errorf("%s, %s: soon and act differ by %.0f", name, blindness, d)
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
