package sample

// EncodeBusy turns a share of a core's time (0..1) into its byte of Cpu.busy.
// A share outside 0..1, or NaN, is Unknown; a rounding excess of up to one
// percent counts as 1.
func EncodeBusy(share float64) byte {
	if share > 1 && share <= 1.01 {
		share = 1
	}
	if !(share >= 0 && share <= 1) {
		return Unknown
	}
	return byte(share*Full + 0.5)
}

// DecodeBusy is the inverse of EncodeBusy to within 1/500; ok is false for a
// core without a reading.
func DecodeBusy(b byte) (share float64, ok bool) {
	if b > Full {
		return 0, false
	}
	return float64(b) / Full, true
}
