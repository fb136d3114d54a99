// Package sample holds what a machine says about itself in one second: the
// protobuf messages, their limits, and the one way to take them from a peer.
//
// The generated messages are in sample.pb.go, made by `make generate` from
// sample.proto, which documents every field and its unit.
package sample
