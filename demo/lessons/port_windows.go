package lessons

import "net"

// canShare says why several processes can't share a port here; "" = they can.
const canShare = "Windows has no SO_REUSEPORT"

func listen(o portOrder) (net.Listener, error) { return net.Listen("tcp", o.Addr) }
