package demo

import (
	"math"
	"time"
)

// began is when every simulated agent began: 2020-01-01, Unix seconds.
const began = 1_577_836_800

// The day, as shares of a host's users at the busiest hour: fewest before dawn,
// most in the late afternoon (UTC), on which two small waves of its own ride.
const (
	dayMean   = 0.66
	dayWave   = 0.25
	halfDay   = 0.05
	slowWave  = 0.02
	quickWave = 0.006
	day       = 86_400.0
	dawn      = 4 * 3600.0
)

// usersAt is how many users there are at Unix second t.
func (p *profile) usersAt(t float64) float64 {
	return p.users * (dayMean - dayWave*math.Cos(2*math.Pi*(t-dawn)/day) + halfDay*math.Sin(4*math.Pi*t/day) +
		slowWave*math.Sin(2*math.Pi*t/p.period[0]+p.phase[0]) + quickWave*math.Sin(2*math.Pi*t/p.period[1]+p.phase[1]))
}

// userSeconds is the integral of usersAt since the agents began, so that
// counters of requests and their rate agree at every second.
func (p *profile) userSeconds(t float64) float64 {
	area := func(t float64) float64 {
		return dayMean*t - dayWave*day/(2*math.Pi)*math.Sin(2*math.Pi*(t-dawn)/day) - halfDay*day/(4*math.Pi)*math.Cos(4*math.Pi*t/day) -
			slowWave*p.period[0]/(2*math.Pi)*math.Cos(2*math.Pi*t/p.period[0]+p.phase[0]) -
			quickWave*p.period[1]/(2*math.Pi)*math.Cos(2*math.Pi*t/p.period[1]+p.phase[1])
	}
	return p.users * (area(t) - area(began))
}

// responses is the counter of a service that answers so many requests a second
// for each user, with noise that never makes it go back.
func (p *profile) responses(t int64, service uint64, perUser float64) uint64 {
	if t <= began {
		return 0
	}
	rate := perUser * p.usersAt(float64(t))
	noise := 0.04 * rate * unit(p.key^uint64(t), service)
	return uint64(max(perUser*p.userSeconds(float64(t))+noise, 0))
}

// cpuAt is the share of the host's cores that is busy.
func (p *profile) cpuAt(users float64) float64 {
	return min(0.06+0.55*p.warm*users/PerServer, 0.97)
}

// silent says whether the host sends nothing at Unix second t: a few seconds in
// one of four stretches of twenty minutes.
func (p *profile) silent(t int64) bool {
	const stretch = 1200
	h := mix(p.key ^ uint64(t/stretch)*0xd6e8feb86659fd93)
	if h%4 != 0 {
		return false
	}
	begin := int64(h >> 8 % (stretch - 10))
	length := int64(3 + h>>40%5)
	at := t % stretch
	return at >= begin && at < begin+length
}

// second is the Unix second that a moment belongs to.
func second(at time.Time) int64 { return at.Unix() }
