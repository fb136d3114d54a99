package ui

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"

	"capmon/capacity"
)

// kindsOf is the lesson on a machine with so many cores, as far as it has come:
// 0 nothing yet, 1 and 2 with the first and the second running, 3 it is over.
func kindsOf(cores, come int) *Kinds {
	n := float64(cores)
	wanted := 220 * n
	law := "X(n) = 199·n / (1 + 0.0021(n-1) + 0·n(n-1)), n workers"
	few := "5 numbers of workers were measured, a peak wants 6"
	trust := "by the law of scaling, beyond the 8 threads measured; " + few
	if cores < 3 {
		law, few = "seen full with 1 and 2 threads on 2 cores: the law of scaling wants three numbers of threads with a core each", "4 threads over 2 cores give ×1.00 of 2"
		trust = law
	}
	k := &Kinds{Cores: cores, Target: 0.8, Wanted: num(wanted)}
	for i, s := range []ServerKind{
		{Name: "one thread", Processes: 1, Threads: 1, Word: "THREAD-BOUND", Evidence: "one-thread 4711 is single-thread bound: thread 4715 (worker 1) needs 1.00 of one core while " + capacity.Decimal(n-1, 1) + " cores idle", Brief: "one-thread 4711: one thread 1.00 of 1 core", Do: "NEED 2   add 1 now"},
		{Name: "cluster", Processes: cores, Threads: 1, Word: "CPU-BOUND, even", Do: "NEED 2   add 1 now"},
		{Name: "many threads", Processes: 1, Threads: cores, Word: "CPU-BOUND, even", Do: "NEED 2   add 1 now"},
	} {
		s.Running, s.Done = i+1 == come, i+1 < come
		if i+1 > come {
			k.Servers = append(k.Servers, ServerKind{Name: s.Name, Processes: s.Processes, Threads: s.Threads})
			continue
		}
		used, each := 0.98*n, 0.98
		s.Served, s.Asked, s.P50, s.P99 = num(196*n), num(198*n), num(0.118), num(0.246)
		s.Vertical = KindChange{From: cores, To: 2 * cores, Then: num(390 * n), AtMost: cores < 3, Trust: trust}
		switch i {
		case 0:
			used, each = 0.99, 0.99
			s.Served, s.Asked, s.P50, s.P99 = num(198), num(215*n), num(0.251), num(0.259)
			s.Vertical = KindChange{From: cores, To: 2 * cores, Then: num(198), Trust: "one thread runs on one core, whatever there is: 0.99 cores used"}
		case 1:
			if cores == 8 && come == 2 {
				s.Word, s.Do = "OTHERS HAVE THE CORES", ""
				s.Disturbed = "its threads waited for 2.10 of 8 cores that others on this machine had: it would serve more"
				s.Vertical.Then, s.Vertical.Trust = capacity.Num{}, "it was not full, so what it can serve is not known: others had the cores"
				used, each, s.Served = 5.7, 0.71, num(1130)
			}
		case 2:
			each = used
		}
		for range s.Processes {
			s.Each = append(s.Each, each)
		}
		for c := range cores {
			s.Cells = append(s.Cells, math.Min(math.Max(used-float64(c), 0), 1))
			if i > 0 {
				s.Cells[c] = 0.98 - 0.01*float64(c%3)
			}
		}
		s.CoresUsed, s.UsersCores = num(used), num(0.04)
		s.Enough = num(math.Ceil(wanted / (s.Served.V * 0.8)))
		s.AllCores = s.Enough.V * n
		s.IdleCores = s.AllCores - wanted/200
		s.EnoughAtMost = s.Disturbed != ""
		s.Horizontal = KindChange{From: 1, To: 2, Then: num(2 * s.Served.V), Trust: "servers share nothing here; with a database behind them, that is the next limit"}
		if s.Disturbed != "" {
			s.Horizontal.Then, s.Horizontal.Trust = capacity.Num{}, s.Vertical.Trust
		}
		for t := range 40 {
			s.CoresOf = append(s.CoresOf, used*(0.97+0.03*math.Sin(float64(t))))
			s.RPSOf = append(s.RPSOf, s.Served.V*(0.96+0.04*math.Cos(float64(t))))
		}
		s.RPSOf[7] = math.NaN()
		k.Servers = append(k.Servers, s)
	}
	if come > 2 {
		k.Law = []string{law, few}
	}
	return k
}

func drawnKinds(k *Kinds, w, h int, th Theme) string {
	c := newCanvas(w, h, th.ascii)
	drawKinds(c.all(), k)
	return c.String(th)
}

func TestKindsGolden(t *testing.T) {
	for name, c := range map[string]struct {
		k     *Kinds
		w, h  int
		ascii bool
	}{
		"kinds-80x24":        {k: kindsOf(2, 4), w: 80, h: 24},
		"kinds-80x14":        {k: kindsOf(2, 2), w: 80, h: 14},
		"kinds-80x24-ascii":  {k: kindsOf(2, 2), w: 80, h: 24, ascii: true},
		"kinds-120x40":       {k: kindsOf(2, 4), w: 120, h: 40},
		"kinds-120x28":       {k: kindsOf(8, 3), w: 120, h: 28},
		"kinds-200x50":       {k: kindsOf(8, 4), w: 200, h: 50},
		"kinds-200x38":       {k: kindsOf(8, 2), w: 200, h: 38},
		"kinds-200x50-ascii": {k: kindsOf(64, 4), w: 200, h: 50, ascii: true},
		"kinds-40x10":        {k: kindsOf(2, 4), w: 40, h: 10},
	} {
		t.Run(name, func(t *testing.T) {
			got := ansi.Strip(drawnKinds(c.k, c.w, c.h, theme(t, "mono", 0, c.ascii))) + "\n"
			path := filepath.Join("testdata", name+".txt")
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("the picture changed (-want +got); if it is better, run with -update and read it:\n%s", diff)
			}
		})
	}
}

// Every size has what cannot be done without: who it is, and once there is
// something to say, the verdict of each.
func TestKindsFit(t *testing.T) {
	for _, size := range append([][2]int{{80, 14}, {120, 28}, {200, 38}, {176, 20}, {180, 18}}, sizes...) {
		for come := range 5 {
			for _, bits := range []int{24, 8, 4, 0} {
				for _, ascii := range []bool{false, true} {
					t.Run(fmt.Sprint(size, come, bits, ascii), func(t *testing.T) {
						k := kindsOf(1+7*(come%2), come)
						lines := fits(t, drawnKinds(k, size[0], size[1], theme(t, "", bits, ascii)), size[0], size[1])
						text := strings.Join(lines, "\n")
						if ascii && strings.ContainsFunc(text, func(r rune) bool { return r >= utf8.RuneSelf }) {
							t.Errorf("not ASCII:\n%s", text)
						}
						if size[0] < 60 || size[1] < 6 {
							return
						}
						for i := range k.Servers {
							s := &k.Servers[i]
							if !strings.Contains(text, letter(i)+"  "+s.Name) || !strings.Contains(text, s.Word) {
								t.Errorf("no %s or no %q in\n%s", s.Name, s.Word, text)
							}
						}
					})
				}
			}
		}
	}
}

// What is not known looks so, and is no number.
func TestKindsNotKnown(t *testing.T) {
	k := kindsOf(2, 0)
	for i := range k.Servers {
		k.Servers[i].Running = true
	}
	k.Servers[1].Unwatched = "no agent reads this server: scopes need Linux"
	for _, size := range [][2]int{{80, 24}, {120, 40}, {200, 50}} {
		text := strings.Join(fits(t, drawnKinds(k, size[0], size[1], theme(t, "", 0, false)), size[0], size[1]), "\n")
		if n := strings.Count(text, "?"); n < 12 {
			t.Errorf("%d unknowns in\n%s", n, text)
		}
		for _, wrong := range []string{"0/s", "0%", "NaN", "0.00"} {
			if strings.Contains(text, wrong) {
				t.Errorf("%q in\n%s", wrong, text)
			}
		}
		if !strings.Contains(text, "scopes need Linux") {
			t.Errorf("nobody says why there is no verdict:\n%s", text)
		}
	}
}
