//go:build !linux && !freebsd

package users

import "net"

// portsAreShared tells whether processes can share a port here: macOS gives all
// connections to one of them, Windows lets one take the port of another.
const portsAreShared = false

// listen takes addr.
func listen(addr string, _ bool) (net.Listener, error) { return net.Listen("tcp", addr) }
