package users

import "golang.org/x/sys/unix"

// sharePort lets several sockets listen on one port; the kernel gives each a
// share of the connections.
const sharePort = unix.SO_REUSEPORT
