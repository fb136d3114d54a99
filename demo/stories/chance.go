package stories

// Chance is a number 0..1, below 1, for each seed and number: the same seed tells
// the same story. It is the finaliser of SplitMix64.
func Chance(seed, n uint64) float64 {
	x := seed*0x9e3779b97f4a7c15 + n + 1
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return float64((x^x>>31)>>11) / (1 << 53)
}
