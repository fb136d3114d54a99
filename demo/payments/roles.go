package payments

import "capmon/demo/child"

const (
	roleServer = "payment server"
	roleProxy  = "payment proxy"
	rolePeople = "payment people"
)

// Main is the child's whole life when this process is one of the story's; it
// then says so.
func Main() bool {
	return child.Main(map[string]child.Role{roleServer: runServer, roleProxy: runProxy, rolePeople: runPeople})
}
