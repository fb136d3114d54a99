package agents

import (
	"fmt"
	"net"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReachableAddresses(t *testing.T) {
	many := func(n int, prefix string) (all []string) {
		for i := range n {
			all = append(all, fmt.Sprintf("10.0.0.%d%s", i+1, prefix))
		}
		return all
	}
	for name, c := range map[string]struct{ addrs, want []string }{
		"none":             {nil, nil},
		"loopback":         {[]string{"127.0.0.1/8", "::1/128"}, nil},
		"link-local":       {[]string{"fe80::1/64", "169.254.1.1/16", "10.0.0.1/24"}, []string{"10.0.0.1"}},
		"both families":    {[]string{"10.0.0.1/24", "2001:db8::1/64", "fd00::1/64"}, []string{"10.0.0.1", "2001:db8::1", "fd00::1"}},
		"IPv4 in IPv6":     {[]string{"::ffff:10.0.0.1/120"}, []string{"10.0.0.1"}},
		"not an address":   {[]string{"nonsense", "224.0.0.1/4", "0.0.0.0/0"}, nil},
		"more than enough": {many(40, "/24"), many(maxOwnAddresses, "")},
	} {
		t.Run(name, func(t *testing.T) {
			var all []net.Addr
			for _, text := range c.addrs {
				all = append(all, textAddr(text))
			}
			if diff := cmp.Diff(c.want, reachable(all)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// textAddr is an address as net.IPNet writes it.
type textAddr string

func (a textAddr) Network() string { return "ip+net" }
func (a textAddr) String() string  { return string(a) }

// TestMachineHasItsAddresses: a real machine tells its own, a simulated one has
// none.
func TestMachineHasItsAddresses(t *testing.T) {
	want, err := ownAddresses()
	if err != nil {
		t.Fatal(err)
	}
	if got := newAgent(t, Config{}, 0).Machine().GetAddresses(); !slices.Equal(got, want) {
		t.Errorf("addresses %v, want %v", got, want)
	}
	if got := newAgent(t, Config{Simulated: true}, 0).Machine().GetAddresses(); got != nil {
		t.Errorf("a simulated machine has addresses %v", got)
	}
}
