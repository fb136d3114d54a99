package payments

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"capmon/demo/stories"
)

func TestExpect(t *testing.T) {
	s := func(v float64) time.Duration { return time.Duration(v * float64(time.Second)) }
	spike := rates{{0, 80}, {s(20), 640}, {s(50), 80}}
	first := []stay{{0, never}, {0, never}}
	for name, c := range map[string]struct {
		told told
		want float64
	}{
		"enough": {told{rates: spike, over: s(60), perServer: 400, queue: 20, servers: first}, 0},
		// (640 - 200) × 30 s, less two queues; what waits then is served after.
		"nobody comes": {told{rates: spike, over: s(60), perServer: 100, queue: 20, servers: first}, 440*30 - 40},
		// Seen after 1.5 s, warm 10 s after that.
		"a warm-up of 10 s": {told{
			rates: spike, over: s(60), perServer: 100, queue: 20, warmUp: s(10), need: []stories.Step{{3, 2}, {21.5, 8}},
			servers: append(first, stay{s(31.5), never}, stay{s(31.5), never}, stay{s(31.5), never}, stay{s(31.5), never}, stay{s(31.5), never}),
		}, 440*11.5 - 40},
		"three minutes": {told{
			rates: rates{{0, 80}, {s(20), 640}, {s(260), 80}}, over: s(300), perServer: 100, queue: 20, warmUp: 3 * time.Minute, need: []stories.Step{{3, 2}, {21, 8}},
			servers: append(first, stay{s(201), never}, stay{s(201), never}, stay{s(201), never}, stay{s(201), never}, stay{s(201), never}),
		}, 440*181 - 40},
		// One after 5 s that takes 100 more, and a queue more to fill.
		"one at a time": {told{rates: spike, over: s(60), perServer: 100, queue: 20, servers: append(first, stay{s(25), never})}, 440*5 - 40 + 340*25 - 20},
		"one is killed": {told{rates: rates{{0, 150}}, over: s(60), perServer: 100, queue: 10, servers: []stay{{0, never}, {0, s(50)}}}, 50*10 - 10},
		// The story is broken off in the spike.
		"broken off": {told{rates: spike, over: s(30), perServer: 100, queue: 20, servers: first}, 440*10 - 40},
		"a cache": {told{
			rates: rates{{0, 300}}, over: s(4), perServer: 100, queue: 0, servers: first, hits: []int{0, 0, 50, 50},
		}, 100*2 + 50*2},
		"a cache that is enough": {told{rates: rates{{0, 300}}, over: s(2), perServer: 100, queue: 0, servers: first, hits: []int{100, 100}}, 0},
	} {
		e := expect(c.told)
		if math.Abs(e.Refused-c.want) > 1e-6*(1+c.want) {
			t.Errorf("%s: %v refused, want %v:\n%s", name, e.Refused, c.want, strings.Join(e.Steps, "\n"))
		}
	}
	one := 1.5
	if d := cmp.Diff(Expected{
		Refused: 440*11.5 - 40, Detected: &one, During: []stories.Step{{20, 31.5}},
		Steps: []string{
			"need rose 1.5 s after the spike; a server takes requests 10s after it is asked for",
			"20.0 to 31.5 s: (640 - 2 × 100)/s × 11.5 s = 5,060, less 40 that wait", "refused 5,020",
		},
	}, expect(told{
		rates: spike, over: s(60), perServer: 100, queue: 20, warmUp: s(10), need: []stories.Step{{3, 2}, {21.5, 8}},
		servers: append(first, stay{s(31.5), never}, stay{s(31.5), never}, stay{s(31.5), never}, stay{s(31.5), never}, stay{s(31.5), never}),
	})); d != "" {
		t.Error(d)
	}
	// Two servers and then three are too few: the time is one.
	if e := expect(told{rates: spike, over: s(60), perServer: 100, queue: 20, servers: append(first, stay{s(25), never})}); !slices.Equal(e.During, []stories.Step{{20, 50}}) {
		t.Errorf("during %v", e.During)
	}
	// Need that rises before the spike, or falls in it, is no detection.
	if d := detected(spike, []stories.Step{{3, 2}, {10, 3}, {22, 2}}); d != nil {
		t.Errorf("detected after %v", *d)
	}
}
