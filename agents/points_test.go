package agents

import (
	"math"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"capmon/agents/rpc"
	"capmon/sample"
)

func TestPointTakesItsSize(t *testing.T) {
	if n := unsafe.Sizeof(point{}); n != pointSize {
		t.Errorf("a point takes %d bytes, pointSize is %d", n, pointSize)
	}
	if n := unsafe.Sizeof(pointServices{}); n != pointServicesSize {
		t.Errorf("its services take %d bytes, pointServicesSize is %d", n, pointServicesSize)
	}
	if MaxPointBytes > 600_000 {
		t.Errorf("a day of points takes %d bytes", MaxPointBytes)
	}
}

// fullPoint is a point that knows everything, with three services.
func fullPoint(tens uint32) (point, pointServices) {
	p := point{tens: tens, samples: 10, known: 1<<pointValues - 1, rps: 12_345.67, served: 4_000_000_000}
	for i := range p.shorts {
		p.shorts[i] = shorten(0.9 / float64(i+1))
	}
	return p, pointServices{
		ports: [3]uint16{80, 443, 65535}, rps: [3]float32{1e6, 2e6, 3e6},
		run: [3]short{shorten(9), shorten(8), shorten(7)}, top: [3]short{shorten(0.9), noShort, 0},
	}
}

// TestALargePointPasses: what an agent keeps of a busy machine is what a viewer
// takes, in bytes and in numbers.
func TestALargePointPasses(t *testing.T) {
	m := new(pointMessage)
	p, of := fullPoint(800_000_000)
	of.top[1] = 0
	m.set(&p, &of)
	b, err := proto.Marshal(&m.Point)
	if err != nil {
		t.Fatal(err)
	}
	if t.Logf("%d bytes", len(b)); len(b) > maxPointBytes-4 {
		t.Errorf("a point of %d bytes, maxPointBytes is %d", len(b), maxPointBytes)
	}
	if err := m.Check(); err != nil {
		t.Errorf("a viewer would refuse it: %v", err)
	}
	u, err := proto.Marshal(&rpc.Update{Points: []*sample.Point{&m.Point}})
	if err != nil {
		t.Fatal(err)
	}
	if err := guard(u); err != nil {
		t.Errorf("a viewer would refuse it: %v", err)
	}
	m.Services = []*sample.ServicePoint{{}, {}, {}, {}}
	if u, err = proto.Marshal(&rpc.Update{Points: []*sample.Point{&m.Point}}); err != nil || guard(u) == nil {
		t.Errorf("a point with four services passes the guard (%v)", err)
	}
}

func TestShort(t *testing.T) {
	for _, v := range []float64{0, 2e-19, 1e-6, 0.001, 0.25, 1. / 3, 0.9999, 1, 8, 511, 4096, 65_536, 1e9} {
		if got := float64(shorten(v).value()); math.Abs(got-v) > v/1000 {
			t.Errorf("%v is kept as %v", v, got)
		}
	}
	for _, v := range []float64{1, 2, 3, 96, 128, 1000} {
		if got := float64(shorten(v).value()); got != v {
			t.Errorf("%v cores are kept as %v", v, got)
		}
	}
	for v, want := range map[float64]short{-1: 0, math.NaN(): 0, 1e-30: 0, 1e30: noShort - 1, math.Inf(1): noShort - 1} {
		if got := shorten(v); got != want {
			t.Errorf("%v is kept as %d, want %d", v, got, want)
		}
	}
}

// pointOf is what a viewer gets of ten seconds with these samples.
func pointOf(t *testing.T, samples ...*sample.Sample) *sample.Point {
	t.Helper()
	var in tally
	for _, s := range samples {
		in.add(1_795_000_000, s)
	}
	p, of := in.point()
	m := new(pointMessage)
	m.set(&p, &of)
	if err := m.Check(); err != nil {
		t.Errorf("a viewer would refuse it: %v", err)
	}
	return proto.CloneOf(&m.Point)
}

func TestPointOfSamples(t *testing.T) {
	half := &sample.Sample{
		Cpu: &sample.Cpu{
			Busy: []byte{0, sample.Full / 2, sample.Unknown}, Available: proto.Float32(2), Used: proto.Float32(1),
			Steal: proto.Uint32(625), Throttled: proto.Uint32(5000),
		},
		Memory:      &sample.Memory{Total: proto.Uint64(100), Used: proto.Uint64(25)},
		Connections: &sample.Connections{Established: proto.Uint32(9), Served: proto.Uint32(7)},
		Services:    []*sample.Service{{Port: 80, Rps: proto.Float32(10)}, {Port: 81, Rps: proto.Float32(5)}, {Port: 82}},
	}
	full := &sample.Sample{
		Cpu:         &sample.Cpu{Busy: []byte{sample.Full, 0}, Available: proto.Float32(4), Used: proto.Float32(4), Throttled: proto.Uint32(10_000)},
		Connections: &sample.Connections{Established: proto.Uint32(3)},
	}
	nothing := &sample.Sample{}
	two := []*sample.ServicePoint{{Port: 80, Rps: proto.Float32(10)}, {Port: 81, Rps: proto.Float32(5)}}
	for name, tt := range map[string]struct {
		samples []*sample.Sample
		want    *sample.Point
	}{
		"one": {[]*sample.Sample{half}, &sample.Point{
			Samples: 1, Cpu: proto.Float32(0.5), Available: proto.Float32(2), Hottest: proto.Float32(0.5),
			Rps: proto.Float32(15), Served: proto.Float32(7), Memory: proto.Float32(0.25),
			Steal: proto.Float32(0.0625), Throttled: proto.Float32(0.5), Services: two,
		}},
		"means stand on who knows": {[]*sample.Sample{half, full, nothing}, &sample.Point{
			Samples: 3, Cpu: proto.Float32(0.75), Available: proto.Float32(3), Hottest: proto.Float32(1),
			Rps: proto.Float32(15), Served: proto.Float32(7), Memory: proto.Float32(0.25),
			Steal: proto.Float32(0.0625), Throttled: proto.Float32(0.75), Services: two,
		}},
		"a proxy and its server answer once": {
			[]*sample.Sample{{Services: []*sample.Service{
				{Port: 80, Rps: proto.Float32(10)}, {Port: 3000, Rps: proto.Float32(9), Behind: 80},
			}}}, &sample.Point{Samples: 1, Rps: proto.Float32(10), Services: []*sample.ServicePoint{
				{Port: 80, Rps: proto.Float32(10)}, {Port: 3000, Rps: proto.Float32(9)},
			}},
		},
		"not measured is not zero": {[]*sample.Sample{nothing}, &sample.Point{Samples: 1}},
		"idle is zero": {[]*sample.Sample{{Cpu: &sample.Cpu{Busy: []byte{0}, Available: proto.Float32(1), Used: proto.Float32(0), Steal: proto.Uint32(0)}}}, &sample.Point{
			Samples: 1, Cpu: proto.Float32(0), Available: proto.Float32(1), Hottest: proto.Float32(0), Steal: proto.Float32(0),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			tt.want.Time = 1_795_000_000
			if diff := cmp.Diff(tt.want, pointOf(t, tt.samples...), protocmp.Transform()); diff != "" {
				t.Errorf("point (-want +got):\n%s", diff)
			}
		})
	}
}

// service is what one sample says of a port; below 0 is not known.
func service(port uint32, rps, run, top float64, one bool) *sample.Service {
	v := &sample.Service{Port: port, OneThread: &one}
	if rps >= 0 {
		v.Rps = new(float32(rps))
	}
	if run >= 0 {
		v.RunUs = new(uint32(run * 1e6))
	}
	if top >= 0 {
		v.TopUs = new(uint32(top * 1e6))
	}
	return v
}

func TestServicesOfAPoint(t *testing.T) {
	want := func(port uint32, rps float32, work ...float32) *sample.ServicePoint {
		v := &sample.ServicePoint{Port: port, Rps: &rps}
		for i, to := range []**float32{&v.Run, &v.Top}[:len(work)] {
			*to = &work[i]
		}
		return v
	}
	for name, tt := range map[string]struct {
		samples [][]*sample.Service
		want    []*sample.ServicePoint
	}{
		"means": {
			[][]*sample.Service{{service(80, 100, 0.5, 0.25, true)}, {service(80, 200, 1, 0.75, true)}},
			[]*sample.ServicePoint{want(80, 150, 0.75, 0.5)},
		},
		"several threads have no top": {
			[][]*sample.Service{{service(80, 100, 0.5, 0.25, false)}},
			[]*sample.ServicePoint{want(80, 100, 0.5)},
		},
		"a pair is of the same seconds": {
			[][]*sample.Service{
				{service(80, 1000, -1, -1, true)},
				{service(80, 100, 0.5, 0.5, true)},
				{service(80, -1, 8, 1, true)},
				{service(80, 300, 1.5, 0.75, true)},
			},
			[]*sample.ServicePoint{want(80, 200, 1, 0.625)},
		},
		"and so are three": {
			[][]*sample.Service{{service(80, 100, 0.5, -1, true)}, {service(80, 300, 1.5, 0.75, true)}},
			[]*sample.ServicePoint{want(80, 300, 1.5, 0.75)},
		},
		"a thread that is seldom known": {
			[][]*sample.Service{{service(80, 100, 0.5, -1, true)}, {service(80, 100, 0.5, -1, true)}, {service(80, 400, 2, 0.75, true)}},
			[]*sample.ServicePoint{want(80, 200, 1)},
		},
		"requests alone": {
			[][]*sample.Service{{service(80, 100, -1, -1, true)}, {service(80, 300, -1, 0.5, true)}},
			[]*sample.ServicePoint{want(80, 200)},
		},
		"work alone": {[][]*sample.Service{{service(80, -1, 1, 1, true)}}, nil},
		"idle":       {[][]*sample.Service{{service(80, 0, 0, 0, true)}}, []*sample.ServicePoint{want(80, 0, 0, 0)}},
		"the three with most requests, by port": {
			[][]*sample.Service{{service(22, 1, 1, -1, false), service(80, 5, 1, -1, false), service(443, 9, 1, -1, false), service(8080, 7, 1, -1, false)}},
			[]*sample.ServicePoint{want(80, 5, 1), want(443, 9, 1), want(8080, 7, 1)},
		},
		"one that comes later": {
			[][]*sample.Service{{service(443, 9, 1, -1, false)}, {service(80, 3, 2, -1, false), service(443, 7, 1, -1, false)}},
			[]*sample.ServicePoint{want(80, 3, 2), want(443, 8, 1)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var samples []*sample.Sample
			for _, list := range tt.samples {
				samples = append(samples, &sample.Sample{Services: list})
			}
			if diff := cmp.Diff(tt.want, pointOf(t, samples...).GetServices(), protocmp.Transform()); diff != "" {
				t.Errorf("services (-want +got):\n%s", diff)
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
		r.put(point{tens: uint32(1000 + i)}, pointServices{})
	}
	if len(r.services) != 0 {
		t.Error("services take room where there are none")
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

// TestServicesHaveThePlaceOfTheirPoint: a machine that learns late what its
// services do, and forgets it, over the turns of the ring.
func TestServicesHaveThePlaceOfTheirPoint(t *testing.T) {
	var r pointRing
	knows := func(i int) bool { return i%dayOfPoints > 500 && i%3 == 0 }
	for i := range 2*dayOfPoints + 700 {
		var of pointServices
		if knows(i) {
			of.ports[0], of.rps[0] = 80, float32(i)
		}
		r.put(point{tens: uint32(i)}, of)
		if cap(r.services) > dayOfPoints {
			t.Fatalf("room for %d", cap(r.services))
		}
	}
	for place := r.first; place < r.next; place++ {
		i := int(r.at(place).tens)
		of := r.servicesAt(place)
		if knows(i) != (of.ports[0] == 80) || knows(i) && of.rps[0] != float32(i) {
			t.Fatalf("point %d has %v", i, *of)
		}
	}
}
