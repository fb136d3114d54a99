// Package demo makes load and fleets to show and to test capmon with.
//
// The seeded fleet is made up: a pure function of seed, host and time, that
// takes the road of real samples and says Simulated. The same seed and time
// give the same bytes on every machine.
package demo
