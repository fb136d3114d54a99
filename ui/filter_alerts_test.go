package ui

import (
	"strings"
	"testing"
	"time"
)

// alarmedAlerts are alarmed's: 1 conns on nine hosts, 2 a thread of ws-4, 3 the
// clock of ws-2 (acked, with a note), 4 room of the pool all (pending), 5 no data
// of ws-7 (resolved).
func TestAlertFilterLanguage(t *testing.T) {
	f := alarming(filtered()) // hosts ws-1 to ws-5
	f.Alerts[3].Where, f.Alerts[3].Places = "web", []string{"web"}
	f.Alerts[2].Snoozed = f.Time.Add(time.Hour)
	for text, want := range map[string]string{
		"":                     "12345",
		"conns":                "1",
		"CONNS":                "1",
		"ws-4":                 "12",
		"ws-*":                 "1235",
		"ntp":                  "3",
		"ack":                  "3",
		"!ack":                 "1245",
		"firing":               "12",
		"rule=limit":           "1",
		"rule:limit":           "1",
		"rule=l*":              "14",
		"rule!=limit":          "2345",
		"!rule=limit":          "2345",
		"rule=limit|rule=down": "15",
		"limit|clock":          "13",
		"host=ws-4":            "12",
		"host=ws-4 !conns":     "2",
		"host=":                "1235",
		"where=web":            "4",
		"pool=web":             "134", // ws-1 and ws-2 are in it
		"pool=db":              "12",
		"sev:act":              "1",
		"sev=soon":             "2345",
		"sev!=soon":            "1",
		"is:act":               "1",
		"is:soon":              "2345",
		"is:firing":            "12",
		"is:acked":             "3",
		"is:snoozed":           "3",
		"!is:snoozed":          "1245",
		"is:pending":           "4",
		"is:resolved":          "5",
		"since:10m":            "1245",
		"since:3m":             "14",
		"since:03:05":          "145",
		"!since:10m":           "3",
		"for>5m":               "23",
		"for<=20s":             "45",
		"seen>=2":              "15",
		"places>1":             "1",
		"sev:act since:1h !x":  "1",
		// Of hosts: those where the alert is; of a pool, and of ws-7, nothing is known.
		"az=a":         "1", // ws-1 and ws-3; ws-4 and ws-2 are in b
		"az=b":         "123",
		"cpu>80":       "13", // ws-2
		"!cpu>80":      "",
		"is:1t":        "1",
		"is:down":      "12", // ws-4
		"bound:conns":  "1",
		"!bound:conns": "3",
		"|":            "12345",
		`"`:            "12345",
		"is:nonsense":  "12345",
		"sev:":         "12345",
	} {
		var got strings.Builder
		match := parseAlertFilter(text, f.Time)
		for i := range f.Alerts {
			if match.holds(&placed{Alert: &f.Alerts[i], fleet: &f}) {
				got.WriteByte('1' + byte(i))
			}
		}
		if got.String() != want {
			t.Errorf("%q shows %q, want %q (%s)", text, got.String(), want, match.wrong)
		}
	}
}

func TestAlertFilterSaysWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"sev:x":     "sev:x: there are sev:act",
		"is:x":      "is:x: there are acked act firing",
		"since:x":   "since:x: want a time, as since:1h",
		"since:":    "since:: want a time",
		"for>x":     "for>x: want a number behind >, as 5s or 2m",
		"for>1k":    "want a number behind >, as 5s",
		"speed>3":   `no number "speed"; there are for places seen, and of hosts age conns`,
		"of:x":      "of:x: there are rule: host: sev: is: since:",
		"flag:x":    "flag:x: there are 1c 1t",
		"cpu>1k":    "want a number behind >, as 80 or 80%",
		"sev:act !": "",
	} {
		if got := filterWrong(AlertsScreen, text); !strings.Contains(got, want) || (got == "") != (want == "") {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// The alerts keep a filter of their own: neither list hides what the other shows.
func TestAlertFilterIsItsOwn(t *testing.T) {
	d := drive(t, 120, 40, alarmed).press("/").typed("ws-1").press("enter", "5")
	if text := d.text(); strings.Contains(text, "filter:") || !strings.Contains(text, "one thread full") {
		t.Errorf("the hosts' filter is on the alerts:\n%s", text)
	}
	d.press("/").typed("sev:so")
	if text := d.text(); !strings.Contains(text, "tab: sev:soon") {
		t.Errorf("the prompt offers nothing:\n%s", text)
	}
	d.press("tab")
	if text := d.text(); !strings.Contains(text, "4 of 5") {
		t.Errorf("the prompt does not count:\n%s", text)
	}
	d.press("enter", "!").typed("ack").press("enter")
	text := d.text()
	if !strings.Contains(text, "filter: sev:soon !ack (3 of 5)") || strings.Contains(text, "9 hosts") || strings.Contains(text, "ntp") || !strings.Contains(text, "one thread full") {
		t.Errorf("sev:soon !ack:\n%s", text)
	}
	if d.m.view.Filter != "ws-1" || d.m.view.AlertFilter != "sev:soon !ack" {
		t.Errorf("%q, %q", d.m.view.Filter, d.m.view.AlertFilter)
	}
	d.press("/").typed(" is:x").press("enter")
	if d.m.view.Prompt.For != FilterPrompt {
		t.Error("what can't be read was kept")
	}
	if d.press("esc", "4", "esc"); d.m.view.AlertFilter != "" || d.m.view.Filter != "ws-1" || d.m.view.Screen != Overview {
		t.Errorf("esc: %+v", d.m.view)
	}
	d.press("5", ":").typed("filter conns").press("enter")
	if d.m.view.AlertFilter != "conns" || d.m.view.Filter != "ws-1" {
		t.Errorf(":filter: %q, %q", d.m.view.AlertFilter, d.m.view.Filter)
	}
	d.press("?")
	if d.press("esc", "esc"); d.m.view.AlertFilter != "" || d.m.view.Screen != AlertsScreen {
		t.Errorf("esc after help: %q on %d", d.m.view.AlertFilter, d.m.view.Screen)
	}
}

// FuzzAlertFilter: whatever is typed is a filter, and a word and its opposite
// never both hold.
func FuzzAlertFilter(f *testing.F) {
	for _, s := range []string{"sev:act !ack", "since:03:04 for>5m", "host=ws-*|cpu>80", "is:", "since:9999999h", "rule!=", "pool=*"} {
		f.Add(s)
	}
	frame := alarming(filtered())
	f.Fuzz(func(t *testing.T, text string) {
		match := parseAlertFilter(text, frame.Time)
		for i := range frame.Alerts {
			x := &placed{Alert: &frame.Alerts[i], fleet: &frame}
			match.holds(x)
			for _, word := range filterFields(text) {
				yes, _ := parseAlertWord(word, frame.Time)
				no, _ := parseAlertWord("!"+word, frame.Time)
				if strings.HasPrefix(word, "!") || yes.hold == nil {
					continue
				}
				one, two := filter[placed]{all: [][]alertWord{{yes}}}, filter[placed]{all: [][]alertWord{{no}}}
				if one.holds(x) && two.holds(x) {
					t.Errorf("%q and its opposite both hold", word)
				}
			}
		}
		completeFilter(&frame, AlertsScreen, text)
	})
}
