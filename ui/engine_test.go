package ui

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"capmon/capacity"
	"capmon/fleet"
)

func textOf(f Frame, v View, w, h int) string {
	return ansi.Strip(Render(f, v, w, h, Theme{}))
}

// lineOf is the first line that begins with a word.
func lineOf(t *testing.T, text, word string) string {
	t.Helper()
	for l := range strings.SplitSeq(text, "\n") {
		if strings.HasPrefix(strings.TrimLeft(l, " ▶"), word) {
			return l
		}
	}
	t.Fatalf("no line of %s in\n%s", word, text)
	return ""
}

// A share of what was learned is about that much; of a lower bound it is an
// upper bound, and none where that says nothing.
func TestRPSGauge(t *testing.T) {
	for _, c := range []struct {
		name string
		top  capacity.Estimate
		want map[int]string // by width
	}{
		{"learned", capacity.Estimate{Trust: capacity.Learned, Capacity: capacity.Known(58_000)}, map[int]string{80: "69% of ~58,000 est.", 120: "69% of ~58,000 est."}},
		{"at least", capacity.Estimate{Trust: capacity.AtLeast, Capacity: capacity.Known(80_000)}, map[int]string{60: "at most 50%", 80: "at most 50% of at least 80,000", 120: "at most 50% of at least 80,000"}},
		{"a bound below the use", capacity.Estimate{Trust: capacity.AtLeast, Capacity: capacity.Known(30_000)}, map[int]string{80: "peak"}},
		{"unknown", capacity.Estimate{Capacity: capacity.Known(58_000)}, map[int]string{80: "peak"}},
		{"none", capacity.Estimate{Trust: capacity.Learned, Capacity: capacity.Known(0)}, map[int]string{80: "peak"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := fixture{hosts: 9, cores: 8, level: fleet.OK, limited: true}.frame()
			f.Totals.RPS, f.Pools[0].RPSCapacity = capacity.Known(40_223), c.top
			for width, want := range c.want {
				if width < 80 { // where the gauge is one of two: its note alone
					r := rpsReading(&f, &View{})
					if got := first(width/5, r.notes...); got != want {
						t.Errorf("in %d cells %q, want %q", width/5, got, want)
					}
					continue
				}
				line := lineOf(t, textOf(f, View{}, width, 24), "rps")
				if !strings.Contains(line, "40,223") || !strings.Contains(line, want) {
					t.Errorf("at %d cells %q lacks %q", width, line, want)
				}
				if want == "peak" && strings.Contains(line, "%") {
					t.Errorf("a share of nothing known: %q", line)
				}
			}
		})
	}
}

// With several pools a load is the edge pool's, with its name, or unknown: it
// is nowhere a sum over tiers.
func TestTiersAreNotAddedUp(t *testing.T) {
	for _, edge := range []string{"web", ""} {
		f := tiered(9, 3, edge)
		users, rps := 0.0, 0.0
		for i := range f.Hosts {
			users += f.Hosts[i].Connections.V
			rps += f.Hosts[i].RPS.V
		}
		f.Totals.Connections = capacity.Known(users) // as fleet adds them up for the agents' sake
		for _, size := range [][2]int{{40, 10}, {60, 15}, {80, 24}, {120, 40}, {200, 50}} {
			text := textOf(f, View{}, size[0], size[1])
			for _, sum := range []float64{users, rps} {
				if strings.Contains(text, grouped(sum)) {
					t.Errorf("edge %q, %v: the sum %s over all pools is on screen:\n%s", edge, size, grouped(sum), text)
				}
			}
		}
		row := lineOf(t, textOf(f, View{}, 120, 40), "FLEET")
		if edge == "" {
			if n := strings.Count(row, "?"); n < 6 {
				t.Errorf("%d unknowns in a total of no pool: %q", n, row)
			}
			continue
		}
		for _, want := range []string{"web", grouped(f.Totals.Users.V), grouped(f.Totals.RPS.V), grouped(f.Pools[0].RoomUsers.V), "rps, conns, room: web"} {
			if !strings.Contains(row, want) {
				t.Errorf("the total of web lacks %s: %q", want, row)
			}
		}
	}
}

// Why requests are not known is the word of the hosts of the pool that the
// number is of, not of others.
func TestRPSNoteIsOfTheEdge(t *testing.T) {
	f := tiered(9, 3, "web")
	f.Totals.RPS = capacity.Num{}
	f.Totals.HottestThread = fleet.HotThread{Known: true, Host: "ws-4", Name: "node", PID: 2211, Demand: 0.99}
	for i := range f.Hosts {
		if h := &f.Hosts[i]; h.Pool == "web" {
			h.RPS, h.RPSNote = capacity.Num{}, "nothing listens here"
		}
	}
	if line := lineOf(t, textOf(f, View{}, 120, 40), "rps"); !strings.Contains(line, "pool web: nothing listens here") {
		t.Errorf("%q", line)
	}
	if line := lineOf(t, textOf(f, View{}, 120, 40), "thread"); !strings.Contains(line, "99%, the busiest: ws-4 node/2211") {
		t.Errorf("the thread of all hosts is not told from a mean: %q", line)
	}
}

// What can't be told from 0 is not written down as a cost.
func TestCostThatIsNotKnown(t *testing.T) {
	l := *learnedOf(0, "nginx")[0].Learning
	row := learnedRow{at: &fleet.Learned{Learning: &l}}
	cost := func() string {
		text, _ := row.cell(tableColumn{id: lrCost, width: 6}, night)
		rest, _ := row.cell(tableColumn{id: lrBesides, width: 9}, night)
		return text + " " + rest
	}
	if got := cost(); strings.Contains(got, "?") {
		t.Fatalf("a cost that is known: %q", got)
	}
	l.AtTarget.Cost.Of = capacity.Interval{Low: -1e-6, High: 0.01, OK: true}
	if got := cost(); got != "? ?" {
		t.Errorf("a cost that may be 0: %q", got)
	}
}

func TestUsersSayHowTheyAreCounted(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {120, 40}, {200, 50}} {
		line := lineOf(t, textOf(byLittle(), View{}, size[0], size[1]), "users")
		if !strings.Contains(line, "74,280") || !strings.Contains(line, "by Little's law: 7,398 rps × (10s think + 40ms response)") {
			t.Errorf("%v: %q", size, line)
		}
	}
	if text := textOf(byLittle(), View{}, 40, 10); !strings.Contains(text, "users 74,280 by Little's law") {
		t.Errorf("a split pane does not say how users are counted:\n%s", text)
	}
	f := byLittle()
	f.Totals.UsersFrom, f.Totals.UsersNote = "gauge", ""
	if line := lineOf(t, textOf(f, View{}, 80, 24), "users"); !strings.Contains(line, "by a gauge") {
		t.Errorf("a gauge: %q", line)
	}
	f.Totals.Users, f.Totals.UsersNote = capacity.Num{}, "no think time is known"
	if line := lineOf(t, textOf(f, View{}, 120, 40), "users"); !strings.Contains(line, "?") || !strings.Contains(line, "no think time") {
		t.Errorf("unknown users: %q", line)
	}
}

func TestLearnedWords(t *testing.T) {
	row := func(i int) *fleet.Learned { return &learnedOf(i, "node")[0] }
	for _, c := range []struct {
		name  string
		at    *fleet.Learned
		width int
		want  string
	}{
		{"learned", row(0), 120, "cpu of nginx takes 6,400/s at 80% (6,100..6,700), from 412 points since 00:10; 8.1ms of CPU a request"},
		{"learned, brief", row(0), 60, "cpu of nginx takes 6,400/s at 80% (6,100..6,700); 8.1ms each"},
		{"learned, briefer", row(0), 50, "cpu of nginx takes 6,400/s at 80% (6,100..6,700)"},
		{"learned, least", row(0), 14, "6,400/s at 80%"},
		{"at least", row(1), 120, "thread of node takes at least 145/s at 80%: too little spread of load to learn from; 12 points since Sun 09:10"},
		{"at least, least", row(1), 12, "at least 145/s"},
		{"unknown", row(2), 120, "? cpu of nginx: everything seen was over the target"},
		{"memory", &learnedOf(0, "")[1], 120, "memory takes 41,000 conns at 80% (39,000..43,500), from 90 points since 02:10; 21 kB a connection"},
		{"nothing", &fleet.Learned{Learning: &fleet.Learning{Limit: "cpu"}}, 120, "? cpu: nothing was seen yet"},
	} {
		if got := first(c.width, learnedTexts(c.at, 0.8, night)...); got != c.want {
			t.Errorf("%s: %q\nwant %q", c.name, got, c.want)
		}
	}
	if got := changeText(row(3), night); got != "requests cost ×1.30 since 02:00" {
		t.Errorf("a change: %q", got)
	}
	if got := changeText(row(0), night); got != "" {
		t.Errorf("no change: %q", got)
	}
}

// The pane says why something is not learned, and announces a change.
func TestLearnedOnTheHostScreen(t *testing.T) {
	f := scenes()["engine"]
	f.Hosts[4].Scaling = []fleet.Scaling{{
		Port: 3000, Service: "node", Seen: []fleet.WorkersSeen{{Workers: 1, RPS: 955}, {Workers: 2, RPS: 1878}},
		Law: &capacity.Scaling{Scalability: capacity.Scalability{Alpha: 0.02, Beta: 0.001, Gamma: 955}, Most: 40}, Advice: []string{"more workers: 2 to 8 give ×3.6"},
	}}
	f.Hosts[5].Scaling = []fleet.Scaling{{Port: 3000, Service: "node", Lacks: "seen full with 1 worker"}}
	for host, want := range map[string][]string{
		"ws-1": {"AT 80%", "6,400/s", "6,100..6,700", "8,010/s", "8.1ms", "0.15 core", "412"},
		"ws-2": {"at least 145/s", "too little spread of load to learn from"},
		"ws-3": {"everything seen was over the target"},
		"ws-4": {"requests cost ×1.30 since 02:00"},
		"ws-5": {"node :3000 by full workers 1: 955/s, 2: 1,878/s; contention 2.0%, coherency 0.10%, best 31 workers", "→ more workers: 2 to 8 give ×3.6"},
		"ws-6": {"node :3000 workers: seen full with 1 worker"},
	} {
		text := textOf(f, View{Screen: HostScreen, Host: host}, 120, 90)
		for _, s := range want {
			if !strings.Contains(text, s) {
				t.Errorf("%s lacks %q:\n%s", host, s, text)
			}
		}
	}
}

func TestPlanPane(t *testing.T) {
	f := withEngine(fixture{hosts: 9, cores: 8, level: fleet.OK, limited: true}.frame())
	draw := func(w int) []string {
		c := newCanvas(w, planHeight(&f.Pools[0]), false)
		drawPlan(c.all(), &f, &f.Pools[0])
		return strings.Split(ansi.Strip(c.String(Theme{})), "\n")
	}
	lines := draw(77)
	for name, f := range scenes() {
		if p := worst(&f); p != nil && len(p.Rows) > 0 && planHeight(p) != 1+len(planTable(&f, p)) {
			t.Errorf("%s: %d lines are planned for a plan of %d", name, planHeight(p), 1+len(planTable(&f, p)))
		}
	}
	end := func(line, word string) int { return strings.Index(line, word) + len(word) }
	servers, marks := lines[1], lines[len(lines)-1]
	for number, mark := range map[string]string{" 9": "have", "10": "max", "13": "NEED"} {
		if end(servers, number) != end(marks, mark) {
			t.Errorf("%s does not stand under%s:\n%s", mark, number, strings.Join(lines, "\n"))
		}
	}
	for _, want := range []string{"98%!!", "88%! ", "80.4%! ", "74%  "} {
		if !strings.Contains(lines[2], want) {
			t.Errorf("no %q in %q", want, lines[2])
		}
	}
	narrow := draw(9 + 4*8)
	if got := strings.Fields(narrow[1]); strings.Join(got, " ") != "servers 9 10 11 13" {
		t.Errorf("four columns are %q: those with a mark must stay", got)
	}
	f.Pools[0].Rows = []capacity.Row{{Servers: 1, Now: capacity.Known(0.8)}}
	if lines := draw(77); len(lines) != 4 || !strings.Contains(lines[2], "80%") || strings.Contains(lines[2], "!") || !strings.HasSuffix(strings.TrimRight(lines[3], " "), " -") {
		t.Errorf("one server at its target:\n%s", strings.Join(lines, "\n"))
	}
}

// What is planned for the column beside fits into it.
func TestBesideFits(t *testing.T) {
	for name, f := range scenes() {
		for h := 15; h <= 120; h += 3 {
			p := planOf(&f, &View{}, 200, h)
			least := min(p.heat, p.ahead, p.byPool, p.learned, p.services, p.beside)
			if used := p.heat + p.ahead + p.byPool + p.learned + p.services + p.beside; least < 0 || used > h-3-p.bottom-agentLines {
				t.Errorf("%s: %d lines of panes beside at a height of %d", name, used, h)
			}
			if main := p.gap + p.gauges + p.chart + p.pools + p.hosts + p.detail + titled(len(p.attention)); main > h-3-p.bottom {
				t.Errorf("%s: %d lines of panes at a height of %d", name, main, h)
			}
		}
	}
}

// TestStepsTellAll: every step, in its order, and what stands beside the number.
func TestStepsTellAll(t *testing.T) {
	f := scenes()["engine"]
	for _, w := range []int{20, 39, 80, 120, 400} {
		body := ansi.Strip(stepsBody(&f, &View{}, w, false).String(Theme{}))
		body = strings.Join(strings.Fields(body), " ")
		at := 0
		for i, s := range append(f.Pools[0].Steps, "keeps 13; may go to 9 in 11m", "×1.24", "4 more servers would cover that, 16.32 a day", "full in 1m07s") {
			found := strings.Index(body[at:], s)
			if found < 0 {
				t.Fatalf("%d cells: step %d %q is missing or out of order:\n%s", w, i, s, body)
			}
			at += found + len(s)
		}
		for _, s := range []string{"80% of conns: chosen", "72,580 = connections", "about 58,000 requests", "SHORT 3"} {
			if !strings.Contains(body, s) {
				t.Errorf("%d cells: no %q", w, s)
			}
		}
	}
	nothing := fixture{hosts: 3, cores: 2, level: fleet.Unknown, down: 3}.frame()
	nothing.Pools[0].Limits, nothing.Policy = nil, fleet.Policy{}
	body := ansi.Strip(stepsBody(&nothing, &View{}, 80, false).String(Theme{}))
	for _, name := range []string{"number", "target", "users", "can take", "climb", "trend"} {
		if l := strings.TrimSpace(strings.TrimPrefix(lineOf(t, body, name), " "+name)); !strings.HasPrefix(l, "?") {
			t.Errorf("nothing is known and %s says %q", name, l)
		}
	}
}

// A step is never cut: folded to any width, all of its words are there, and
// what is no text takes the cells it shows.
func TestStepsAreFoldedWhole(t *testing.T) {
	l := stepLine{text: "one \x1b[31m two\nthree 数据库 " + strings.Repeat("x", 50) + " end"}
	for w := 4; w < 90; w++ {
		lines := l.folded(w, 1)
		for _, s := range lines {
			if n := ansi.StringWidth(s); n > w-2 {
				t.Errorf("%d cells: %q takes %d", w, s, n)
			}
		}
		text := strings.Join(lines, "")
		for _, word := range []string{"one", "?[31m", "two", "three", "数据库", "end"} {
			if !strings.Contains(strings.ReplaceAll(text, " ", ""), word) {
				t.Errorf("%d cells: %s is gone from %q", w, word, lines)
			}
		}
		if strings.Count(text, "x") != 50 {
			t.Errorf("%d cells: %q", w, lines)
		}
	}
}

// A percentage stands over a column only where every limit in it is to run at
// that.
func TestTargetsOfLimits(t *testing.T) {
	f := withEngine(nine())
	for i, want := range []string{"AT 80%", "AT TARGET"} {
		text := textOf(f, View{Screen: HostScreen, Host: "ws-1"}, 120, 60)
		if !strings.Contains(text, want) || strings.Contains(text, "AT 80%") != (i == 0) {
			t.Errorf("no %s in\n%s", want, text)
		}
		f.Hosts[0].Learned[0].Target = 0.5
	}
}

// Which pool the headline is of, and how that is known, stands with the steps.
func TestStepsNameTheEdge(t *testing.T) {
	for edge, want := range map[string]string{"api": "api is what people reach first: by connections", "": "? which pool people reach first is not known"} {
		f := tiered(9, 3, edge)
		if body := ansi.Strip(stepsBody(&f, &View{}, 120, false).String(Theme{})); !strings.Contains(body, want) {
			t.Errorf("edge %q: no %q in\n%s", edge, want, body)
		}
	}
	f := nine()
	if body := ansi.Strip(stepsBody(&f, &View{}, 120, false).String(Theme{})); strings.Contains(body, "edge") {
		t.Errorf("one pool has no edge:\n%s", body)
	}
}

// TestStepsAreLeft: esc goes back to where i was pressed, whatever came between.
func TestStepsAreLeft(t *testing.T) {
	three := tiered(9, 3, "web")
	d := drive(t, 80, 24, three).press("i")
	if d.m.view.Pool != "api" || !strings.Contains(d.text(), "2 of 3") {
		t.Errorf("the steps of %q, not of the pool of the verdict", d.m.view.Pool)
	}
	d.press("n", "n", "n", "N", "tab", "shift+tab", "shift+tab") // round the end, and round the beginning
	if d.m.view.Pool != "db" {
		t.Errorf("n, N and tab led to %q", d.m.view.Pool)
	}
	if d.press("?", "esc"); d.m.view.Screen != StepsScreen {
		t.Error("help over the steps does not go back to them")
	}
	if d.press("esc"); d.m.view.Screen != Overview {
		t.Error("esc does not leave the steps")
	}
	d.press("j", "j", "enter", "i")
	if d.m.view.Pool != "db" || d.last().Host != "ws-3" {
		t.Errorf("the steps of %q over a host of db; asked is %q", d.m.view.Pool, d.last().Host)
	}
	if d.press("i"); d.m.view.Screen != HostScreen {
		t.Error("i does not go back to the host")
	}
	if d.press("i", "1"); d.m.view.Screen != Overview {
		t.Error("1 does not lead to the overview")
	}
	one := drive(t, 20, 5, scenes()["engine"]).press("i")
	was := one.text()
	if one.press("j"); one.text() == was {
		t.Error("the steps do not scroll at 20x5")
	}
	if one.press("G"); !strings.Contains(strings.Join(strings.Fields(one.text()), " "), "slope") {
		t.Errorf("the end of the steps:\n%s", one.text())
	}
	if one.press("n"); one.m.view.Note == "" {
		t.Error("n says nothing where there is one pool")
	}
	waiting := &driver{t: t, m: newModel(Options{}, 0, Theme{}, nil)}
	waiting.send(sizeMsg{80, 24})
	if waiting.press("i", "n", "N", "tab"); !strings.Contains(waiting.text(), "? nothing is known yet") {
		t.Errorf("steps before the first reading:\n%s", waiting.text())
	}
}

// Of many pools the most urgent are listed, in their own order.
func TestPressingPools(t *testing.T) {
	f := tiered(24, 8, "web")
	f.Pools[7].Verdict.Level = fleet.Act
	var names []string
	for _, p := range pressing(&f, 3) {
		names = append(names, p.Name)
	}
	if got := strings.Join(names, " "); got != "web api batch" {
		t.Errorf("the three most urgent are %q", got)
	}
	text := textOf(f, View{}, 80, 24)
	if !strings.Contains(text, "3 more pools") || !strings.Contains(lineOf(t, text, "batch"), "!!") {
		t.Errorf("eight pools:\n%s", text)
	}
}

// The rows of hosts can be those of a pool.
func TestFilterByPool(t *testing.T) {
	f := tiered(9, 3, "web")
	for text, want := range map[string]int{"pool=api": 3, "!pool=api": 6, "pool=": 9, "pool=x": 0} {
		if got := len(rowsOf(&f, &View{Filter: text}, 80)); got != want {
			t.Errorf("%q leaves %d hosts, want %d", text, got, want)
		}
	}
	plain := nine()
	if got := len(rowsOf(&plain, &View{Filter: "pool="}, 80)); got != 0 {
		t.Errorf("pool= finds %d hosts of no pool", got)
	}
}

// A moment of another day says which.
func TestMoment(t *testing.T) {
	for ago, want := range map[time.Duration]string{
		time.Hour: "02:12", 4 * time.Hour: "Sun 23:12", 23 * time.Hour: "Sun 04:12", 10 * 24 * time.Hour: "13 Nov",
	} {
		if got := moment(night.Add(-ago), night); got != want {
			t.Errorf("%v ago is %q, want %q", ago, got, want)
		}
	}
	if got := moment(time.Time{}, night); got != unknownText {
		t.Errorf("no time is %q", got)
	}
}

// The pane of a long list holds the host under the cursor.
func TestLearnedFollowsTheCursor(t *testing.T) {
	f := withEngine(fixture{hosts: 50, cores: 8, level: fleet.OK, limited: true}.frame())
	p := planOf(&f, &View{}, 200, 50)
	for _, host := range []int{0, 20, 49} {
		v := View{Host: f.Hosts[host].Name}
		c := newCanvas(77, p.learned, false)
		drawLearnedFleet(c.all(), &f, &v, &p)
		if text := ansi.Strip(c.String(Theme{})); !strings.Contains(text, " "+v.Host+" ") || !strings.Contains(text, "of "+strconv.Itoa(50)) {
			t.Errorf("%s is not in its pane of %d lines:\n%s", v.Host, p.learned, text)
		}
	}
}
