package agents

import (
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"capmon/sample"
)

func TestPointTakesItsSize(t *testing.T) {
	if n := unsafe.Sizeof(point{}); n != pointSize {
		t.Errorf("a point takes %d bytes, pointSize is %d", n, pointSize)
	}
	if MaxPointBytes != 8640*32 {
		t.Errorf("a day of points takes %d bytes", MaxPointBytes)
	}
}

func TestPointOfSamples(t *testing.T) {
	half := &sample.Sample{
		Cpu:         &sample.Cpu{Busy: []byte{0, sample.Full / 2, sample.Unknown}, Available: proto.Float32(2), Used: proto.Float32(1)},
		Memory:      &sample.Memory{Total: proto.Uint64(100), Used: proto.Uint64(25)},
		Connections: &sample.Connections{Established: proto.Uint32(9), Served: proto.Uint32(7)},
		Services:    []*sample.Service{{Port: 80, Rps: proto.Float32(10)}, {Port: 81, Rps: proto.Float32(5)}, {Port: 82}},
	}
	full := &sample.Sample{
		Cpu:         &sample.Cpu{Busy: []byte{sample.Full, 0}, Available: proto.Float32(4), Used: proto.Float32(4)},
		Connections: &sample.Connections{Established: proto.Uint32(3)},
	}
	nothing := &sample.Sample{}
	for name, tt := range map[string]struct {
		samples []*sample.Sample
		want    *sample.Point
	}{
		"one": {[]*sample.Sample{half}, &sample.Point{
			Samples: 1, Cpu: proto.Float32(0.5), Available: proto.Float32(2), Hottest: proto.Float32(0.5),
			Rps: proto.Float32(15), Served: proto.Float32(7), Memory: proto.Float32(0.25),
		}},
		"means stand on who knows": {[]*sample.Sample{half, full, nothing}, &sample.Point{
			Samples: 3, Cpu: proto.Float32(0.75), Available: proto.Float32(3), Hottest: proto.Float32(1),
			Rps: proto.Float32(15), Served: proto.Float32(7), Memory: proto.Float32(0.25),
		}},
		"a proxy and its server answer once": {[]*sample.Sample{{Services: []*sample.Service{
			{Port: 80, Rps: proto.Float32(10)}, {Port: 3000, Rps: proto.Float32(9), Behind: 80},
		}}}, &sample.Point{Samples: 1, Rps: proto.Float32(10)}},
		"not measured is not zero": {[]*sample.Sample{nothing}, &sample.Point{Samples: 1}},
		"idle is zero": {[]*sample.Sample{{Cpu: &sample.Cpu{Busy: []byte{0}, Available: proto.Float32(1), Used: proto.Float32(0)}}}, &sample.Point{
			Samples: 1, Cpu: proto.Float32(0), Available: proto.Float32(1), Hottest: proto.Float32(0),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var in tally
			for _, s := range tt.samples {
				in = in.add(1_795_000_000, s)
			}
			got := new(sample.Point)
			in.point().message(got, make([]float32, pointValues))
			tt.want.Time = 1_795_000_000
			if diff := cmp.Diff(tt.want, got, protocmp.Transform()); diff != "" {
				t.Errorf("point (-want +got):\n%s", diff)
			}
			if err := got.Check(); err != nil {
				t.Errorf("a viewer would refuse it: %v", err)
			}
		})
	}
}

// times are those of the points in the memory.
func times(m *memory) []int64 {
	var list []int64
	for i := m.points.first; i < m.points.next; i++ {
		list = append(list, m.points.at(i).time())
	}
	return list
}

func TestPointsFollowTheClock(t *testing.T) {
	const base = 1_795_000_000
	for name, tt := range map[string]struct {
		seconds []int64 // of the samples, after base
		want    []int64 // of the points
	}{
		"only what is over":        {[]int64{0, 5, 9}, nil},
		"one":                      {[]int64{0, 5, 10}, []int64{0}},
		"a gap has no point":       {[]int64{0, 45, 51}, []int64{0, 40}},
		"a little back":            {[]int64{0, 11, 8, 9, 12, 21}, []int64{0, 10}},
		"back, and on where it is": {[]int64{0, 10, 20, 30, 15, 16, 40, 41, 50}, []int64{0, 10, 20, 30, 40}},
		"an hour back":             {[]int64{3600, 3610, 3620, 0, 10, 20}, []int64{0, 10}},
		"a minute back":            {[]int64{0, 10, 20, 30, 40, 50, 60, 70, 20, 30, 40}, []int64{0, 10, 20, 30}},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMemory(DefaultInterval)
			for i, sec := range tt.seconds {
				m.add(&sample.Sample{Seq: uint64(i + 1), TimeMs: (base+sec)*1000 + 3}, nil, nil)
			}
			got := times(m)
			for i := range got {
				got[i] -= base
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("points (-want +got):\n%s", diff)
			}
		})
	}
}

func TestADayOfPoints(t *testing.T) {
	var r pointRing
	for i := range 3 * dayOfPoints {
		r.put(point{tens: uint32(1000 + i)})
	}
	if got := int(r.next - r.first); got != dayOfPoints || cap(r.list) > dayOfPoints {
		t.Errorf("%d points are kept in room for %d, want %d", got, cap(r.list), dayOfPoints)
	}
	if first, want := r.at(r.first).time(), int64(10*(1000+2*dayOfPoints)); first != want {
		t.Errorf("the oldest is of %d, want %d", first, want)
	}
	for _, back := range []int{0, 1, 500, dayOfPoints - 1} {
		place := r.next - 1 - uint64(back)
		if got := r.after(r.at(place).time()); got != place+1 {
			t.Errorf("after the point %d before the newest comes place %d, want %d", back, got, place+1)
		}
	}
	if r.after(0) != r.first || r.after(1<<40) != r.next {
		t.Error("before all is not the first, or after all not the end")
	}
}
