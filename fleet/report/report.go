// Package report writes a fleet.Snapshot for scripts, people and Prometheus.
// The writers are pure: the same snapshot gives the same bytes.
package report

import (
	"math"
	"strconv"

	"capmon/capacity"
)

// num is a number of the JSON contract: null when unknown, never NaN, without
// the noise that float32 leaves behind the sixth digit.
type num capacity.Num

// MarshalJSON writes null for what is not known.
func (n num) MarshalJSON() ([]byte, error) {
	if !n.OK || math.IsNaN(n.V) || math.IsInf(n.V, 0) {
		return []byte("null"), nil
	}
	return strconv.AppendFloat(nil, tidy(n.V), 'f', -1, 64), nil
}

// tidy rounds to a millionth where that is meant; there is no -0.
func tidy(v float64) float64 {
	if math.Abs(v) < 1e9 {
		v = math.Round(v*1e6) / 1e6
	}
	return v + 0
}

// text is a string that is null when empty.
type text string

// MarshalJSON writes null for what is not known.
func (t text) MarshalJSON() ([]byte, error) {
	if t == "" {
		return []byte("null"), nil
	}
	return quote(string(t))
}
