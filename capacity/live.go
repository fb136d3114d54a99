package capacity

import (
	"errors"
	"fmt"
	"time"
)

// Live is what a running pool adds to its sizing. The zero Steadiness is none:
// no tolerance and no window.
type Live struct {
	Have       int // servers there are, those that warm up and those missing included
	Missing    int // of them, those that do not answer
	Before     []Recommended
	Spike      bool // within Steadiness.Down
	Steadiness Steadiness
	Now        time.Time

	Up, Down   *Pace     // how fast servers may come and go; nil: as fast as is wanted
	Came, Went []Changed // lately, for Up and Down
}

// SizeLive is Size of a running pool, in this order: each limit, with missing
// servers on the cautious side; the largest; tolerance and windows against what
// runs less the spare; the spare; the bounds; the pace, which bounds Run
// alone. Before are the Asked of earlier
// sizings, as far back as the windows. Errors wrap ErrInput.
func SizeLive(limits []PoolLimit, rule Rule, live Live) (Sizing, error) {
	if err := errors.Join(atLeast0("servers", float64(live.Have)), atLeast0("missing servers", float64(live.Missing))); err != nil {
		return Sizing{}, fmt.Errorf("size: %w", err)
	}
	if live.Missing > live.Have {
		return Sizing{}, fmt.Errorf("size: %d of %d servers are missing: %w", live.Missing, live.Have, ErrInput)
	}
	var steps []string
	cautious := make([]PoolLimit, len(limits))
	for i, l := range limits {
		c, step, err := l.WithMissing(live.Missing, max(live.Have-rule.Spare, 0), l.target(rule))
		if err != nil {
			return Sizing{}, fmt.Errorf("size by %s: %w", l.Name, err)
		}
		cautious[i] = c
		if step != "" {
			steps = append(steps, step)
		}
	}
	s, err := size(cautious, rule, &live)
	if err != nil {
		return Sizing{}, err
	}
	s.Steps = append(steps, s.Steps...)
	if err := s.pace(live); err != nil {
		return Sizing{}, fmt.Errorf("size: %w", err)
	}
	return s, nil
}

// pace keeps Run within what may come or go now.
func (s *Sizing) pace(live Live) error {
	up := s.Run > live.Have
	p := live.Down
	if up {
		p = live.Up
	}
	if p == nil || s.Run == live.Have {
		return nil
	}
	most, err := p.Limit(live.Have, up, live.Came, live.Went, live.Now)
	switch {
	case err != nil:
		return err
	case up && most < s.Run:
		s.Steps = append(s.Steps, fmt.Sprintf("pace: no more than %s for now → run %s", whole(most), whole(most)))
		s.Run, s.Paced = most, true
	case !up && most > s.Run:
		s.Steps = append(s.Steps, fmt.Sprintf("pace: no fewer than %s for now → run %s", whole(most), whole(most)))
		s.Run, s.Paced = most, true
	}
	return nil
}

// steady turns what is asked into a raw number that does not swing.
func (s *Sizing) steady(rule Rule, live *Live) error {
	asked := Sizing{Raw: s.Asked}
	if err := asked.spare(rule); err != nil {
		return err
	}
	settled, err := live.Steadiness.Settle(s.Asked, max(live.Have-asked.Spare, 0), live.Before, live.Spike, live.Now)
	if err != nil {
		return err
	}
	s.Raw, s.Waits = max(settled.Servers, 1), settled.Waits
	s.Steps = append(s.Steps, settled.Steps...)
	return nil
}
