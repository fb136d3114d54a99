package chess

import "capmon/demo/child"

const (
	roleServer  = "chess server"
	rolePlayers = "chess players"
	roleAgents  = "chess agents"
)

// Main is the child's whole life when this process is one of the story's; it
// then says so.
func Main() bool {
	return child.Main(map[string]child.Role{roleServer: runServer, rolePlayers: runPlayers, roleAgents: runAgents})
}
