package ui

import (
	"strings"
	"testing"

	"capmon/capacity"
	"capmon/fleet"
	"capmon/sample"
)

// filtered are five hosts that differ in what can be filtered by.
func filtered() Frame {
	f := nine()
	f.Hosts = f.Hosts[:5]
	n := capacity.Known
	for i, h := range []struct {
		cpu, conns, room capacity.Num
		bound, pool, az  string
		state            fleet.State
		flags            []string
	}{
		{n(0.58), n(9870), n(130), "conns", "web", "a", fleet.Up, []string{"full"}},
		{n(0.81), n(1500), n(88), "cpu", "web", "b", fleet.Up, nil},
		{n(0.80), n(999), n(2100), "thread", "db", "a", fleet.Up, []string{fleet.SingleThread}},
		{capacity.Num{}, capacity.Num{}, capacity.Num{}, "", "db", "b", fleet.Down, nil},
		{n(0.20), n(0), n(0), "conns", "", "", fleet.Stale, []string{"stale"}},
	} {
		x := &f.Hosts[i]
		x.CPU, x.Connections, x.RoomUsers, x.RoomRPS, x.Bound, x.Pool, x.State, x.Flags = h.cpu, h.conns, h.room, capacity.Num{}, h.bound, h.pool, h.state, h.flags
		x.Machine = &sample.Machine{Hostname: x.Name}
		if h.az != "" {
			x.Machine.Labels = []*sample.Label{{Key: "az", Value: h.az}, {Key: "role", Value: "ws x"}}
		}
	}
	return f
}

func TestFilterLanguage(t *testing.T) {
	f := filtered()
	for text, want := range map[string]string{
		"":                        "12345",
		"ws-3":                    "3",
		"ws-*":                    "12345",
		"ws":                      "12345",
		"w?-2":                    "2",
		"*-2":                     "2",
		"s-2*":                    "",
		"cpu>80":                  "2",
		"cpu>=80":                 "23",
		"cpu>80%":                 "2",
		"cpu=80":                  "3",
		"cpu!=80":                 "125",
		"!cpu>80":                 "135", // nothing is known of the fourth
		"conns>1k":                "12",
		"conns<=1.5k":             "235",
		"conns>1,500":             "1",
		"room<100":                "25",
		"az=a":                    "13",
		"az!=a":                   "245",
		"!az=a":                   "245",
		"AZ=A":                    "13",
		"az=":                     "1234",
		"!az=":                    "5",
		`role="ws x"`:             "1234",
		"role=ws*":                "1234",
		"role=ws":                 "",
		"pool=web":                "12",
		"pool=w*":                 "12",
		"bound:thread":            "3",
		"bound:conn":              "15",
		"!bound:conns":            "23",
		"is:down":                 "4",
		"is:1t":                   "3",
		"is:full":                 "1",
		"is:stale":                "5",
		"!is:up":                  "45",
		"!is:1t":                  "12", // of those that do not answer no flag is known
		"!is:ok":                  "1345",
		"flag:full":               "1",
		"!flag:full":              "23",
		"conns=9.9k":              "1",
		"conns=9.8k":              "",
		"conns!=9.9k":             "235",
		"age>0.1s":                "12345",
		"age>=5m":                 "",
		"is:single-thread-bound":  "3",
		"pool=db is:down":         "4",
		"is:down|is:1t":           "34",
		"is:down | is:1t":         "34",
		"az=a|az=b cpu>58 ws-*":   "23",
		"ws-1|ws-2 conns>2k":      "1",
		"! ws-1":                  "2345",
		"cpu>80 !":                "2",
		"cpu> az=a":               "13", // what can't be read is left out
		"is:nonsense":             "12345",
		"speed>3":                 "12345",
		"ws-1 is:":                "1",
		"|":                       "12345",
		`"`:                       "12345",
		"[":                       "",
		"[*":                      "",
		"cpu>1e2":                 "",
		"conns<0x10":              "12345",
		"age<nan":                 "12345",
		"headroom<10%|cpu>0":      "1235",
		"conns>=1k% room<100":     "25",
		strings.Repeat("ws|", 60): "12345",
	} {
		var got strings.Builder
		match := parseFilter(text)
		for i := range f.Hosts {
			if match.holds(&f.Hosts[i]) {
				got.WriteByte('1' + byte(i))
			}
		}
		if got.String() != want {
			t.Errorf("%q shows %q, want %q (%s)", text, got.String(), want, match.wrong)
		}
	}
}

// What is wrong is said while it is typed.
func TestFilterSaysWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"cpu>":          "cpu>: want a number behind >",
		"cpu>x ws":      "cpu>x: want a number",
		"speed>3":       `no number "speed"; there are age conns cores cpu`,
		"is:x":          "is:x: there are up down",
		"of:x":          "of:x: there are is: flag: and bound:",
		"flag:x":        "flag:x: there are 1c 1t",
		"conns>80%":     "want a number behind >, as 950 or 1.5k",
		"cpu>1k":        "want a number behind >, as 80 or 80%",
		"age>1k":        "want a number behind >, as 5s or 2m",
		"ws cpu>1 az=b": "",
	} {
		match := parseFilter(text)
		if got := match.wrong; !strings.Contains(got, want) || (got == "") != (want == "") {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	d := drive(t, 120, 40, filtered()).press("/").typed("cpu>x")
	if text := d.text(); !strings.Contains(text, "cpu>x: want a number behind >") {
		t.Errorf("the prompt says nothing:\n%s", text)
	}
	if d.press("enter"); d.m.view.Prompt != (Prompt{FilterPrompt, "cpu>x", 5}) {
		t.Errorf("what can't be read was kept: %+v", d.m.view.Prompt)
	}
	if d.press("backspace").typed("80"); !strings.Contains(d.text(), "1 of 5") {
		t.Error("the prompt does not say how many match")
	}
	if d.press("enter"); d.m.view.Prompt.For != NoPrompt || d.m.view.Filter != "cpu>80" {
		t.Errorf("what can be read was not: %+v", d.m.view.Prompt)
	}
}

// A name may have a port; and what was never told is not taken for none.
func TestFilterOfNamesAndTheUnseen(t *testing.T) {
	f := filtered()
	f.Hosts[0].Name, f.Hosts[1].Name = "10.0.0.1:7078", "[::1]:7077"
	f.Hosts[2].Machine = nil
	for text, want := range map[string]int{
		"10.0.0.1:7078": 1, "10.0.0.1:": 1, ":7077": 1, "[::1]:7077": 1, "*:7078": 1, "ws-3:": 0, "ws:7078": 0,
		"az=a": 1, "az!=a": 3, "!az=a": 3, "pool!=web": 3,
	} {
		match, n := parseFilter(text), 0
		for i := range f.Hosts {
			if match.holds(&f.Hosts[i]) {
				n++
			}
		}
		if n != want || match.wrong != "" {
			t.Errorf("%q: %d hosts, want %d (%s)", text, n, want, match.wrong)
		}
	}
}

func TestFilterCompletes(t *testing.T) {
	f := filtered()
	for text, want := range map[string]string{
		"hea": "headroom>", "is:d": "is:down", "az": "az=", "bou": "bound:", "bound:t": "bound:thread", "!is:1": "!is:1", "!is:1t": "!is:1t", "i": "is:", "is:f": "is:full", "flag:thro": "flag:throttled",
		"ws": "ws-", "az=a|poo": "az=a|pool=", "none": "none", "": "", "ws-1 ": "ws-1 ",
	} {
		if got := completeFilter(&f, Overview, text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
	if text := drive(t, 120, 40, f).press("/").typed("is:1").text(); !strings.Contains(text, "tab: is:1c is:1t") {
		t.Errorf("nothing says what tab knows:\n%s", text)
	}
	if d := drive(t, 120, 40, f).press("/").typed("is:d").press("tab"); d.m.view.Filter != "is:down" {
		t.Errorf("tab: %q", d.m.view.Filter)
	}
}

// FuzzFilter: whatever is typed is a filter, and a word and its opposite never
// both hold.
func FuzzFilter(f *testing.F) {
	for _, s := range []string{"ws-* cpu>80|is:1t !az=a", `role="ws x"`, "! | \" [ * ?", "cpu>=1e400", "is:", "数=据*"} {
		f.Add(s)
	}
	frame := filtered()
	f.Fuzz(func(t *testing.T, text string) {
		match := parseFilter(text)
		for i := range frame.Hosts {
			match.holds(&frame.Hosts[i])
			for _, word := range filterFields(text) {
				yes, _ := parseWord(word)
				no, _ := parseWord("!" + word)
				if strings.HasPrefix(word, "!") || strings.Contains(word, "!=") || yes.hold == nil {
					continue
				}
				one, two := filter[fleet.Host]{all: [][]hostWord{{yes}}}, filter[fleet.Host]{all: [][]hostWord{{no}}}
				if one.holds(&frame.Hosts[i]) && two.holds(&frame.Hosts[i]) {
					t.Errorf("%q and its opposite both hold", word)
				}
			}
		}
		completeFilter(&frame, Overview, text)
	})
}

func BenchmarkFilter(b *testing.B) {
	f := filtered()
	for len(f.Hosts) < 10_000 {
		f.Hosts = append(f.Hosts, f.Hosts...)
	}
	match := parseFilter("ws-* cpu>40|is:1t !az=c")
	for b.Loop() {
		for i := range f.Hosts {
			match.holds(&f.Hosts[i])
		}
	}
}

func TestGlob(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true},
		{"*", "", true},
		{"?", "", false},
		{"ws-*", "WS-1", true},
		{"*-1*", "ws-11", true},
		{"a*b*c", "aXbYbZc", true},
		{"a*b*c", "aXbYbZ", false},
		{"数?*", "数据库", true},
		{"??", "数据库", false},
		{"a/*", "a/b", true},
		{"[a]*", "[a]", true},
		{"a**", "a", true},
		{"\xff*", "\xffx", true},
	} {
		if got := glob(c.pattern, c.text); got != c.want {
			t.Errorf("%q of %q: %v", c.pattern, c.text, got)
		}
	}
}
