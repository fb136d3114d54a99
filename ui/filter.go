package ui

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"capmon/capacity"
	"capmon/fleet"
)

// filter is what was typed after /: words with a blank between them must all
// hold, of words joined by | one, and ! turns the word after it round. A word is
//
//	ws-1  ws-*            part of the name or of a label; a pattern of the name
//	cpu>80  conns<=1.5k   a number, compared
//	role=ws  az!=a        a label, or the pool
//	bound:thread  is:1t   the nearest limit, a state or a flag
//
// What is not known of a host holds for no word, nor for the word turned round:
// !cpu>80 does not list a host whose CPU is not known, !is:1t none that is down,
// and az!=a none that has never said what its labels are. A host that is known to
// have no label az is not in a.
//
// What is filtered is a T: a host here, an alert in filter_alerts.go.
type filter[T any] struct {
	all   [][]filterWord[T] // each: one of them
	wrong string            // what could not be read, in words; "" = nothing
}

type filterWord[T any] struct {
	not  bool
	hold func(*T) (holds, known bool)
}

// filterNumbers are the numbers that can be compared, with the unit that they
// are written in.
var filterNumbers = map[string]struct {
	of   func(h *fleet.Host) capacity.Num
	unit filterUnit
}{
	"cpu":      {func(h *fleet.Host) capacity.Num { return h.CPU }, inPercent},
	"hot":      {hotOf, inPercent},
	"steal":    {stealOf, inPercent},
	"headroom": {func(h *fleet.Host) capacity.Num { return h.Headroom }, inPercent},
	"mem":      {memoryShare, inPercent},
	"cores":    {func(h *fleet.Host) capacity.Num { return h.Available }, inNumbers},
	"used":     {func(h *fleet.Host) capacity.Num { return h.CoresUsed }, inNumbers},
	"rps":      {func(h *fleet.Host) capacity.Num { return h.RPS }, inNumbers},
	"rps/core": {func(h *fleet.Host) capacity.Num { return perCore(h.RPS, h.Available) }, inNumbers},
	"new":      {newConnections, inNumbers},
	"conns":    {func(h *fleet.Host) capacity.Num { return h.Connections }, inNumbers},
	"room":     {roomOf, inNumbers},
	"age":      {func(h *fleet.Host) capacity.Num { return h.Age }, inSeconds},
}

// filterUnit is how a number is written in a filter.
type filterUnit uint8

const (
	inNumbers filterUnit = iota // 950, 1.5k, 2M
	inPercent                   // 80, 80%: of a share
	inSeconds                   // 5, 5s, 2m, 1h
)

// filterScales are what may stand behind a number, and its worth.
var filterScales = [...]map[byte]float64{
	inNumbers: {'k': 1e3, 'm': 1e6, 'g': 1e9},
	inPercent: {'%': 0.01},
	inSeconds: {'s': 1, 'm': 60, 'h': 3600},
}

func memoryShare(h *fleet.Host) capacity.Num {
	if !h.MemoryUsed.OK || !h.MemoryTotal.OK || !(h.MemoryTotal.V > 0) {
		return capacity.Num{}
	}
	return capacity.Known(h.MemoryUsed.V / h.MemoryTotal.V)
}

// filterStates are what can stand behind is: besides flags. All of them are
// known of every host: they say what the screen shows of it.
var filterStates = map[string]func(h *fleet.Host) bool{
	"up":     func(h *fleet.Host) bool { return h.State == fleet.Up },
	"stale":  func(h *fleet.Host) bool { return h.State == fleet.Stale },
	"down":   func(h *fleet.Host) bool { return h.State == fleet.Down },
	"unseen": func(h *fleet.Host) bool { return h.State == fleet.Unseen },
	"ok":     func(h *fleet.Host) bool { return signOf(h).text == "" },
	"soon":   func(h *fleet.Host) bool { return signOf(h).text == "!" },
	"act":    func(h *fleet.Host) bool { return signOf(h).text == "!!" },
}

// filterFlags are the flags that is: and flag: know, by how they are written.
// Of a host that does not answer none is known.
var filterFlags = map[string]string{
	"1t": fleet.SingleThread, "1c": fleet.AboutOneCore, "full": "full", "pin": fleet.Pinned, "thr": "throttled",
	fleet.SingleThread: fleet.SingleThread, fleet.AboutOneCore: fleet.AboutOneCore, fleet.WorkersFull: fleet.WorkersFull,
	fleet.Pinned: fleet.Pinned, "throttled": "throttled", "steal": "steal", "clock-skew": "clock-skew",
}

// parseFilter reads a filter of hosts. What can't be read is left out, and told.
func parseFilter(s string) filter[fleet.Host] { return parseWords(s, parseWord) }

// parseWords reads a filter whose words are read by parse.
func parseWords[T any](s string, parse func(string) (filterWord[T], string)) filter[T] {
	var f filter[T]
	for _, word := range filterFields(s) {
		var some []filterWord[T]
		for one := range strings.SplitSeq(word, "|") {
			w, wrong := parse(one)
			if wrong != "" && f.wrong == "" {
				f.wrong = wrong
			}
			if w.hold != nil {
				some = append(some, w)
			}
		}
		if len(some) > 0 {
			f.all = append(f.all, some)
		}
	}
	return f
}

// filterFields splits at blanks outside of quotes, which it drops. A | or a !
// with blanks about it joins what is beside it.
func filterFields(s string) []string {
	var words []string
	var b strings.Builder
	quoted, begun := false, false
	for _, r := range s {
		switch {
		case r == '"':
			quoted, begun = !quoted, true
		case r == ' ' && !quoted:
			if begun {
				words = append(words, b.String())
			}
			b.Reset()
			begun = false
		default:
			b.WriteRune(r)
			begun = true
		}
	}
	if begun {
		words = append(words, b.String())
	}
	var out []string
	for _, w := range words {
		last := len(out) - 1
		switch {
		case last >= 0 && (w == "|" || strings.HasSuffix(out[last], "|") || out[last] == "!" || strings.HasPrefix(w, "|")):
			out[last] += w
		default:
			out = append(out, w)
		}
	}
	return out
}

// filterOps are the comparisons, the longer first.
var filterOps = []string{">=", "<=", "!=", ">", "<", "=", ":"}

// hostWord is a word about a host.
type hostWord = filterWord[fleet.Host]

// parseWord reads one word; wrong says what is the matter with it.
func parseWord(s string) (w hostWord, wrong string) {
	rest, not := strings.CutPrefix(s, "!")
	rest = strings.ToLower(strings.TrimSpace(rest))
	w.not = not
	if rest == "" {
		return w, ""
	}
	key, op, value := cutOp(rest)
	number, numeric := filterNumbers[key]
	switch {
	case op == "" || key == "":
		w.hold = nameHolds(rest)
	case op == ":" && hostPort(key, value):
		w.hold = nameHolds(rest)
	case op == ":":
		return keywordHolds(w, key, value)
	case numeric:
		want, step, ok := filterNumber(value, number.unit)
		if !ok {
			return w, noNumber(s, op, number.unit)
		}
		w.hold = func(h *fleet.Host) (bool, bool) {
			n := number.of(h)
			return compares(n.V, op, want, step), n.OK
		}
	case op == "=" || op == "!=":
		w.not = w.not != (op == "!=")
		w.hold = labelHolds(key, value)
	default:
		return w, fmt.Sprintf("%s: no number %q; there are %s", s, key, strings.Join(filterKeys(), " "))
	}
	return w, ""
}

func noNumber(word, op string, unit filterUnit) string {
	return fmt.Sprintf("%s: want a number behind %s, as %s", word, op, [...]string{"950 or 1.5k", "80 or 80%", "5s or 2m"}[unit])
}

func filterKeys() []string {
	var keys []string
	for k := range filterNumbers {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// cutOp splits a word at its first comparison.
func cutOp(s string) (key, op, value string) {
	at := len(s)
	for _, o := range filterOps {
		if i := strings.Index(s, o); i >= 0 && i < at {
			at, op = i, o
		}
	}
	if op == "" {
		return s, "", ""
	}
	return s[:at], op, s[at+len(op):]
}

// hostPort says whether what stands around a colon is the name of a host with
// its port, or the beginning of one.
func hostPort(key, value string) bool {
	return strings.Trim(value, "0123456789*?") == "" && key != "is" && key != "bound" && key != "flag" ||
		strings.Trim(key, "abcdefghijklmnopqrstuvwxyz") != ""
}

// filterNumber reads 80, 80%, 1.5k, 2M or 5m, and what half of its last digit is
// worth, as far as it equals others.
func filterNumber(s string, unit filterUnit) (v, step float64, ok bool) {
	scale := 1.0
	if unit == inPercent {
		scale = 0.01
	}
	if n := len(s); n > 0 {
		if by := filterScales[unit][s[n-1]]; by != 0 {
			scale, s = by, s[:n-1]
		}
	}
	s = strings.ReplaceAll(s, ",", "")
	if strings.Trim(s, "0123456789.e+-") != "" {
		return 0, 0, false
	}
	v, err := strconv.ParseFloat(s, 64)
	_, decimals, _ := strings.Cut(s, ".")
	step = 0.5 * math.Pow10(-len(decimals)) * scale
	return v * scale, step, err == nil
}

// compares holds v against what was typed; it equals what rounds to it.
func compares(v float64, op string, want, step float64) bool {
	switch op {
	case ">":
		return v > want
	case ">=":
		return v >= want
	case "<":
		return v < want
	case "<=":
		return v <= want
	case "!=":
		return !(math.Abs(v-want) < step)
	}
	return math.Abs(v-want) < step
}

// nameHolds is a part of the name or of a label written k=v, or a pattern of the
// whole name.
func nameHolds(text string) func(*fleet.Host) (bool, bool) {
	if strings.ContainsAny(text, "*?") {
		return func(h *fleet.Host) (bool, bool) { return glob(text, h.Name), true }
	}
	return func(h *fleet.Host) (bool, bool) {
		found := strings.Contains(strings.ToLower(h.Name), text) || h.Pool != "" && strings.Contains("pool="+strings.ToLower(h.Pool), text)
		for _, l := range h.Machine.GetLabels() {
			found = found || strings.Contains(strings.ToLower(l.GetKey()+"="+l.GetValue()), text)
		}
		return found, true
	}
}

// glob matches a pattern of * and ?, in lower case, to a whole text.
func glob(pattern, text string) bool {
	text = strings.ToLower(text)
	p, t := 0, 0
	star, from := -1, 0 // the last *, and what of the text follows it
	for t < len(text) {
		r, n := utf8.DecodeRuneInString(text[t:])
		switch want, m := utf8.DecodeRuneInString(pattern[p:]); {
		case p < len(pattern) && want == '*':
			star, from = p, t
			p += m
		case p < len(pattern) && (want == '?' || want == r):
			p, t = p+m, t+n
		case star >= 0: // it takes one more
			_, n = utf8.DecodeRuneInString(text[from:])
			from += n
			p, t = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// labelHolds is a label with a value, or a pattern of it; with no value, that
// there is such a label. The pool is one.
func labelHolds(key, value string) func(*fleet.Host) (bool, bool) {
	return func(h *fleet.Host) (bool, bool) {
		has := func(k, v string) bool {
			return strings.EqualFold(k, key) && (value == "" || glob(value, v))
		}
		if h.Pool != "" && has("pool", h.Pool) {
			return true, true
		}
		if h.Machine == nil && key != "pool" {
			return false, false
		}
		for _, l := range h.Machine.GetLabels() {
			if has(l.GetKey(), l.GetValue()) {
				return true, true
			}
		}
		return false, true
	}
}

// keywordHolds is bound:LIMIT, is:STATE or flag:FLAG.
func keywordHolds(w hostWord, key, value string) (hostWord, string) {
	state, isState := filterStates[value]
	flag, isFlag := filterFlags[value]
	switch {
	case key == "bound":
		w.hold = func(h *fleet.Host) (bool, bool) { return strings.HasPrefix(h.Bound, value), h.Bound != "" }
	case key == "is" && isState:
		w.hold = func(h *fleet.Host) (bool, bool) { return state(h), true }
	case (key == "is" || key == "flag") && isFlag:
		w.hold = func(h *fleet.Host) (bool, bool) {
			has := slices.Contains(h.Flags, flag)
			return has, has || h.State == fleet.Up
		}
	case key == "is":
		return w, fmt.Sprintf("is:%s: there are up down stale unseen ok soon act 1t 1c full and other flags", value)
	case key == "flag":
		return w, fmt.Sprintf("flag:%s: there are %s", value, strings.Join(slices.Sorted(maps.Keys(filterFlags)), " "))
	default:
		return w, fmt.Sprintf("%s:%s: there are is: flag: and bound:", key, value)
	}
	return w, ""
}

// holds says whether a thing is shown.
func (f *filter[T]) holds(x *T) bool {
	return !slices.ContainsFunc(f.all, func(some []filterWord[T]) bool {
		return !slices.ContainsFunc(some, func(w filterWord[T]) bool {
			holds, known := w.hold(x)
			return known && holds != w.not
		})
	})
}

// completeFilter completes the last word of a screen's filter by what it may
// begin: numbers, labels and their values, states and names that are seen.
func completeFilter(f *Frame, on Screen, text string) string {
	at, all := filterOffers(f, on, text)
	return text[:at] + completed(strings.ToLower(text[at:]), all)
}

// filterOffers are what the last word of a filter, which begins at the place
// told, may become; in order, each once.
func filterOffers(f *Frame, on Screen, text string) (at int, all []string) {
	at = strings.LastIndexAny(text, " |!") + 1
	word := strings.ToLower(text[at:])
	if word == "" {
		return at, nil
	}
	seen := map[string]bool{}
	offer := func(parts ...string) {
		s := ""
		for i, p := range parts {
			if i > 0 && !strings.HasPrefix(word, s) { // one offer for all values of a label
				break
			}
			s += strings.ToLower(p)
		}
		if len(s) > len(word) && strings.HasPrefix(s, word) && !seen[s] {
			seen[s] = true
			all = append(all, s)
		}
	}
	if on == AlertsScreen {
		offerAlertWords(f, offer)
	}
	offerHostWords(f, offer)
	slices.Sort(all)
	return at, all
}

func offerHostWords(f *Frame, offer func(...string)) {
	for _, k := range filterKeys() {
		offer(k + ">")
	}
	offer("bound:")
	for k := range filterStates {
		offer("is:", k)
	}
	for k := range filterFlags {
		offer("is:", k)
		offer("flag:", k)
	}
	for i := range f.Hosts {
		h := &f.Hosts[i]
		offer(h.Name)
		if h.Bound != "" {
			offer("bound:", h.Bound)
		}
		if h.Pool != "" {
			offer("pool=", h.Pool)
		}
		for _, l := range h.Machine.GetLabels() {
			offer(l.GetKey()+"=", l.GetValue())
		}
	}
}

// filterOf is the filter of the screen that is shown: that of the alerts is
// another than that of the hosts, so that none hides what the other is for.
func (v *View) filterOf() *string {
	if v.beneath() == AlertsScreen {
		return &v.AlertFilter
	}
	return &v.Filter
}

// filterWrong says what of a filter a screen can't read; "" = nothing.
func filterWrong(on Screen, text string) string {
	if on == AlertsScreen {
		match := parseAlertFilter(text, time.Time{})
		return match.wrong
	}
	match := parseFilter(text)
	return match.wrong
}

// filterCount is how many of how many things the filter of a screen leaves.
func filterCount(f *Frame, v *View, width int) string {
	if v.beneath() == AlertsScreen {
		return strconv.Itoa(len(alertsListed(f, v))) + " of " + strconv.Itoa(len(f.Alerts))
	}
	return strconv.Itoa(len(rowsOf(f, v, width))) + " of " + strconv.Itoa(len(f.Hosts))
}

// filterHint stands behind a filter that is typed: what is wrong with it, else
// how many match, and what tab would offer.
func filterHint(f *Frame, v *View, width int) string {
	_, offers := filterOffers(f, v.beneath(), v.Prompt.Text)
	if wrong := filterWrong(v.beneath(), *v.filterOf()); wrong != "" && len(offers) == 0 {
		return wrong
	}
	found := filterCount(f, v, width)
	room := width - cells(v.Prompt.Text) - 12
	for n := min(len(offers), 5); n > 0; n-- {
		if s := found + "   tab: " + strings.Join(offers[:n], " "); cells(s) <= room {
			return s
		}
	}
	return first(room, found+"   enter keep  esc clear  ? = text", found)
}

// completed is as much as all that begin with a word have in common; the word
// itself where nothing does.
func completed(word string, all []string) string {
	common := ""
	for _, s := range all {
		switch {
		case !strings.HasPrefix(s, word):
		case common == "":
			common = s
		default:
			n := 0
			for n < min(len(common), len(s)) && common[n] == s[n] {
				n++
			}
			common = common[:n]
		}
	}
	return or(strings.ToValidUTF8(common, ""), word)
}
