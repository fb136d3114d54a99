package collectors

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWhatWasTurnedAway(t *testing.T) {
	table := tableOf([2]string{"0.0.0.0:80", "nginx"}, [2]string{"127.0.0.1:5432", "postgres"})
	var a turnedAway
	for _, step := range []struct {
		name   string
		queues []socketQueue
		want   []listenQueue // of port 80 and 5432
	}{
		{
			"what was before does not count",
			[]socketQueue{{1, 80, 3, 511, 70, true}, {2, 80, 0, 511, 0, true}, {3, 5432, 1, 128, 0, false}},
			[]listenQueue{{3, 1022, new(uint64(0))}, {1, 128, nil}},
		},
		{
			"sockets of one port together",
			[]socketQueue{{1, 80, 0, 511, 75, true}, {2, 80, 2, 511, 1, true}, {3, 5432, 0, 128, 0, false}},
			[]listenQueue{{2, 1022, new(uint64(6))}, {0, 128, nil}},
		},
		{
			"one ends, a new one comes",
			[]socketQueue{{1, 80, 0, 511, 75, true}, {9, 80, 0, 511, 2, true}, {3, 5432, 0, 128, 0, false}},
			[]listenQueue{{0, 1022, new(uint64(8))}, {0, 128, nil}},
		},
		{
			"a number that falls",
			[]socketQueue{{1, 80, 0, 511, 75, true}, {9, 80, 0, 511, 1, true}, {3, 5432, 0, 128, 0, true}},
			[]listenQueue{{0, 1022, new(uint64(8))}, {0, 128, new(uint64(0))}},
		},
	} {
		a.fill(table, step.queues)
		got := []listenQueue{*table.ports[0].queue, *table.ports[1].queue}
		if diff := cmp.Diff(step.want, got, cmp.AllowUnexported(listenQueue{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
	}
}
