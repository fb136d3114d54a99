package capacity

import (
	"math"
	"strconv"
	"strings"
)

// Count writes v as a whole number with thousands separators: 88,420. A number
// that is none is "?".
func Count(v float64) string { return Decimal(v, 0) }

// Decimal writes v with thousands separators and so many digits after the
// point: 1,234.5. A number that is none is "?"; there is no "-0".
func Decimal(v float64, digits int) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "?"
	}
	s := strconv.FormatFloat(v, 'f', digits, 64)
	sign := ""
	if s[0] == '-' {
		sign, s = "-", s[1:]
		if strings.Trim(s, "0.") == "" {
			sign = ""
		}
	}
	whole, rest, found := strings.Cut(s, ".")
	if found {
		rest = "." + rest
	}
	return sign + group(whole) + rest
}

// group puts a comma before every third digit from the right.
func group(digits string) string {
	if len(digits) <= 3 {
		return digits
	}
	b := make([]byte, 0, len(digits)+len(digits)/3)
	for i := range len(digits) {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b = append(b, ',')
		}
		b = append(b, digits[i])
	}
	return string(b)
}

// Amount writes v with as many digits as a reader needs: 10,000, 41.4, 0.35.
func Amount(v float64) string {
	a := math.Abs(v)
	switch {
	case a >= 1000 || math.Abs(v-math.Round(v)) < 1e-6:
		return Count(v)
	case a >= 1:
		return Decimal(v, 1)
	}
	return Decimal(v, 2)
}

// figure is Amount where that says enough, and three figures of what it would
// write as 0.00: a formula must show what it divides by.
func figure(v float64) string {
	if a := math.Abs(v); a > 0 && a < 0.005 {
		return small(v)
	}
	return Amount(v)
}

// Percent writes a share as whole percents: 0.98 is "98%".
func Percent(share float64) string {
	if math.IsNaN(share) || math.IsInf(share, 0) {
		return "?"
	}
	return Count(share*100) + "%"
}

// PercentBeside writes a share as whole percents, with a decimal where whole
// percents would hide on which side of the target it lies: 80.4% is over 80%.
func PercentBeside(share, target float64) string {
	if d := math.Abs(share - target); d < 0.01 && d > 1e-9 {
		return Decimal(share*100, 1) + "%"
	}
	return Percent(share)
}

// ratio writes a target for a formula: 0.80, and 0.825 where it needs three.
func ratio(v float64) string {
	if math.Abs(v*100-math.Round(v*100)) > 1e-6 {
		return Decimal(v, 3)
	}
	return Decimal(v, 2)
}

// small writes a number that may be far below 1 with three figures: 0.00412.
func small(v float64) string {
	if a := math.Abs(v); a >= 1 || a == 0 || !finite(v) {
		return Amount(v)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// Span writes seconds as people say them, to the nearest: 42s, 1m07s, 18m,
// 3h05m, 12d. A number that is none is "?".
func Span(seconds float64) string {
	if !finite(seconds) {
		return "?"
	}
	sign := ""
	if seconds < 0 {
		sign, seconds = "-", -seconds
	}
	s := math.Round(seconds)
	switch {
	case seconds < 1 && seconds > 0:
		return sign + strconv.FormatFloat(seconds*1000, 'g', 3, 64) + "ms"
	case s < 60:
		return sign + Count(s) + "s"
	case s < 600:
		return sign + Count(math.Floor(s/60)) + "m" + two(math.Mod(s, 60)) + "s"
	case math.Round(seconds/60) < 100:
		return sign + Count(seconds/60) + "m"
	case seconds < 48*3600:
		m := math.Round(seconds / 60)
		return sign + Count(math.Floor(m/60)) + "h" + two(math.Mod(m, 60)) + "m"
	}
	return sign + Count(seconds/86400) + "d"
}

func two(v float64) string {
	if v < 10 {
		return "0" + Count(v)
	}
	return Count(v)
}

// trimmed writes v with up to six digits after the point and none to spare.
func trimmed(v float64) string { return strconv.FormatFloat(math.Round(v*1e6)/1e6, 'f', -1, 64) }
