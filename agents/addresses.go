package agents

import (
	"net"
	"net/netip"
)

// maxOwnAddresses of a machine are told: one that runs containers can have
// hundreds, and peers meet it at its first ones.
const maxOwnAddresses = 16

// ownAddresses are the addresses at which others can meet this machine, in the
// network namespace this process is in. They are read when the agent begins; one
// that comes later is told when the agent is started again.
func ownAddresses() ([]string, error) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	return reachable(all), nil
}

// reachable leaves out loopback and link-local addresses, which mean another
// machine to everyone else.
func reachable(all []net.Addr) (list []string) {
	for _, a := range all {
		prefix, err := netip.ParsePrefix(a.String())
		if err != nil {
			continue
		}
		ip := prefix.Addr().Unmap().WithZone("")
		if ip.IsGlobalUnicast() && len(list) < maxOwnAddresses {
			list = append(list, ip.String())
		}
	}
	return list
}
