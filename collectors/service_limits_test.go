package collectors

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"capmon/sample"
)

// TestLimitsAreSaidWhenTheyChange follows one service through samples: which of
// them have its limits, and what a viewer that keeps the last one has.
func TestLimitsAreSaidWhenTheyChange(t *testing.T) {
	full := func(used uint32) *sample.ServiceLimits {
		return &sample.ServiceLimits{Queue: new(uint32(511)), FilesUsed: new(used), Files: new(uint64(1000))}
	}
	conns := full(20)
	conns.Connections, conns.ConnectionsFrom = new(uint64(768)), "worker_connections 768 x 1"
	none := new(sample.ServiceLimits)
	for name, c := range map[string]struct {
		samples []*sample.ServiceLimits
		said    string // one sign a sample: L limits, e an empty message, . nothing
	}{
		"nothing changes": {
			repeat(full(20), 18),
			"LL......L.......L.",
		},
		"a hundredth of the limit is no change": {
			append(repeat(full(20), 3), full(30), full(29), full(30)),
			"LL....",
		},
		"more is, from what was last said": {
			append(repeat(full(20), 3), full(26), full(31), full(41), full(42)),
			"LL..L.L",
		},
		"configuration": {
			append(repeat(full(20), 3), conns, conns),
			"LL.L.",
		},
		"never known": {repeat(nil, 9), "........."},
		"an empty message is none": {
			repeat(none, 3), "...",
		},
		"not known any more": {
			append(repeat(full(20), 3), repeat(nil, 7)...),
			"LL.e....e.",
		},
		"known late": {
			append(repeat(nil, 3), repeat(full(20), 3)...),
			"...LL.",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var r limitsRhythm
			var said strings.Builder
			for _, l := range c.samples {
				s := &sample.Sample{Services: []*sample.Service{{Port: 80}}}
				if l != nil {
					s.Services[0].Limits = proto.Clone(l).(*sample.ServiceLimits)
				}
				r.settle(s)
				switch got := s.Services[0].GetLimits(); {
				case got == nil:
					said.WriteByte('.')
				case noLimits(got):
					said.WriteByte('e')
				default:
					said.WriteByte('L')
				}
			}
			if said.String() != c.said {
				t.Errorf("said %s, want %s", said.String(), c.said)
			}
		})
	}
}

func repeat(l *sample.ServiceLimits, n int) []*sample.ServiceLimits {
	var all []*sample.ServiceLimits
	for range n {
		all = append(all, l)
	}
	return all
}

// TestLimitsOfServicesThatEnd: a port that is used again begins anew, and what
// is gone is not remembered.
func TestLimitsOfServicesThatEnd(t *testing.T) {
	var r limitsRhythm
	settle := func(ports ...uint32) (said []uint32) {
		s := new(sample.Sample)
		for _, p := range ports {
			v := &sample.Service{Port: p}
			limitsOf(v).Queue = new(uint32(128))
			limitsOf(v).Files = new(uint64(1024))
			s.Services = append(s.Services, v)
		}
		r.settle(s)
		for _, v := range s.GetServices() {
			if v.GetLimits().GetQueue() == 128 && v.GetLimits().GetFiles() == 1024 {
				said = append(said, v.GetPort())
			}
		}
		return said
	}
	var got []string
	for _, ports := range [][]uint32{{80, 90}, {80}, {80}, {80, 90}, {80, 90}, {80, 90}} {
		got = append(got, fmt.Sprint(settle(ports...)))
	}
	if text := strings.Join(got, " "); text != "[80 90] [80] [] [90] [90] []" {
		t.Errorf("said %s", text)
	}
	settle()
	if len(r.said) != 0 {
		t.Errorf("%d services are remembered, none is left", len(r.said))
	}
}
