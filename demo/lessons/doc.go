// Package lessons is the classroom of `capmon demo`: what one thread, many
// processes and many threads do to the cores of the machine it runs on.
//
// A lesson is a list of steps. Each step asks a question (PREDICT), runs a load
// that answers it, says what was measured (SEEN), says what it means (POINT), and
// hands over to the question of the next step. A Class is the state machine
// behind that: it takes the snapshots of a fleet, whose one host is this machine,
// and gives a State, a value, that screens draw.
//
// A load is never more than asked for, stands back for others (nice 10), ends by
// itself after a minute, and with the process that holds the class, whatever ends
// that.
package lessons
