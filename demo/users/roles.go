package users

import "capmon/demo/child"

const (
	roleServer  = "users server"
	roleCluster = "users cluster"
	roleCrowd   = "users crowd"
)

// Main is the child's whole life when this process is one of the lesson's; it
// then says so.
func Main() bool {
	return child.Main(map[string]child.Role{roleServer: runServer, roleCluster: runCluster, roleCrowd: runCrowd})
}
