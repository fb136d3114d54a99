// Package agents brings the samples of a machine to those who look at it.
//
// An Agent takes one sample an interval from its Source, remembers the last
// 15 minutes of them and a day of ten-second points, and gives both to whoever
// subscribes: over gRPC through Serve, or in the same process. A Viewer follows
// many agents, whatever becomes of the links, and hands what arrives to a Sink
// without a gap and without a duplicate. Security is how the two know each
// other.
package agents
