// Package chess is the story of a game that a capital opens in the evening: real
// players' connections (WebSocket) to real server processes, each on an address
// of its own with an agent of its own, a lobby that names each player a server,
// and a group of servers that grows as capmon recommends, each new one after its
// warm-up. Nothing in it is made up: a connection is a TCP connection, a move is
// a frame, and an agent reads the process of its server from outside (on Linux;
// elsewhere the server tells of itself).
//
// Servers, players and agents are child processes of the same program. They end when
// their standard input does, so that none outlives its parent, however it ends.
package chess
