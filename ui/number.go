package ui

import (
	"math"
	"strconv"
	"strings"
	"time"

	"capmon/capacity"
)

// unknownText stands for every number that is not known.
const unknownText = "?"

// grouped is v rounded, with a comma between thousands.
func grouped(v float64) string {
	s := strconv.FormatFloat(math.Abs(math.Round(v)), 'f', 0, 64)
	var b strings.Builder
	if v <= -0.5 {
		b.WriteByte('-')
	}
	for i := range len(s) {
		if i > 0 && (len(s)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// count is a number of things in at most width cells: 88,420, then 88.4k,
// then 88k. A rate below ten keeps a decimal.
func count(n capacity.Num, width int) string {
	if !n.OK {
		return unknownText
	}
	if v := math.Abs(n.V); v < 9.95 && v != math.Trunc(v) && width >= 3 {
		return strconv.FormatFloat(n.V, 'f', 1, 64)
	}
	s := grouped(n.V)
	if len(s) <= width {
		return s
	}
	v, unit := n.V, 0
	for math.Abs(v) >= 999.5 && unit < len("kMGTP") {
		v /= 1000
		unit++
	}
	if unit == 0 {
		return s
	}
	suffix := "kMGTP"[unit-1 : unit]
	if short := strconv.FormatFloat(v, 'f', 1, 64) + suffix; len(short) <= width {
		return short
	}
	return strconv.FormatFloat(v, 'f', 0, 64) + suffix
}

// whole is a number of things that cannot be parted, though their mean can.
func whole(n capacity.Num, width int) string {
	n.V = math.Round(n.V)
	return count(n, width)
}

// percent is a share 0..1 as a whole number without the sign; a share that is
// not quite full never reads 100.
func percent(n capacity.Num) string {
	if !n.OK {
		return unknownText
	}
	v := n.V * 100
	r := math.Round(v)
	if r == 100 && v < 99.95 {
		r = 99
	}
	return strconv.FormatFloat(r, 'f', 0, 64)
}

// tenths is a share 0..1 in percent with one decimal.
func tenths(n capacity.Num) string {
	if !n.OK {
		return unknownText
	}
	return strconv.FormatFloat(n.V*100, 'f', 1, 64)
}

// coreCount is cores used: 0.99, 41.4, 812.
func coreCount(n capacity.Num) string {
	if !n.OK {
		return unknownText
	}
	switch v := math.Abs(n.V); {
	case v < 9.995:
		return strconv.FormatFloat(n.V, 'f', 2, 64)
	case v < 99.95:
		return strconv.FormatFloat(n.V, 'f', 1, 64)
	}
	return grouped(n.V)
}

// coresTotal is coreTotal with its unit: 72 cores, 1 core.
func coresTotal(n capacity.Num) string { return coreTotal(n) + " " + coresWord(n.V) }

// coresWord is the unit of so many cores.
func coresWord(n float64) string {
	if n == 1 {
		return "core"
	}
	return "cores"
}

// limitUnit is the unit of what a limit can give.
func limitUnit(l *limit) string {
	if l.Unit == "cores" {
		return coresWord(l.Capacity)
	}
	return l.Unit
}

// coreTotal is cores available: 72, or 0.5 under a quota.
func coreTotal(n capacity.Num) string {
	if !n.OK {
		return unknownText
	}
	if n.V == math.Round(n.V) {
		return grouped(n.V)
	}
	return coreCount(n)
}

// plural puts a unit behind a number: 1 host, 9 hosts.
func plural(n int, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return grouped(float64(n)) + " " + unit + "s"
}

// age is seconds in four cells: 0.3, 34, 5m, 2h, 3d.
func age(n capacity.Num) string {
	if !n.OK {
		return unknownText
	}
	switch v := math.Max(n.V, 0); {
	case v < 9.95:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case v < 99.5:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v < 100*60:
		return strconv.Itoa(int(v/60)) + "m"
	case v < 100*3600:
		return strconv.Itoa(int(v/3600)) + "h"
	default:
		return strconv.Itoa(int(math.Min(v/86400, 9999))) + "d"
	}
}

// lasting is a duration in two parts at most: 34s, 1m07s, 2h03m, 3d04h.
func lasting(d time.Duration) string {
	s := int64(d.Round(time.Second) / time.Second)
	two := func(a int64, u string, b int64, v string) string {
		if b == 0 {
			return strconv.FormatInt(a, 10) + u
		}
		pad := ""
		if b < 10 {
			pad = "0"
		}
		return strconv.FormatInt(a, 10) + u + pad + strconv.FormatInt(b, 10) + v
	}
	switch {
	case s < 0:
		return "-" + lasting(-d)
	case s < 60:
		return strconv.FormatInt(s, 10) + "s"
	case s < 3600:
		return two(s/60, "m", s%60, "s")
	case s < 86400:
		return two(s/3600, "h", s/60%60, "m")
	}
	return two(s/86400, "d", s/3600%24, "h")
}

// back is how far behind now a moment is, as a clock: -07:57, -1:02:03.
func back(d time.Duration) string {
	s := int64(max(d, 0).Round(time.Second) / time.Second)
	two := func(n int64) string { return strconv.FormatInt(100+n, 10)[1:] }
	if s < 3600 {
		return "-" + two(s/60) + ":" + two(s%60)
	}
	return "-" + strconv.FormatInt(s/3600, 10) + ":" + two(s/60%60) + ":" + two(s%60)
}

// size is bytes: 812 kB, 11 MB, 3.8 GB, 1.5 TB.
func size(n capacity.Num) string {
	if !n.OK {
		return unknownText
	}
	v, unit := n.V, 0
	for math.Abs(v) >= 999.5 && unit < len("kMGTP") {
		v /= 1000
		unit++
	}
	if unit == 0 {
		return grouped(v) + " B"
	}
	digits := 0
	if v < 9.95 {
		digits = 1
	}
	return strconv.FormatFloat(v, 'f', digits, 64) + " " + "kMGTP"[unit-1:unit] + "B"
}

// clock is a moment in UTC. The zero time is unknown.
func clock(t time.Time) string {
	if t.IsZero() {
		return "--:--:--Z"
	}
	return t.UTC().Format("15:04:05Z")
}

// first is the first text that fits in width cells, or the last of them.
func first(width int, texts ...string) string {
	for _, s := range texts {
		if cells(s) <= width {
			return s
		}
	}
	if len(texts) == 0 {
		return ""
	}
	return texts[len(texts)-1]
}

// num is v, unknown when it is NaN.
func num(v float64) capacity.Num { return capacity.Known(v) }

// ofOneCore is what a thread asks for of the one core it can have. The kernel
// books a wait when it ends, all of it in that second, so that on a full machine
// a second may show more.
func ofOneCore(demand float64) float64 { return min(demand, 1) }
