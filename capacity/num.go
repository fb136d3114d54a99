package capacity

import "math"

// Num is a number that may be unknown. The zero value is unknown: not measured
// is not zero.
type Num struct {
	V  float64
	OK bool
}

// Known makes a Num of v; NaN and infinities are unknown.
func Known(v float64) Num {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return Num{}
	}
	return Num{V: v, OK: true}
}

// Or returns the number, or other where it is unknown.
func (n Num) Or(other float64) float64 {
	if n.OK {
		return n.V
	}
	return other
}
