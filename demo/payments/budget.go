package payments

import "math"

// Budget is what a promise as 99.9% allows, and what became of it. A request is
// bad that was refused or left without an answer.
type Budget struct {
	SLA     float64 `json:"sla"`     // share of requests that are to be served
	Bad     int     `json:"bad"`     // refused and left
	Allowed float64 `json:"allowed"` // bad ones that the promise allows of those that asked
	// Burnt is Bad by Allowed: 1 is all of it. It is how many times faster than
	// allowed it burnt in the mean of the story.
	Burnt float64 `json:"burnt"`
	// Burn is how many times faster than allowed it burns: over the last ten
	// seconds, and at most over ten seconds.
	Burn     float64 `json:"burn_rate"`
	BurnMost float64 `json:"burn_rate_most"`
	// Month is Bad as a share of what 30 days at the everyday load allow.
	Month float64 `json:"of_30_days"`
}

// burnTime is what a burn rate is the mean of.
const burnTime = 10 // seconds

// budget works out a Budget from what was asked and bad in each second so far;
// everyday is a rate of requests.
func budget(sla float64, each []Counts, everyday float64) Budget {
	b := Budget{SLA: sla}
	asked, bad, of := 0, 0, 0
	for i, s := range each {
		asked, b.Bad = asked+s.Asked, b.Bad+s.bad()
		bad, of = bad+s.bad(), of+s.Asked
		if i >= burnTime {
			bad, of = bad-each[i-burnTime].bad(), of-each[i-burnTime].Asked
		}
		b.Burn = share(float64(bad), float64(of)*(1-sla))
		b.BurnMost = math.Max(b.BurnMost, b.Burn)
	}
	b.Allowed = float64(asked) * (1 - sla)
	b.Burnt = share(float64(b.Bad), b.Allowed)
	b.Month = share(float64(b.Bad), everyday*30*24*3600*(1-sla))
	return b
}

// share is a by b; of nothing it is nothing.
func share(a, b float64) float64 {
	if !(b > 0) {
		return 0
	}
	return a / b
}
