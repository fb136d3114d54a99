package ui

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"capmon/alerts"
	"capmon/capacity"
	"capmon/fleet"
)

// placed is an alert with the fleet that it is in.
type placed struct {
	*alerts.Alert
	fleet *Frame
}

type alertWord = filterWord[placed]

// alertNumbers are the numbers of an alert that can be compared.
var alertNumbers = map[string]struct {
	of   func(*placed) capacity.Num
	unit filterUnit
}{
	"for":    {func(x *placed) capacity.Num { return num(alertLasted(x.Alert, x.fleet.Time).Seconds()) }, inSeconds},
	"seen":   {func(x *placed) capacity.Num { return num(float64(x.Seen)) }, inNumbers},
	"places": {func(x *placed) capacity.Num { return num(float64(len(x.Places))) }, inNumbers},
}

// alertLasted is for how long an alert is there, or was.
func alertLasted(a *alerts.Alert, now time.Time) time.Duration {
	if a.Phase == alerts.Resolved {
		now = a.Ended
	}
	return max(now.Sub(a.Since), 0)
}

// alertStates are what can stand behind is: besides what it knows of hosts.
var alertStates = map[string]func(*alerts.Alert) bool{
	"firing":   func(a *alerts.Alert) bool { return a.Phase == alerts.Firing },
	"acked":    func(a *alerts.Alert) bool { return a.Phase == alerts.Acked },
	"snoozed":  func(a *alerts.Alert) bool { return !a.Snoozed.IsZero() },
	"pending":  func(a *alerts.Alert) bool { return a.Phase == alerts.Pending },
	"resolved": func(a *alerts.Alert) bool { return a.Phase == alerts.Resolved },
	"act":      func(a *alerts.Alert) bool { return a.Level == fleet.Act },
	"soon":     func(a *alerts.Alert) bool { return a.Level == fleet.Soon },
}

// parseAlertFilter reads a filter of alerts, at a moment. It is the language of
// the hosts with more words:
//
//	conns  ack  !ack      part of what is wrong, where, of its note or state
//	rule=limit  host=ws-* the rule, and where: patterns; pool= too
//	sev:act  is:pending   how grave, how far
//	since:1h  since:03:04 began in the last hour, or after 03:04
//	for>5m  seen>=3       a number of the alert, compared
//
// What it has no word for is asked of the hosts where the alert is: cpu>80 holds
// where it holds for one of them. Of an alert of a pool that is not known.
func parseAlertFilter(s string, now time.Time) filter[placed] {
	return parseWords(s, func(word string) (alertWord, string) { return parseAlertWord(word, now) })
}

func parseAlertWord(s string, now time.Time) (w alertWord, wrong string) {
	rest, not := strings.CutPrefix(s, "!")
	rest = strings.ToLower(strings.TrimSpace(rest))
	w.not = not
	if rest == "" {
		return w, ""
	}
	key, op, value := cutOp(rest)
	equals := op == ":" || op == "=" || op == "!="
	w.not = w.not != (op == "!=")
	number, numeric := alertNumbers[key]
	state := alertStates[value]
	switch {
	case op == "" || key == "":
		w.hold = alertText(rest)
	case key == "since" && (op == ":" || op == "="):
		return sinceHolds(w, s, value, now)
	case key == "sev" && equals && (value == "act" || value == "soon"), key == "is" && op == ":" && state != nil:
		w.hold = func(x *placed) (bool, bool) { return state(x.Alert), true }
	case key == "sev" && equals:
		return w, s + ": there are sev:act (!!) and sev:soon (!)"
	case op == ":" && hostPort(key, value):
		w.hold = alertText(rest)
	case (key == "rule" || key == "host" || key == "where") && equals:
		w.hold = alertWhere(key, value)
	case numeric && op != ":":
		want, step, ok := filterNumber(value, number.unit)
		if !ok {
			return w, noNumber(s, op, number.unit)
		}
		w.not = not
		w.hold = func(x *placed) (bool, bool) { return compares(number.of(x).V, op, want, step), true }
	default:
		return wordOfHosts(s, key, op)
	}
	return w, ""
}

// alertText is a part of what the list says of an alert, its state and its places
// among it, or a pattern of a whole place or rule.
func alertText(text string) func(*placed) (bool, bool) {
	return func(x *placed) (bool, bool) {
		if strings.ContainsAny(text, "*?") {
			return glob(text, x.Rule) || slices.ContainsFunc(x.Places, func(p string) bool { return glob(text, p) }), true
		}
		all := []string{x.What, x.Where, x.Rule, x.Note, x.Phase.String(), x.Next}
		has := func(s string) bool { return strings.Contains(strings.ToLower(s), text) }
		return slices.ContainsFunc(all, has) || slices.ContainsFunc(x.Places, has), true
	}
}

// alertWhere is the rule of an alert, or a host or pool where it is.
func alertWhere(key, value string) func(*placed) (bool, bool) {
	return func(x *placed) (bool, bool) {
		if key == "rule" {
			return value == "" || glob(value, x.Rule), true
		}
		if key == "host" && !x.Host {
			return false, true
		}
		return value == "" || slices.ContainsFunc(x.Places, func(p string) bool { return glob(value, p) }), true
	}
}

// sinceHolds is since:1h or since:03:04.
func sinceHolds(w alertWord, word, value string, now time.Time) (alertWord, string) {
	if d, err := time.ParseDuration(value); err == nil && d > 0 {
		w.hold = func(x *placed) (bool, bool) { return !x.Since.Before(now.Add(-d)), true }
		return w, ""
	}
	at, err := ParseMoment(value, now)
	if err != nil || value == "" {
		return w, word + ": want a time, as since:1h or since:03:04"
	}
	w.hold = func(x *placed) (bool, bool) { return !x.Since.Before(at), true }
	return w, ""
}

// wordOfHosts asks a word of the hosts where an alert is.
func wordOfHosts(s, key, op string) (w alertWord, wrong string) {
	host, wrong := parseWord(s)
	switch {
	case wrong == "":
	case key == "is":
		return w, s + ": there are " + strings.Join(slices.Sorted(maps.Keys(alertStates)), " ") + ", and of hosts up down stale 1t full and others"
	case op == ":" && key != "flag":
		return w, fmt.Sprintf("%s: there are rule: host: sev: is: since:, and of hosts flag: bound:", s)
	case filterNumbers[key].of == nil && op != ":":
		return w, fmt.Sprintf("%s: no number %q; there are for places seen, and of hosts %s", s, key, strings.Join(filterKeys(), " "))
	default:
		return w, wrong
	}
	w.not = host.not
	w.hold = func(x *placed) (holds, known bool) {
		if key == "pool" && !x.Host { // of a pool it is its name
			return slices.ContainsFunc(x.Places, func(p string) bool {
				yes, _ := host.hold(&fleet.Host{Pool: p})
				return yes
			}), true
		}
		for _, h := range x.hosts() {
			yes, sure := host.hold(h)
			holds, known = holds || yes && sure, known || sure
		}
		return holds, known
	}
	return w, ""
}

// hosts are those where the alert is.
func (x *placed) hosts() []*fleet.Host {
	if !x.Host {
		return nil
	}
	at := make(map[string]bool, len(x.Places))
	for _, p := range x.Places {
		at[p] = true
	}
	var out []*fleet.Host
	for i := range x.fleet.Hosts {
		if h := &x.fleet.Hosts[i]; at[h.Name] {
			out = append(out, h)
		}
	}
	return out
}

func offerAlertWords(f *Frame, offer func(...string)) {
	for k := range alertStates {
		offer("is:", k)
	}
	for k := range alertNumbers {
		offer(k + ">")
	}
	for _, s := range []string{"since:1h", "sev:act", "sev:soon"} {
		key, value, _ := strings.Cut(s, ":")
		offer(key+":", value)
	}
	for i := range f.Alerts {
		a := &f.Alerts[i]
		offer("rule=", a.Rule)
		for _, p := range a.Places {
			if a.Host {
				offer("host=", p)
			} else {
				offer("pool=", p)
			}
		}
	}
}
