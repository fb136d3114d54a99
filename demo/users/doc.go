// Package users puts the same users before three kinds of server, one after the
// other: one thread, a cluster of workers that share one port, and many threads
// in one process. Servers and users are child processes with real HTTP between
// them and real work for each request; what is full is said by capmon's own
// agent, which reads each server as if it were a machine.
package users
