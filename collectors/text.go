package collectors

import "math"

var newline = []byte{'\n'}

// cutNumber takes a decimal number, and blanks before it, off the beginning of
// b; ok is false when there is none or it does not fit.
func cutNumber(b []byte) (v uint64, rest []byte, ok bool) {
	i := 0
	for i < len(b) && (b[i] == ' ' || b[i] == '\t') {
		i++
	}
	begin := i
	for i < len(b) && b[i] >= '0' && b[i] <= '9' {
		d := uint64(b[i] - '0')
		if v > (math.MaxUint64-d)/10 {
			return 0, b, false
		}
		v = v*10 + d
		i++
	}
	return v, b[i:], i > begin
}
