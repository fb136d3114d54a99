package alerts

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"capmon/capacity"
	"capmon/fleet"
)

// Rule is one thing that is watched.
type Rule struct {
	Name  string
	Level fleet.Level // Soon or Act
	// Threshold fires when it is reached, Clears clears when the value is below.
	// Both are shares of a limit for "limit", of all for "lose-one", seconds for
	// "clock"; the others have none.
	Threshold, Clears float64
	For, ClearFor     time.Duration
	Off               bool
	From              string // where it was changed; "": as it ships

	of    string // what its threshold is of
	what  string // in a few words
	means string
	do    string
}

// Names of the rules.
const (
	Limit    = "limit"
	FullIn   = "full-in"
	Thread   = "thread"
	Short    = "short"
	LoseOne  = "lose-one"
	Silent   = "down"
	Clock    = "clock"
	noNumber = -1
)

// Rules are those that ship, with their defaults.
func Rules() []Rule {
	return []Rule{
		{
			Name: Limit, Level: fleet.Act, Threshold: 0.95, Clears: 0.90, For: time.Minute, ClearFor: 2 * time.Minute,
			of: "limit", what: "a host is near a limit: conns, cpu, files, memory, queue", means: "what comes beyond the limit is refused or waits", do: "add servers (screen 4), or raise the limit",
		},
		{
			Name: FullIn, Level: fleet.Act, Threshold: noNumber, Clears: noNumber, For: 10 * time.Second, ClearFor: time.Minute,
			what: "full before a new server is warm", means: "a server that starts now comes too late", do: "add servers now (screen 4)",
		},
		{
			Name: Thread, Level: fleet.Soon, Threshold: noNumber, Clears: noNumber, For: time.Minute, ClearFor: time.Minute,
			what: "one thread, its workers or a lock is full", means: "the service is full while cores are idle: a bigger machine does not help", do: "more workers",
		},
		{
			Name: Short, Level: fleet.Soon, Threshold: noNumber, Clears: noNumber, For: 10 * time.Second, ClearFor: time.Minute,
			what: "need is more than max", means: "the policy does not allow as many servers as the load needs", do: "raise max, or lower the load",
		},
		{
			Name: LoseOne, Level: fleet.Soon, Threshold: 1, Clears: 0.97, For: time.Minute, ClearFor: time.Minute,
			of: "use of the rest when one host is lost", what: "no room for losing one host", means: "when a host fails the others are over their limit", do: "add a server (screen 4)",
		},
		{
			Name: Silent, Level: fleet.Soon, Threshold: noNumber, Clears: noNumber, For: 10 * time.Second, ClearFor: 10 * time.Second,
			what: "no data", means: "nothing is known of the host; its load is not in the totals", do: "look whether it is up and its agent runs",
		},
		{
			Name: Clock, Level: fleet.Soon, Threshold: 1, Clears: 0.5, For: time.Minute, ClearFor: time.Minute,
			of: "clock off by", what: "the clock of a host differs from this one's", means: "its times can't be compared with those of others", do: "look at its time service (ntp)",
		},
	}
}

// Set changes a rule by a text: limit=95%,clears=90%,for=60s,clear-for=2m,
// thread=level=act or limit=off; from says where it stands. The error says what
// was wrong with it, and leaves the rules as they were. Without clears= it clears as
// far below the threshold as before.
func Set(rules []Rule, text, from string) error {
	name, rest, ok := strings.Cut(text, "=")
	i := slices.IndexFunc(rules, func(r Rule) bool { return r.Name == strings.TrimSpace(name) })
	if i < 0 {
		var names []string
		for _, r := range rules {
			names = append(names, r.Name)
		}
		return fmt.Errorf("no rule %q: there are %s", name, strings.Join(names, ", "))
	}
	r := rules[i]
	if !ok {
		return fmt.Errorf("%s: want %s=off or values, as %s=95%%,for=60s", name, name, name)
	}
	gap, clears := r.Threshold-r.Clears, false
	for k, part := range strings.Split(rest, ",") {
		key, value, pair := strings.Cut(part, "=")
		if !pair {
			key, value = "", part
		}
		var err error
		switch {
		case k == 0 && value == "off" && !pair:
			r.Off = true
		case k == 0 && value == "on" && !pair:
			r.Off = false
		case k == 0 && !pair:
			r.Threshold, err = r.number(value)
		case key == "clears":
			clears = true
			r.Clears, err = r.number(value)
		case key == "for":
			r.For, err = span(value)
		case key == "clear-for":
			r.ClearFor, err = span(value)
		case key == "level" && value == "act":
			r.Level = fleet.Act
		case key == "level" && value == "soon":
			r.Level = fleet.Soon
		case key == "level":
			err = errors.New("want act (!!) or soon (!)")
		default:
			err = errors.New("want a value, off, clears=, for=, clear-for= or level=")
		}
		if err != nil {
			return fmt.Errorf("%s: %q: %w", name, part, err)
		}
	}
	if was := rules[i].Threshold; !clears && r.Threshold != was { // as far below as before
		if r.Clears = r.Threshold - gap; !(r.Clears > 0) {
			r.Clears = r.Threshold * (1 - gap/was)
		}
	}
	if r.Clears > r.Threshold {
		return fmt.Errorf("%s: it clears below %s, above where it fires: %s", name, r.Number(r.Clears), r.Number(r.Threshold))
	}
	r.From = from
	rules[i] = r
	return nil
}

func span(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d > 24*time.Hour {
		return 0, errors.New("want a time of at most a day, as 60s or 2m")
	}
	return d, nil
}

// number reads a threshold in the unit of the rule.
func (r *Rule) number(s string) (float64, error) {
	if r.Threshold == noNumber {
		return 0, errors.New("this rule has no threshold: it can be on or off, and have for= and clear-for=")
	}
	if r.Name == Clock {
		d, err := span(s)
		if err == nil && d == 0 {
			err = errors.New("want more than 0")
		}
		return d.Seconds(), err
	}
	number, percent := strings.CutSuffix(s, "%")
	v, err := strconv.ParseFloat(number, 64)
	if percent || v > 2 {
		v /= 100
	}
	if err != nil || !(v > 0) || v > 2 {
		return 0, errors.New("want a share above 0, as 95%")
	}
	return v, nil
}

// Counts says whether the rule has a threshold; the others hold or don't.
func (r *Rule) Counts() bool { return r.Threshold != noNumber }

// Number writes a threshold of the rule as Set reads it.
func (r *Rule) Number(v float64) string {
	if r.Name == Clock {
		return strings.TrimSuffix(capacity.Decimal(v, 1), ".0") + "s"
	}
	if p := 100 * v; math.Abs(p-math.Round(p)) > 1e-9 {
		return capacity.Decimal(p, 1) + "%"
	}
	return capacity.Percent(v)
}

// Held writes a time of a rule as Set reads it.
func Held(d time.Duration) string {
	return strings.NewReplacer("h0m0s", "h", "m0s", "m").Replace(d.String())
}

// What is what the rule watches, Means what follows from it, Do what helps; each
// in a few words.
func (r *Rule) What() string  { return r.what }
func (r *Rule) Means() string { return r.means } // see What
func (r *Rule) Do() string    { return r.do }    // see What

// Text is the rule with its numbers in a line.
func (r *Rule) Text() string {
	held := func(d time.Duration) string {
		if d == 0 {
			return "at once"
		}
		return "for " + Held(d)
	}
	if !r.Counts() {
		return fmt.Sprintf("%s %s; clears when that has not been so %s", r.what, held(r.For), held(r.ClearFor))
	}
	return fmt.Sprintf("%s ≥ %s %s; clears < %s %s", r.of, r.Number(r.Threshold), held(r.For), r.Number(r.Clears), held(r.ClearFor))
}

// sight is what a rule sees of one thing now.
type sight struct {
	rule, what, where string
	host              bool // where is a host, else a pool
	known             bool
	fires             bool
	value             float64 // to order by; NaN: none
	now, clearsAt     string
	do                string // where it is known better than the rule does
}

// sights are what the rules see in a snapshot; only what is there, or not known,
// is in them: what is not seen at all clears.
func sights(s *fleet.Snapshot, rules map[string]*Rule, see func(sight)) {
	for i := range s.Hosts {
		hostSights(&s.Hosts[i], rules, see)
	}
	for i := range s.Pools {
		poolSights(&s.Pools[i], rules, see)
	}
}

func hostSights(h *fleet.Host, rules map[string]*Rule, see func(sight)) {
	silent := h.State == fleet.Down || h.State == fleet.Unseen || h.State == fleet.Stale
	if r := rules[Silent]; r != nil && silent {
		now := h.State.String()
		if h.Age.OK {
			now += " " + capacity.Span(h.Age.V)
		}
		see(sight{rule: Silent, what: "no data", where: h.Name, host: true, known: true, fires: true, value: h.Age.Or(0), now: now, clearsAt: "data", do: h.Do})
	}
	if silent { // nothing is known of the rest
		for _, name := range []string{Limit, Thread, Clock} {
			if rules[name] != nil {
				see(sight{rule: name, where: h.Name, host: true})
			}
		}
		return
	}
	if r := rules[Limit]; r != nil {
		for _, l := range h.Limits {
			if l.Name == "thread" || !(l.Ratio() >= r.Clears) {
				continue
			}
			see(sight{
				rule: Limit, what: l.Name, where: h.Name, host: true, known: true, fires: l.Ratio() >= r.Threshold, value: l.Ratio(),
				now: capacity.Percent(l.Ratio()), clearsAt: "<" + r.Number(r.Clears), do: limitDo(l.Name),
			})
		}
	}
	if r := rules[Thread]; r != nil {
		for i := range h.Findings {
			f := &h.Findings[i]
			if f.Verdict == fleet.Pinned {
				continue
			}
			see(sight{
				rule: Thread, what: f.Verdict, where: h.Name, host: true, known: true, fires: true, value: f.Demand,
				now: f.Owner + " " + capacity.Decimal(f.Demand, 2) + " core", clearsAt: "<90%", do: f.Helps(),
			})
			break // the fullest
		}
	}
	if r := rules[Clock]; r != nil && h.Skew.OK {
		if v := math.Abs(h.Skew.V); v >= r.Clears {
			see(sight{
				rule: Clock, what: "clock", where: h.Name, host: true, known: true, fires: v >= r.Threshold, value: v,
				now: capacity.Decimal(v, 1) + "s", clearsAt: "<" + r.Number(r.Clears),
			})
		}
	}
}

func limitDo(name string) string {
	switch name {
	case "conns":
		return "add hosts, or raise the limit of connections"
	case "files":
		return "raise the limit of open files (ulimit -n)"
	case "cpu":
		return "add hosts"
	case "memory":
		return "add hosts, or memory"
	case "queue":
		return "look why the service does not accept"
	}
	return ""
}

func poolSights(p *fleet.Pool, rules map[string]*Rule, see func(sight)) {
	unknown := func(name string) {
		if rules[name] != nil {
			see(sight{rule: name, where: p.Name})
		}
	}
	if !p.Need.OK {
		unknown(Short)
		unknown(LoseOne)
		unknown(FullIn)
		return
	}
	if rules[FullIn] != nil {
		switch {
		case p.Trend.Direction == capacity.DirectionUnknown:
			unknown(FullIn)
		case p.Late.OK:
			see(sight{
				rule: FullIn, what: "full in", where: p.Name, known: true, fires: true, value: p.Late.V,
				now: "full in " + capacity.Span(p.Trend.FullIn.V) + ", late " + capacity.Span(p.Late.V), clearsAt: ">" + capacity.Span(p.WarmUp.Seconds()),
			})
		}
	}
	if rules[Short] != nil && p.Short.OK && p.Short.V > 0 {
		see(sight{
			rule: Short, what: "need > max", where: p.Name, known: true, fires: true, value: p.Short.V,
			now: capacity.Count(p.Need.V) + ">" + capacity.Count(p.Run.V), clearsAt: "need≤max", do: "raise max to " + capacity.Count(p.Need.V),
		})
	}
	if r := rules[LoseOne]; r != nil && p.LoseOne.OK && p.LoseOne.V >= r.Clears {
		see(sight{
			rule: LoseOne, what: "room for losing one host < 0", where: p.Name, known: true, fires: p.LoseOne.V > r.Threshold, value: p.LoseOne.V,
			now: capacity.Percent(p.LoseOne.V), clearsAt: "<" + r.Number(r.Clears),
		})
	}
}
