package capacity_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"capmon/capacity"
)

// day is a pool of servers of 8 cores through a day with everything in it: a
// wave, a spike of five times for two minutes, a deploy that makes requests 30%
// dearer, and a neighbour who steals.
type day struct {
	rng  *rand.Rand
	cost float64 // core seconds a request
}

const (
	dayDeploy    = 10 * 3600
	daySpike     = 15 * 3600
	daySpikeEnd  = daySpike + 120
	dayNeighbour = 20 * 3600
	dayEnd       = 24 * 3600
)

func (d *day) load(second int) float64 {
	v := 3000 - 2000*math.Cos(2*math.Pi*float64(second)/dayEnd)
	if second >= daySpike && second < daySpikeEnd {
		v *= 5
	}
	return v * (1 + 0.03*d.rng.NormFloat64())
}

// point is ten seconds of one of have servers.
func (d *day) point(second int, load float64, have int) capacity.Point {
	per := load / float64(have)
	p := capacity.Point{Load: per, Busy: min((0.3+d.cost*per)*(1+0.02*d.rng.NormFloat64()), 8), Limit: 8}
	if second >= dayNeighbour && second < dayNeighbour+1800 {
		p.Busy, p.Steal = p.Busy*1.25, 0.15
	}
	return p
}

// What the whole engine does through a day: the targets of CAPACITY 8 that need
// no real server.
func TestReplayedDay(t *testing.T) {
	for seed := range uint64(2) {
		d := &day{rng: rand.New(rand.NewPCG(seed, 11)), cost: 0.008}
		const target = 0.7
		learner := &capacity.Learner{}
		var seconds []capacity.Reading
		var history []capacity.Recommended
		have, last, lastAt := 6, 0, -dayEnd
		per := target * 8 / 0.008 * 0.8 // what is taken until something is learned
		var short, changes, reversals int
		spikeSeen, announced, lastSpike := 0, 0, -dayEnd
		serverHours := 0.0
		for second := range dayEnd {
			now := refNow.Add(time.Duration(second) * time.Second)
			if second == dayDeploy {
				d.cost *= 1.3
			}
			load := d.load(second)
			seconds = append(seconds, capacity.Reading{At: now, V: load})
			if len(seconds) > 300 {
				seconds = seconds[1:]
			}
			inSpike := second >= daySpike && second < daySpikeEnd
			if !inSpike && (second < daySpike || second > daySpikeEnd) && load*d.cost+0.3*float64(have) > 8*float64(have) {
				short++
			}
			serverHours += float64(have) / 3600
			if second%5 != 0 {
				continue
			}
			if second%10 == 0 {
				mean := 0.0
				for _, r := range seconds[max(0, len(seconds)-10):] {
					mean += r.V / float64(min(len(seconds), 10))
				}
				if err := learner.Add(d.point(second, mean, have), now); err != nil && !errors.Is(err, capacity.ErrSkipped) {
					t.Fatal(err)
				}
				if e, err := learner.Estimate(target); err != nil {
					t.Fatal(err)
				} else if e.Trust != capacity.NotKnown {
					per = e.Capacity.V
				}
				if c := learner.Basis().Change; announced == 0 && !c.At.IsZero() {
					announced = second
					if late := c.At.Sub(refNow).Seconds() - dayDeploy; math.Abs(late) > 300 || math.Abs(c.Factor/1.3-1) > 0.1 {
						t.Errorf("seed %d: a change of ×%.2f, %v s from the deploy", seed, c.Factor, late)
					}
				}
			}
			l, err := capacity.LoadOf(seconds, now)
			if err != nil {
				t.Fatal(err)
			}
			if l.Spike {
				lastSpike = second
				if spikeSeen == 0 {
					spikeSeen = second
				}
			}
			raw, err := capacity.Servers(l.V, per, 1)
			if err != nil {
				t.Fatal(err)
			}
			s, err := capacity.DefaultSteadiness.Settle(raw, have, history, second-lastSpike < 900, now)
			if err != nil {
				t.Fatal(err)
			}
			history = append(history, capacity.Recommended{At: now, Servers: raw})
			if len(history) > 181 {
				history = history[1:]
			}
			if diff := s.Servers - have; diff != 0 {
				changes++
				if last*diff < 0 && second-lastAt < 900 {
					reversals++
				}
				last, lastAt, have = diff, second, s.Servers
			}
		}
		basis := learner.Basis()
		t.Logf("seed %d: %d changes, %d reversals within 15 min, %d s short, %.0f server hours; spike seen after %d s; deploy announced after %d min as ×%.2f; %d points kept of %d, %d skipped",
			seed, changes, reversals, short, serverHours, spikeSeen-daySpike, (announced-dayDeploy)/60, basis.Change.Factor, basis.Points, basis.Taken, basis.Skipped)
		if reversals > 0 || short > 0 {
			t.Errorf("seed %d: %d reversals, %d s short", seed, reversals, short)
		}
		if spikeSeen < daySpike || spikeSeen > daySpike+10 {
			t.Errorf("seed %d: the spike is seen after %d s", seed, spikeSeen-daySpike)
		}
		if announced < dayDeploy || announced > dayDeploy+20*60 {
			t.Errorf("seed %d: the deploy is announced after %d s", seed, announced-dayDeploy)
		}
		truth := (target*8 - 0.3) / d.cost
		if e, err := learner.Estimate(target); err != nil || e.Trust != capacity.Learned || math.Abs(e.Capacity.V/truth-1) > 0.06 {
			t.Errorf("seed %d: %v %.1f (%s) at the end of the day, the truth is %.1f", seed, e.Trust, e.Capacity.V, e.Why(), truth)
		}
	}
}
