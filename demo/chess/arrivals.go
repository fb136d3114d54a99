package chess

import (
	"math"
	"time"
)

// arrival is when a player comes, after the beginning: few at first, then many,
// then few again (the share that has come is 3x² - 2x³), each at a moment of
// its own that the seed gives.
func arrival(seed uint64, player, users int, ramp time.Duration) time.Duration {
	at := (float64(player) + unit(seed, uint64(player))) / float64(users)
	return time.Duration(float64(ramp) * (0.5 - math.Sin(math.Asin(1-2*at)/3)))
}

// unit is a number 0..1 for each seed and number.
func unit(seed, n uint64) float64 {
	x := seed*0x9e3779b97f4a7c15 + n + 1
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return float64((x^x>>31)>>11) / (1 << 53)
}
