package capacity

import (
	"errors"
	"fmt"
	"math"
)

// ErrInput is what every refusal of this package wraps.
var ErrInput = errors.New("not a number to compute with")

// Result is a number and the formula that made it, in words.
type Result struct {
	V       float64
	Formula string // "headroom -23% = 1 - 88,420 / (90,000 × 0.80)"
}

// Utilisation is used / capacity, 0 and up; above 1 a policy is overrun.
func Utilisation(l Limit) (Result, error) {
	if err := l.check(); err != nil {
		return Result{}, fmt.Errorf("utilisation: %w", err)
	}
	return result(l.Used/l.Capacity, func(v float64) string {
		return fmt.Sprintf("%s %s = %s / %s", l.Name, Percent(v), Amount(l.Used), Amount(l.Capacity))
	})
}

// Headroom is the share of the capacity at target that is left:
// 1 - load / (capacity × target). It is negative when the load is over the
// target, and stays so. The target is above 0 and at most 1.
func Headroom(l Limit, target float64) (Result, error) {
	if err := errors.Join(l.check(), checkTarget(target)); err != nil {
		return Result{}, fmt.Errorf("headroom: %w", err)
	}
	return result(l.headroom(target), func(v float64) string {
		return fmt.Sprintf("headroom %s = 1 - %s / (%s × %s)", Percent(v), Amount(l.Used), Amount(l.Capacity), ratio(target))
	})
}

func (l Limit) headroom(target float64) float64 { return 1 - l.Used/(l.Capacity*target) }

func (l Limit) left() float64 { return l.Capacity - l.Used }

// Left is Room and Headroom as numbers alone, for who asks ten thousand hosts a
// second; unknown where those refuse.
func (l Limit) Left(target float64) (room, headroom Num) {
	if l.check() != nil || checkTarget(target) != nil {
		return Num{}, Num{}
	}
	return Known(l.left()), Known(l.headroom(target))
}

// HeadroomAfterSpare is Headroom of a pool that must do without spare of its
// servers: what is usable is (servers - spare) typical ones at target. A pool
// that has no server beyond the spare has no usable capacity: an error.
func HeadroomAfterSpare(p PoolLimit, target float64, spare int) (Result, error) {
	if err := errors.Join(p.check(), checkTarget(target), atLeast0("spare", float64(spare))); err != nil {
		return Result{}, fmt.Errorf("headroom: %w", err)
	}
	if spare == 0 {
		return Headroom(p.Limit, target)
	}
	if p.Servers <= spare {
		return Result{}, fmt.Errorf("headroom: %d servers less %d spare leave none: %w", p.Servers, spare, ErrInput)
	}
	usable := p.Typical() * float64(p.Servers-spare) * target
	return result(1-p.Used/usable, func(v float64) string {
		return fmt.Sprintf("headroom %s = 1 - %s / (%s × (%d - %d spare) × %s)",
			Percent(v), Amount(p.Used), Amount(p.Typical()), p.Servers, spare, ratio(target))
	})
}

// Room is what is left to the limit, capacity - used, in the unit of the limit;
// negative when it is overrun.
func Room(l Limit) (Result, error) {
	if err := l.check(); err != nil {
		return Result{}, fmt.Errorf("room: %w", err)
	}
	return result(l.left(), func(v float64) string {
		return fmt.Sprintf("room %s = %s - %s", Amount(v), Amount(l.Capacity), Amount(l.Used))
	})
}

// RoomOf is how much more of a load there is room for until a limit is full,
// when its use grows with that load: load / ratio - load. What the limit is
// used for besides (background work) is taken as the load's, so the room is a
// lower bound as long as ratio is at most 1. The load is 0 and up, the ratio
// (used / capacity of the nearest limit) above 0.
func RoomOf(load, ratio float64) (Result, error) {
	if err := errors.Join(atLeast0("load", load), above0("utilisation", ratio)); err != nil {
		return Result{}, fmt.Errorf("room: %w", err)
	}
	return result(load/ratio-load, func(v float64) string {
		return fmt.Sprintf("room at least %s = %s / %s - %s", Amount(v), Amount(load), Decimal(ratio, 2), Amount(load))
	})
}

// LoseOne is the utilisation of a pool's limit after its largest server is
// gone and the load is not. A pool of one has no answer: an error.
func LoseOne(p PoolLimit) (Result, error) {
	if err := errors.Join(p.check(), above0("servers", float64(p.Servers))); err != nil {
		return Result{}, fmt.Errorf("lose one: %w", err)
	}
	left := p.Capacity - p.Most
	if p.Servers < 2 || !(left > 0) {
		return Result{}, fmt.Errorf("lose one of %d servers leaves none: %w", p.Servers, ErrInput)
	}
	return result(p.Used/left, func(v float64) string {
		return fmt.Sprintf("lose one %s = %s / (%s - %s)", Percent(v), Amount(p.Used), Amount(p.Capacity), Amount(p.Most))
	})
}

// result refuses what has overflowed.
func result(v float64, formula func(float64) string) (Result, error) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return Result{}, fmt.Errorf("the result is %v: %w", v, ErrInput)
	}
	return Result{V: v, Formula: formula(v)}, nil
}

func above0(what string, v float64) error {
	if !(v > 0) || math.IsInf(v, 0) {
		return fmt.Errorf("%s is %v, it must be above 0: %w", what, v, ErrInput)
	}
	return nil
}

func atLeast0(what string, v float64) error {
	if !(v >= 0) || math.IsInf(v, 0) {
		return fmt.Errorf("%s is %v, it must not be negative: %w", what, v, ErrInput)
	}
	return nil
}

func checkTarget(target float64) error {
	if !(target > 0 && target <= 1) {
		return fmt.Errorf("target is %v, it must be above 0 and at most 1: %w", target, ErrInput)
	}
	return nil
}
