// Package alerts says what is wrong, since when, and what to do, from one
// snapshot of a fleet after the other, and keeps what happened.
//
// A rule looks at one thing of one host or pool: a limit, a thread, silence. It
// fires when its condition has held for a while, and clears when another, milder
// one has held for a while, so that nothing flaps. What is not known neither
// fires nor clears. Everything here has its time as an argument or from the
// snapshot; nothing has a clock.
package alerts
