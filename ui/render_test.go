package ui

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"

	"capmon/capacity"
	"capmon/fleet"
)

var update = flag.Bool("update", false, "write the golden files anew")

var sizes = [][2]int{
	{0, 0},
	{1, 1},
	{20, 1},
	{20, 5},
	{40, 6},
	{40, 10},
	{60, 15},
	{80, 24},
	{100, 30},
	{120, 40},
	{200, 50},
	{400, 120},
}

// fits fails unless a frame has exactly height lines of at most width cells.
func fits(t *testing.T, frame string, width, height int) []string {
	t.Helper()
	if !utf8.ValidString(frame) {
		t.Error("not UTF-8")
	}
	if height == 0 || width == 0 {
		if strings.Trim(frame, "\n") != "" {
			t.Errorf("%d x %d shows %q", width, height, frame)
		}
		return nil
	}
	lines := strings.Split(frame, "\n")
	if len(lines) != height {
		t.Errorf("%d lines on a terminal of %d", len(lines), height)
	}
	for y, l := range lines {
		if n := ansi.StringWidth(l); n > width {
			t.Errorf("line %d has %d cells of %d: %q", y, n, width, ansi.Strip(l))
		}
		lines[y] = ansi.Strip(l)
		if i := strings.IndexFunc(lines[y], func(r rune) bool { return r < ' ' || r == 0x7f || r >= 0x202a && r <= 0x202e }); i >= 0 {
			t.Errorf("line %d holds a control character: %q", y, lines[y])
		}
	}
	return lines
}

func TestEverySizeFits(t *testing.T) {
	for name, f := range scenes() {
		for _, size := range sizes {
			for _, ascii := range []bool{false, true} {
				for _, bits := range []int{24, 8, 4, 0} {
					t.Run(fmt.Sprintf("%s/%dx%d/ascii=%v/%d", name, size[0], size[1], ascii, bits), func(t *testing.T) {
						checkScreens(t, f, size[0], size[1], theme(t, "", bits, ascii))
					})
				}
			}
		}
	}
}

func checkScreens(t *testing.T, f Frame, w, h int, th Theme) {
	t.Helper()
	for _, screen := range everywhere {
		v := View{Screen: screen, Source: "3 agents", Span: 15 * time.Minute}
		if len(f.Hosts) > 0 {
			v.Host = f.Hosts[0].Name
		}
		lines := fits(t, Render(f, v, w, h, th), w, h)
		text := strings.Join(lines, "\n")
		if w >= 40 && h >= 6 && !strings.HasSuffix(strings.TrimRight(lines[h-1], " "), "? help") {
			t.Errorf("screen %d: the footer %q does not end in help", screen, lines[h-1])
		}
		if word := verdictOn(screen, f, v); w >= 20 && h >= 1 && !strings.Contains(text, word) {
			t.Errorf("screen %d: no verdict %q in\n%s", screen, word, text)
		}
		if th.ascii && strings.ContainsFunc(text, func(r rune) bool { return r >= utf8.RuneSelf }) {
			t.Errorf("screen %d: not ASCII:\n%s", screen, text)
		}
	}
}

// verdictOn is what a screen cannot do without, whatever its size: the verdict
// of the fleet, or of the one host it is about. Help is about neither.
func verdictOn(screen Screen, f Frame, v View) string {
	switch h := hostNamed(&f, v.Host); {
	case screen == HelpScreen:
		return "help"
	case screen == PlanScreen: // its own, on paper
		if q, _ := planQuestion(&f, &v, false); len(f.Pools) > 0 {
			if _, err := capacity.NewPlan(q); err == nil {
				return "NEED"
			}
		}
		return "?"
	case screen == HostScreen && h == nil:
		return "?"
	case screen == HostScreen:
		return signOf(h).text
	}
	return verdictWord(f)
}

// TestEveryScreenIsTried: what checkScreens goes through is all there is, so
// that a new screen is held to every size, depth and scene by itself.
func TestEveryScreenIsTried(t *testing.T) {
	for s := range screens {
		if drawn := s == Overview || pages[s].draw != nil; drawn != slices.Contains(everywhere, s) {
			t.Errorf("screen %d is drawn: %v, and among those of everywhere: %v", s, drawn, !drawn)
		}
	}
}

// verdictWord is what the verdict of a scene cannot do without.
func verdictWord(f Frame) string {
	if len(f.Pools) == 0 {
		return "? "
	}
	switch worst(&f).Verdict.Level {
	case fleet.Act:
		return "NEED 13"
	case fleet.Soon:
		return "NEED 4"
	case fleet.OK:
		return "2"
	}
	return "? "
}

func TestSmallestSizes(t *testing.T) {
	th := theme(t, "", 0, false)
	for _, f := range scenes() {
		for w := 0; w < 70; w += 3 {
			for h := 0; h < 18; h += 2 {
				for _, screen := range everywhere {
					fits(t, Render(f, View{Screen: screen, Paused: w%2 == 0, Filter: "w", Prompt: Prompt{For: PromptKind(h % int(promptKinds))}}, w, h, th), w, h)
				}
			}
		}
	}
	fits(t, Render(Frame{}, View{}, -1, -1, th), 0, 0)
}

// TestStatesDifferWithoutColour: with every colour gone the five states of
// SCREENS §13.2 still read differently.
func TestStatesDifferWithoutColour(t *testing.T) {
	th := theme(t, "dark", 24, false)
	for _, size := range [][2]int{{40, 10}, {60, 15}, {80, 24}, {120, 40}, {200, 50}} {
		seen := map[string]string{}
		for name, x := range map[string]fixture{
			"ok":      {level: fleet.OK},
			"soon":    {level: fleet.Soon},
			"act":     {level: fleet.Act, full: 1},
			"unknown": {level: fleet.OK, stale: 1},
			"down":    {level: fleet.OK, down: 1},
		} {
			x.hosts, x.cores = 3, 2
			text := ansi.Strip(Render(x.frame(), View{}, size[0], size[1], th))
			if other, ok := seen[text]; ok {
				t.Errorf("%v: %s and %s look the same", size, name, other)
			}
			seen[text] = name
			sign := map[string]string{"soon": "\n! ", "act": "\n!! ", "unknown": "?", "down": "x "}[name]
			if !strings.Contains(strings.ReplaceAll(text, "\n ", "\n"), sign) {
				t.Errorf("%v: %s does not show %q:\n%s", size, name, sign, text)
			}
			if name == "ok" && strings.ContainsAny(text, "!") {
				t.Errorf("%v: a calm screen shouts:\n%s", size, text)
			}
		}
	}
}

func TestGolden(t *testing.T) {
	three := fixture{hosts: 3, cores: 2, level: fleet.OK}
	nine := fixture{hosts: 9, cores: 8, level: fleet.Act, limited: true, full: 3, stale: 1, down: 1}
	alone := fixture{hosts: 1, cores: 2, level: fleet.OK}
	many := fixture{hosts: 200, cores: 64, level: fleet.Soon, limited: true, down: 1, stale: 2, full: 1}
	told := fixture{hosts: 9, cores: 8, level: fleet.OK, limited: true, told: true}.frame()
	back := nine.frame()
	back.Live, back.At = false, back.Time.Add(-7*time.Minute-57*time.Second)
	scene := scenes()
	for name, c := range map[string]struct {
		f     Frame
		v     View
		w, h  int
		ascii bool
		dark  bool // drawn with colours, which are then left out
	}{
		"engine-80x24":        {f: scene["engine"], w: 80, h: 24},
		"engine-120x40":       {f: scene["engine"], w: 120, h: 40},
		"engine-200x50":       {f: scene["engine"], w: 200, h: 50},
		"engine-alone-80x24":  {f: withEngine(alone.frame()), w: 80, h: 24},
		"engine-alone-200x50": {f: withEngine(alone.frame()), w: 200, h: 50},
		"little-120x40":       {f: scene["little"], v: View{Host: "ws-2"}, w: 120, h: 40},
		"little-200x50":       {f: scene["little"], w: 200, h: 50},
		"tiers-80x24":         {f: scene["tiers"], w: 80, h: 24},
		"tiers-120x40":        {f: scene["tiers"], w: 120, h: 40},
		"tiers-200x50":        {f: scene["tiers"], w: 200, h: 50},
		"tiers-60x24":         {f: scene["tiers"], w: 60, h: 24},
		"no-edge-120x40":      {f: scene["no edge"], w: 120, h: 40},
		"pools-80x24":         {f: scene["pools"], w: 80, h: 24},
		"host-engine-80x24":   {f: scene["engine"], v: View{Screen: HostScreen, Host: "ws-2"}, w: 80, h: 24},
		"host-engine-120x40":  {f: scene["engine"], v: View{Screen: HostScreen, Host: "ws-4"}, w: 120, h: 40},
		"steps-20x5":          {f: scene["engine"], v: View{Screen: StepsScreen}, w: 20, h: 5},
		"steps-40x10":         {f: scene["engine"], v: View{Screen: StepsScreen}, w: 40, h: 10},
		"steps-80x24":         {f: scene["engine"], v: View{Screen: StepsScreen}, w: 80, h: 24},
		"steps-tiers-120x40":  {f: scene["tiers"], v: View{Screen: StepsScreen, Pool: "db"}, w: 120, h: 40, ascii: true},
		"three-80x24":         {f: three.frame(), w: 80, h: 24},
		"three-120x40":        {f: three.frame(), w: 120, h: 40},
		"three-200x50":        {f: three.frame(), w: 200, h: 50},
		"nine-80x24":          {f: nine.frame(), w: 80, h: 24},
		"nine-80x24-ascii":    {f: nine.frame(), w: 80, h: 24, ascii: true},
		"nine-120x40":         {f: nine.frame(), w: 120, h: 40},
		"nine-60x15":          {f: nine.frame(), w: 60, h: 15},
		"nine-40x10":          {f: nine.frame(), w: 40, h: 10},
		"nine-20x5":           {f: nine.frame(), w: 20, h: 5},
		"alone-80x24":         {f: alone.frame(), w: 80, h: 24},
		"alone-200x50":        {f: alone.frame(), w: 200, h: 50},
		"many-80x24":          {f: many.frame(), w: 80, h: 24},
		"many-200x50":         {f: many.frame(), w: 200, h: 50},
		"down-80x24":          {f: fixture{hosts: 3, cores: 2, level: fleet.Unknown, down: 3}.frame(), w: 80, h: 24},
		"wide-80x24":          {f: scenes()["wide"], w: 80, h: 24},
		"paused-80x24":        {f: back, v: View{Paused: true, Filter: "ws-1"}, w: 80, h: 24},
		"waiting-80x24":       {v: View{Source: "3 agents"}, w: 80, h: 24},
		"host-80x24":          {f: three.frame(), v: View{Screen: HostScreen, Host: "ws-2"}, w: 80, h: 24},
		"host-120x40":         {f: nine.frame(), v: View{Screen: HostScreen, Host: "ws-2"}, w: 120, h: 40},
		"host-down-80x24":     {f: nine.frame(), v: View{Screen: HostScreen, Host: "ws-9"}, w: 80, h: 24},
		"host-128-200x50":     {f: scenes()["128 cores"], v: View{Screen: HostScreen, Host: "ws-1"}, w: 200, h: 50},
		"told-80x24":          {f: told, w: 80, h: 24},
		"told-120x40":         {f: told, w: 120, h: 40},
		"host-told-80x24":     {f: told, v: View{Screen: HostScreen, Host: "ws-2"}, w: 80, h: 24},
		"host-told-120x40":    {f: told, v: View{Screen: HostScreen, Host: "ws-2"}, w: 120, h: 40},
		"host-told-200x50":    {f: told, v: View{Screen: HostScreen, Host: "ws-2"}, w: 200, h: 50},
		"host-told-60x15":     {f: told, v: View{Screen: HostScreen, Host: "ws-2"}, w: 60, h: 15},
		"host-cores-80x24":    {f: scene["sockets"], v: View{Screen: HostScreen, Host: "ws-2", Pane: CoresPane}, w: 80, h: 24},
		"host-who-80x24":      {f: told, v: View{Screen: HostScreen, Host: "ws-2", Pane: CoresPane}, w: 80, h: 24},
		"host-procs-80x24":    {f: told, v: View{Screen: HostScreen, Host: "ws-2", Pane: ProcessesPane, PID: 1801}, w: 80, h: 24},
		"host-serving-80x24":  {f: told, v: View{Screen: HostScreen, Host: "ws-2", Pane: ServicesPane}, w: 80, h: 24},
		"host-limits-80x24":   {f: told, v: View{Screen: HostScreen, Host: "ws-2", Pane: LimitsPane}, w: 80, h: 24},
		"host-threads-80x24":  {f: told, v: View{Screen: HostScreen, Host: "ws-2", Threads: 2211, ThreadsOf: "node"}, w: 80, h: 24},
		"host-threads-120x40": {f: told, v: View{Screen: HostScreen, Host: "ws-2", Threads: 2211, ThreadsOf: "node"}, w: 120, h: 40},
		"host-sockets-120x40": {f: scene["sockets"], v: View{Screen: HostScreen, Host: "ws-1"}, w: 120, h: 40},
		"host-sockets-200x50": {f: scene["8 sockets"], v: View{Screen: HostScreen, Host: "ws-1"}, w: 200, h: 50},
		"host-nodes-200x50":   {f: scene["8 sockets"], v: View{Screen: HostScreen, Host: "ws-1", Pane: CoresPane}, w: 200, h: 50},
		"cores-half-80x24":    {f: many.frame(), v: View{Screen: CoresScreen, Core: 3}, w: 80, h: 24, dark: true},
		"cores-socket-120x40": {f: scene["sockets"], v: View{Screen: CoresScreen, Grouped: BySocket, Core: 3, Host: "ws-2"}, w: 120, h: 40},
		"cores-nodes-80x24":   {f: scene["8 sockets"], v: View{Screen: CoresScreen, Grouped: ByNode, HotFirst: true}, w: 80, h: 24},
		"help-80x24":          {f: three.frame(), v: View{Screen: HelpScreen}, w: 80, h: 24},
		"help-120x40":         {f: three.frame(), v: View{Screen: HelpScreen}, w: 120, h: 40},
		"cores-80x24":         {f: many.frame(), v: View{Screen: CoresScreen}, w: 80, h: 24},
		"cores-80x24-ascii":   {f: nine.frame(), v: View{Screen: CoresScreen, Core: 2}, w: 80, h: 24, ascii: true},
		"cores-120x40":        {f: told, v: View{Screen: CoresScreen, HotFirst: true, Core: 1}, w: 120, h: 40},
		"cores-200x50":        {f: scenes()["tiers"], v: View{Screen: CoresScreen, Grouped: ByPool}, w: 200, h: 50},
		"plan-80x24":          {f: paged(), v: View{Screen: PlanScreen}, w: 80, h: 24},
		"plan-120x40":         {f: paged(), v: View{Screen: PlanScreen}, w: 120, h: 40},
		"plan-200x50":         {f: pagedFor(90), v: View{Screen: PlanScreen, WhatIf: WhatIf{FieldUsers: capacity.Known(120_000)}}, w: 200, h: 50},
		"plan-compare-80x24":  {f: paged(), v: View{Screen: PlanScreen, Compare: true, WhatIf: WhatIf{FieldUsers: capacity.Known(120_000)}}, w: 80, h: 24},
		"plan-compare-120x40": {f: paged(), v: View{Screen: PlanScreen, Compare: true, WhatIf: WhatIf{FieldUsers: capacity.Known(120_000)}}, w: 120, h: 40},
		"plan-40x10-ascii":    {f: paged(), v: View{Screen: PlanScreen}, w: 40, h: 10, ascii: true},
		"alerts-80x24":        {f: alarmed, v: View{Screen: AlertsScreen}, w: 80, h: 24},
		"alerts-120x40":       {f: alarmed, v: View{Screen: AlertsScreen}, w: 120, h: 40},
		"alerts-200x50":       {f: alarmed, v: View{Screen: AlertsScreen}, w: 200, h: 50},
		"alerts-40x10-ascii":  {f: alarmed, v: View{Screen: AlertsScreen}, w: 40, h: 10, ascii: true},
		"alarmed-120x40":      {f: alarmed, w: 120, h: 40},
		"story-80x24":         {f: storied(nine.frame()), v: View{Screen: StoryScreen, Setting: 1}, w: 80, h: 24},
		"story-80x24-ascii":   {f: storied(nine.frame()), v: View{Screen: StoryScreen}, w: 80, h: 24, ascii: true},
		"story-120x40":        {f: storied(nine.frame()), v: View{Screen: StoryScreen, Setting: 4}, w: 120, h: 40},
		"story-200x50":        {f: storied(nine.frame()), v: View{Screen: StoryScreen}, w: 200, h: 50},
		"story-big-120x40":    {f: storied(nine.frame()), v: View{Screen: StoryScreen, Big: true}, w: 120, h: 40},
		"story-big-80x24":     {f: storied(nine.frame()), v: View{Screen: StoryScreen, Big: true}, w: 80, h: 24, ascii: true},
		"story-60x15":         {f: storied(nine.frame()), v: View{Screen: StoryScreen}, w: 60, h: 15},
		"story-40x10":         {f: storied(nine.frame()), v: View{Screen: StoryScreen}, w: 40, h: 10},
		"demo-80x24":          {f: three.frame(), v: View{Screen: DemoScreen}, w: 80, h: 24},
		"class-80x24":         {f: classFrame(classPoint), v: View{Screen: ClassScreen}, w: 80, h: 24},
		"class-80x24-ascii":   {f: classFrame(classPredict), v: View{Screen: ClassScreen}, w: 80, h: 24, ascii: true},
		"class-80x24-big":     {f: classFrame(classSeen), v: View{Screen: ClassScreen, Big: true}, w: 80, h: 24},
		"class-120x40":        {f: classFrame(classSeen), v: View{Screen: ClassScreen}, w: 120, h: 40},
		"class-120x40-point":  {f: classFrame(classPoint), v: View{Screen: ClassScreen}, w: 120, h: 40},
		"class-120x40-big":    {f: classFrame(classSeen), v: View{Screen: ClassScreen, Big: true}, w: 120, h: 40},
		"class-120x40-notes":  {f: classFrame(classPredict), v: View{Screen: ClassScreen, Teacher: true}, w: 120, h: 40},
		"class-story-80x24":   {f: toldClass(), v: View{Screen: ClassScreen}, w: 80, h: 24},
		"class-story-120x40":  {f: toldClass(), v: View{Screen: ClassScreen}, w: 120, h: 40},
		"class-story-own":     {f: toldClass(), v: View{Screen: StoryScreen}, w: 80, h: 24},
		"class-8-80x24":       {f: classOf(8, classPoint), v: View{Screen: ClassScreen}, w: 80, h: 24},
		"class-8-120x40":      {f: classOf(8, classPoint), v: View{Screen: ClassScreen}, w: 120, h: 40},
		"class-64-120x40":     {f: classOf(64, classSeen), v: View{Screen: ClassScreen}, w: 120, h: 40},
		"class-200x50":        {f: classFrame(classPoint), v: View{Screen: ClassScreen}, w: 200, h: 50},
		"class-40x10":         {f: classFrame(classPoint), v: View{Screen: ClassScreen}, w: 40, h: 10},
		"class-failed-80x24":  {f: classFrame(classFailed), v: View{Screen: ClassScreen}, w: 80, h: 24},
		"replay-80x24":        {f: replayed(three.frame()), w: 80, h: 24},
		"host-ascii-120x40":   {f: nine.frame(), v: View{Screen: HostScreen, Host: "ws-2"}, w: 120, h: 40, ascii: true},
	} {
		t.Run(name, func(t *testing.T) {
			if c.v.Source == "" {
				c.v.Source = plural(len(c.f.Hosts), "agent")
			}
			c.v.Span = 15 * time.Minute
			th := theme(t, "mono", 0, c.ascii)
			if c.dark {
				th = theme(t, "dark", 24, false)
			}
			got := ansi.Strip(Render(c.f, c.v, c.w, c.h, th)) + "\n"
			path := filepath.Join("testdata", name+".txt")
			if *update {
				if err := os.MkdirAll("testdata", 0o755); err != nil {
					t.Fatal(err)
				}
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

// TestWideNamesAlign: columns right of a name of wide characters stand where
// they stand beside any other.
func TestWideNamesAlign(t *testing.T) {
	lines := strings.Split(ansi.Strip(Render(scenes()["wide"], View{}, 80, 24, Theme{})), "\n")
	column := func(name, mark string) int {
		for _, l := range lines {
			if i := strings.Index(l, name); i >= 0 && !strings.Contains(l, "─") && strings.Contains(l[i+len(name):], mark) {
				return ansi.StringWidth(l[:i+len(name)+strings.Index(l[i+len(name):], mark)])
			}
		}
		t.Fatalf("no row of %s with %q:\n%s", name, mark, strings.Join(lines, "\n"))
		return -1
	}
	if a, b := column("数据库", " cpu "), column("ws-2", " cpu "); a != b {
		t.Errorf("BOUND stands at cell %d beside 数据库 and at %d beside ws-2", a, b)
	}
}

func TestUnknownIsNeverZero(t *testing.T) {
	text := ansi.Strip(Render(scenes()["unknown"], View{}, 120, 40, Theme{}))
	for line := range strings.SplitSeq(text, "\n") {
		if !strings.HasPrefix(line, " ws-2") {
			continue
		}
		if cells := strings.Fields(line); len(cells) < 8 || strings.ContainsAny(strings.Join(cells[3:9], ""), "0123456789") {
			t.Errorf("a host of which nothing is known shows numbers: %q", line)
		}
		if n := strings.Count(line, "?"); n < 7 {
			t.Errorf("%d unknowns in %q", n, line)
		}
		return
	}
	t.Fatalf("no row for ws-2:\n%s", text)
}

func TestHeaderMarks(t *testing.T) {
	f := fixture{hosts: 3, cores: 2, level: fleet.OK}.frame()
	f.Simulated = true
	for _, w := range []int{60, 80, 120, 200} {
		head, _, _ := strings.Cut(ansi.Strip(Render(f, View{Warning: "INSECURE", Source: "3 agents"}, w, 24, Theme{})), "\n")
		for _, word := range []string{"SIMULATED", "INSECURE", "3/3", "LIVE"} {
			if !strings.Contains(head, word) {
				t.Errorf("no %s at %d cells: %q", word, w, head)
			}
		}
	}
}

func TestPartialTotalsSaySo(t *testing.T) {
	f := fixture{hosts: 9, cores: 8, level: fleet.OK, down: 2}.frame()
	if text := ansi.Strip(Render(f, View{}, 120, 40, Theme{})); !strings.Contains(text, "7 of 9 hosts") {
		t.Errorf("the totals of 7 hosts don't say so:\n%s", text)
	}
}

func FuzzRender(f *testing.F) {
	f.Add(80, 24, "ws-1", "数据库", uint8(0), uint8(24), false)
	f.Add(41, 7, "\x1b[31m", "\u202e\u0301", uint8(1), uint8(4), true)
	f.Add(200, 50, strings.Repeat("界", 99), "", uint8(2), uint8(0), false)
	f.Add(21, 5, "a long step of words", "\x1b[1m数\n", uint8(103), uint8(8), false)
	f.Fuzz(func(t *testing.T, w, h int, name, other string, screen, bits uint8, ascii bool) {
		w, h = w%420, h%130
		frame := fixture{hosts: 3, cores: int(bits)%70 + 1, level: fleet.Level(screen % 5), names: []string{name, other}, down: int(screen % 2)}.frame()
		frame = alarming(frame)
		frame.Log, frame.Alerts[0].Note, frame.Events[0].Text = EventLog{Path: name, Trouble: other}, other, name
		frame.Notes = []string{other}
		frame.Hosts[0].Reason, frame.Hosts[0].Bound, frame.Hosts[0].Flags = other, name, []string{name}
		frame.Hosts[0].RPS = capacity.Num{V: float64(w) * 1e7, OK: true}
		hot := fleet.Finding{
			Verdict: []string{fleet.SingleThread, fleet.AboutOneCore, fleet.WorkersFull, fleet.Pinned, name}[screen%5],
			Owner:   name, Thread: other, PID: w, TID: h, Demand: float64(w), Idle: float64(h), Workers: w * h,
		}
		frame.Hosts[0].Findings = []fleet.Finding{hot}
		frame.Hosts[0].Processes = []fleet.Process{{PID: w, Name: name, CoresUsed: float64(h), Threads: capacity.Known(float64(w)), Demands: make([]float64, int(bits)), Finding: &hot}, {Name: other}}
		frame.Hosts[0].Services = []fleet.Service{{Port: w, Name: other, RPSNote: name, Behind: h, Finding: &hot, Errors: capacity.Known(float64(w)), Latency: fleet.Latency{P99: capacity.Known(float64(h))}}}
		frame.Hosts[0].ConnectionsFrom = other
		learned := &frame.Hosts[0].Learned
		*learned = append(learnedOf(int(screen), name), learnedOf(int(bits), other)...)
		(*learned)[0].AtTarget.Says, (*learned)[0].Limit, (*learned)[0].AtTarget.Capacity.V = other, name, float64(w)*float64(h)
		pool := &frame.Pools[0]
		pool.Steps, pool.Formula, pool.TargetFrom, pool.UsersNote = []string{name, other, ""}, other, name, other
		pool.Climb, pool.Waits = capacity.Known(float64(h)), time.Duration(w)*time.Second
		pool.Rows = rowsFor(float64(w)*1000, float64(h))
		if screen > 100 {
			frame.Pools = append(frame.Pools, *pool)
			frame.Pools[1].Name, frame.Totals.Edge = name, other
		}
		v := View{Screen: Screen(screen % byte(screens)), Host: name, Filter: other, AlertFilter: other[:min(len(other), int(bits)%2*9)], Prompt: Prompt{PromptKind(w % int(promptKinds)), other, h}, Source: other, Warning: name, Note: name}
		fits(t, Render(frame, v, w, h, theme(t, "dark", int(bits)%25, ascii)), max(w, 0), max(h, 0))
	})
}

// TestCoresFillTheirPlan: what is planned for the cores of a lone machine is
// what is drawn, so that no hole is left below them.
func TestCoresFillTheirPlan(t *testing.T) {
	for _, cores := range []int{1, 2, 4, 8, 16, 24, 48, 64, 96, 128, 256, 512, 1024} {
		for _, size := range [][2]int{{80, 24}, {120, 40}, {200, 50}, {400, 120}} {
			f := fixture{hosts: 1, cores: cores, level: fleet.OK}.frame()
			lines := strings.Split(ansi.Strip(Render(f, View{}, size[0], size[1], theme(t, "mono", 0, false))), "\n")
			blank := 0
			for _, l := range lines[3:] {
				if strings.TrimSpace(ansi.Truncate(l, min(size[0], 100), "")) != "" {
					blank = 0
				} else if blank++; blank > 4 {
					t.Errorf("%d cores at %v leave a hole:\n%s", cores, size, strings.Join(lines, "\n"))
					break
				}
			}
		}
	}
}

// What to do is the part of a notice that must not be cut.
func TestWhatToDoGetsALine(t *testing.T) {
	n := notice{sign: sign{text: "x", word: "down"}, who: "web-1", text: "nothing listens on web-1:7077" + arrow + "start it there: capmon agent --listen :7077"}
	for _, c := range []struct{ width, most, want int }{{200, 3, 1}, {60, 3, 2}, {60, 1, 1}} {
		got := unfolded([]notice{n}, c.width, c.most)
		if len(got) != c.want {
			t.Errorf("%d cells, %d lines: %d notices, want %d", c.width, c.most, len(got), c.want)
		}
		if c.want == 2 && (strings.Contains(got[0].text, "→") || !strings.HasPrefix(got[1].text, "→ start it there")) {
			t.Errorf("unfolded into %q and %q", got[0].text, got[1].text)
		}
	}
}
