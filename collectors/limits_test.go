package collectors

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"capmon/sample"
)

// TestLimitsAreAddedToWhatIsThere: what another collector said before stays, and
// what is not known stays out.
func TestLimitsAreAddedToWhatIsThere(t *testing.T) {
	s := &sample.Sample{Services: []*sample.Service{{Port: 70}, {Port: 80}, {Port: 90}, {Port: 100}}}
	limitsOf(s.Services[1]).Queue = new(uint32(511))
	writeLimits(s, []portLimits{
		{port: 70},
		{port: 75, files: openFiles{1, 2}},
		{port: 80, files: openFiles{12, 1024}, conns: connLimit{768, "worker_connections 768\nx 1"}},
		{port: 90, conns: connLimit{4000, "maxconn 4000"}},
	})
	want := []*sample.Service{
		{Port: 70},
		{Port: 80, Limits: &sample.ServiceLimits{
			Queue: new(uint32(511)), FilesUsed: new(uint32(12)), Files: new(uint64(1024)),
			Connections: new(uint64(768)), ConnectionsFrom: "worker_connections 768; x 1",
		}},
		{Port: 90, Limits: &sample.ServiceLimits{Connections: new(uint64(4000)), ConnectionsFrom: "maxconn 4000"}},
		{Port: 100},
	}
	if diff := cmp.Diff(want, s.Services, protocmp.Transform()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
