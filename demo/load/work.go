package load

// Steps is how many steps a loop has. A step is x = x × factor + addend in 64
// bits (Knuth's generator, MMIX): each needs the one before, so a core does one
// after the other, in a few cycles, out of its registers. They are few, so that a
// lock around a loop is passed on often: what that costs is to be seen.
const Steps = 100

const (
	factor = 6364136223846793005
	addend = 1442695040888963407
)

// loop does the work of one loop on x.
func loop(x uint64) uint64 {
	for range Steps {
		x = x*factor + addend
	}
	return x
}
