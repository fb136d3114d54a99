package agents

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"capmon/sample"
)

// collect reads what the memory holds, decoded.
func collect(t *testing.T, a *Agent) []*sample.Sample {
	t.Helper()
	a.memory.mu.Lock()
	defer a.memory.mu.Unlock()
	var list []*sample.Sample
	for seq := a.memory.ring.oldest; seq != 0 && seq <= a.memory.ring.newest; seq++ {
		s, err := sample.Receive(a.memory.ring.get(seq))
		if err != nil {
			t.Fatalf("sample %d of the ring: %v", seq, err)
		}
		if s.GetSeq() != seq {
			t.Errorf("sample %d lies where %d belongs", s.GetSeq(), seq)
		}
		list = append(list, s)
	}
	return list
}

func TestTheLoopKeepsTheSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &machine64{took: 130 * time.Millisecond}
		a := newAgent(t, Config{Source: src}, 0)
		start := time.Now()
		stop := background(t, a.Run)
		time.Sleep(20*time.Second + 500*time.Millisecond)
		stop()
		list := collect(t, a)
		if len(list) != 21 {
			t.Fatalf("%d samples in 20.5 s, want 21", len(list))
		}
		for i, s := range list {
			if want := start.Add(time.Duration(i) * time.Second).UnixMilli(); s.GetTimeMs() != want {
				t.Errorf("sample %d is of %d ms, want %d", s.GetSeq(), s.GetTimeMs(), want)
			}
			if s.GetIntervalMs() != 0 {
				t.Errorf("sample %d says its interval is %d ms; it is nominal", s.GetSeq(), s.GetIntervalMs())
			}
		}
		if !src.closed {
			t.Error("the source was not closed")
		}
		if err := a.Run(t.Context()); err == nil {
			t.Error("an agent ran twice")
		}
	})
}

func TestMissedTicksAreSkipped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &machine64{}
		src.spoil = func(*sample.Sample) {
			if src.taken == 3 {
				time.Sleep(4300 * time.Millisecond) // stopped, or a reading that hangs
			}
		}
		a := newAgent(t, Config{Source: src}, 0)
		start := time.Now()
		stop := background(t, a.Run)
		time.Sleep(9500 * time.Millisecond)
		stop()
		var at []int64
		var took []uint32
		for _, s := range collect(t, a) {
			at = append(at, s.GetTimeMs()-start.UnixMilli())
			took = append(took, s.GetIntervalMs())
		}
		// The third began at 2 s and was over at 6.3 s.
		wantAt, wantTook := []int64{0, 1000, 2000, 7000, 8000, 9000}, []uint32{0, 0, 0, 5000, 0, 0}
		if len(at) != len(wantAt) {
			t.Fatalf("samples at %v ms, want %v", at, wantAt)
		}
		for i := range at {
			if at[i] != wantAt[i] || took[i] != wantTook[i] {
				t.Errorf("sample %d at %d ms over %d ms, want %d and %d", i+1, at[i], took[i], wantAt[i], wantTook[i])
			}
		}
	})
}

func TestStampSaysTheIntervalOnlyWhenItIsNotNominal(t *testing.T) {
	now := time.UnixMilli(1_795_000_000_000)
	for _, tt := range []struct {
		took time.Duration
		want uint32
	}{
		{time.Second, 0},
		{1009 * time.Millisecond, 0},
		{991 * time.Millisecond, 0},
		{1011 * time.Millisecond, 1011},
		{989 * time.Millisecond, 989},
		{40 * time.Second, 40_000},
		{1 << 31 * time.Second, 1 << 31},
	} {
		s := stamp(new(sample.Sample), now, now.Add(-tt.took), time.Second)
		if s.GetIntervalMs() != tt.want {
			t.Errorf("%v: interval %d ms, want %d", tt.took, s.GetIntervalMs(), tt.want)
		}
	}
	if s := stamp(nil, now, time.Time{}, time.Second); s.GetTimeMs() != now.UnixMilli() || s.GetIntervalMs() != 0 {
		t.Errorf("no sample gave %v", s)
	}
}

func TestASampleThatViewersRefuseIsSentBare(t *testing.T) {
	var book logbook
	src := &machine64{}
	a := newAgent(t, Config{Source: src, Log: book.log()}, 0)
	bad := func(spoil func(*sample.Sample)) *sample.Sample { s := typical(1); spoil(s); return s }
	a.publish(bad(func(s *sample.Sample) { s.Services[0].Name = strings.Repeat("x", 1000) }))
	a.publish(bad(func(s *sample.Sample) { s.Services[0].Name = "caf\xe9" }))
	a.publish(bad(func(s *sample.Sample) {
		s.Services = nil
		for i := range sample.MaxServices {
			s.Services = append(s.Services, &sample.Service{Port: uint32(i + 1), RpsNote: strings.Repeat("x", sample.MaxText)})
		}
	}))
	a.publish(typical(2))
	list := collect(t, a)
	for _, s := range list[:3] {
		if s.GetCpu() != nil || s.GetServices() != nil {
			t.Errorf("sample %d is not bare: %v", s.GetSeq(), s)
		}
	}
	if list[3].GetCpu() == nil {
		t.Error("the sample after the bad ones is bare too")
	}
	for _, want := range []string{"service name of 1000 bytes", "UTF-8", "at most 65536", "samples are sent whole again"} {
		if !strings.Contains(book.String(), want) {
			t.Errorf("the log does not say %q:\n%s", want, &book)
		}
	}
}

func TestNewRefusesNonsense(t *testing.T) {
	many := make(map[string]string)
	for i := range sample.MaxLabels + 1 {
		many[strings.Repeat("k", i+1)] = "v"
	}
	src := &machine64{}
	for name, tt := range map[string]struct {
		config Config
		want   string
	}{
		"no source":      {Config{}, "source"},
		"fast":           {Config{Source: src, Interval: 100 * time.Millisecond}, "from 1s to 10s"},
		"slow":           {Config{Source: src, Interval: 11 * time.Second}, "from 1s to 10s"},
		"empty label":    {Config{Source: src, Labels: map[string]string{"": "x"}}, "label"},
		"label controls": {Config{Source: src, Labels: map[string]string{"az": "\x1b[2J"}}, "label"},
		"long label":     {Config{Source: src, Labels: map[string]string{"az": strings.Repeat("x", 200)}}, "label of 200 bytes"},
		"many labels":    {Config{Source: src, Labels: many}, "33 labels"},
		"subscribers":    {Config{Source: src, SubscriberCap: -1}, "-1 subscribers"},
	} {
		if _, err := New(tt.config); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got error %v, want one with %q", name, err, tt.want)
		}
	}
}

func TestMachineIsAValue(t *testing.T) {
	a := newAgent(t, Config{Hostname: "数据库", Version: "1.2", Labels: map[string]string{"zone": "b", "az": "a"}, Interval: 2 * time.Second}, 0)
	m := a.Machine()
	if m.GetHostname() != "数据库" || m.GetIntervalMs() != 2000 || m.GetEpoch() == 0 || m.GetKernel() == "" ||
		m.GetLabels()[0].GetKey() != "az" || m.GetVersion() != "1.2" || len(m.GetCollectors()) != 5 {
		t.Errorf("machine is %v", m)
	}
	m.Hostname = "x"
	if a.Machine().GetHostname() == "x" {
		t.Error("a caller changed the machine of the agent")
	}
	if b := newAgent(t, Config{}, 0); b.Machine().GetEpoch() == a.Machine().GetEpoch() {
		t.Error("two agents have one epoch")
	}
}

func TestMemoryKeepsItsBound(t *testing.T) {
	for name, tt := range map[string]struct {
		interval time.Duration
		services int
		want     int // samples kept
	}{
		"64 cores":   {time.Second, 0, 964},
		"10 s":       {10 * time.Second, 0, 154},
		"7 s":        {7 * time.Second, 0, 193},
		"very large": {time.Second, 100, 80},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAgent(t, Config{Interval: tt.interval}, 0)
			for n := range 1200 {
				s := typical(n)
				for range tt.services {
					s.Services = append(s.Services, &sample.Service{Port: 1, RpsNote: strings.Repeat("x", sample.MaxText)})
				}
				s.TimeMs = int64(n) * 10_000
				a.publish(s)
			}
			list := collect(t, a)
			if len(list) != tt.want {
				t.Errorf("%d samples are kept, want %d", len(list), tt.want)
			}
			if last := list[len(list)-1].GetSeq(); last != 1200 {
				t.Errorf("the newest is %d, want 1200", last)
			}
			size := proto.Size(list[0])
			held := 0
			for _, b := range a.memory.ring.slots {
				held += cap(b) + slotHeader
			}
			held += cap(a.memory.points.list) * pointSize
			if bound := MemoryBound(tt.interval, size); held > bound || held > MaxSampleBytes+MaxPointBytes+964*slotHeader {
				t.Errorf("%d bytes are held for samples of %d, more than the bound %d", held, size, bound)
			}
		})
	}
}

func TestSlotsAreUsedAgain(t *testing.T) {
	a := newAgent(t, Config{}, 2000)
	s := typical(1)
	n := testing.AllocsPerRun(2000, func() { a.publish(s) })
	if n > 0.5 {
		t.Errorf("%.2f allocations for a sample, want none", n)
	}
}
