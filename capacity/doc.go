// Package capacity is the maths: limits, headroom, servers needed. It is pure:
// no clock, no I/O, no logging, and total: a NaN, a negative number or a divisor
// of zero is refused with an error that wraps ErrInput. Every result carries its
// formula in words, the same words on a screen and in JSON.
//
// Numbers are float64 throughout and are rounded once, at the end, upwards.
//
// The definitions: utilisation is used / capacity. Headroom is the share of the
// capacity at target that is left, and may be negative. Room is what is left to
// the limit itself. Servers needed follow target tracking,
// ceil(load / (one server × target)), then the spare, then min..max.
package capacity
