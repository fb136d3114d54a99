package record_test

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"capmon/demo"
	"capmon/record"
	"capmon/sample"
)

// simulated are n seconds of a simulated host, and the same encoded.
func simulated(t testing.TB, cores, n int) ([]*sample.Sample, [][]byte) {
	t.Helper()
	f, err := demo.NewFleet(demo.FleetConfig{Hosts: 1, Cores: cores, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	past := f.Past(0, time.Unix(1_790_000_000, 0), n)
	var encoded [][]byte
	for _, s := range past {
		b, err := proto.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		encoded = append(encoded, b)
	}
	return past, encoded
}

// Whatever arrived in whatever order is there again, once, for 15 minutes.
func TestMemory(t *testing.T) {
	past, encoded := simulated(t, 4, 1800)
	n := len(past)
	var m record.Memory
	m.Add("a", 7, encoded[n-901:n-900]) // newest first, then what was before it, some of it twice
	m.Add("a", 7, encoded[:n-901])
	m.Add("a", 7, encoded[n-950:n-900])
	for i := n - 900; i < n; i++ {
		m.Add("a", 7, encoded[i:i+1])
	}
	m.Add("a", 7, [][]byte{nil, {1, 2, 3}, make([]byte, sample.MaxBytes+1)}) // no samples
	at := past[n-500].GetTimeMs()
	runs := m.Between("a", at-9000, at)
	if len(runs) != 1 || runs[0].Epoch != 7 {
		t.Fatalf("got %d runs, want the one", len(runs))
	}
	var want []*sample.Sample
	for _, s := range past {
		if ms := s.GetTimeMs(); ms >= at-9000 && ms <= at {
			want = append(want, s)
		}
	}
	if got := runs[0].Samples; len(got) != len(want) || len(want) < 9 {
		t.Fatalf("got %d samples, want %d", len(got), len(want))
	}
	for i, got := range runs[0].Samples {
		if !proto.Equal(got, want[i]) {
			t.Errorf("sample %d differs:\n%v\n%v", i, got, want[i])
		}
	}
	last := past[n-1].GetTimeMs()
	all := m.Between("a", 0, last)[0].Samples
	if kept := last - all[0].GetTimeMs(); kept < 15*60*1000 || kept > 18*60*1000 {
		t.Errorf("%d s are kept, want 15 minutes and little more", kept/1000)
	}
	m.Add("a", 8, encoded[:1])
	if runs := m.Between("a", 0, last); len(runs) != 2 || runs[1].Epoch != 8 {
		t.Errorf("another run of the agent is not apart: %d runs", len(runs))
	}
	m.Forget("a")
	if m.Between("a", 0, last) != nil || m.Bytes() != 0 {
		t.Error("a host that left is still there")
	}
}

// Many hosts have shorter memories, each about as long; one that sends more than
// any machine does takes from the others no more than it must.
func TestMemoryBudget(t *testing.T) {
	past, encoded := simulated(t, 64, 900)
	last := past[len(past)-1].GetTimeMs()
	var m record.Memory
	m.Add("a", 1, encoded)
	if n := m.Bytes(); n > 180<<10 || n < 50<<10 {
		t.Errorf("15 minutes of 64 cores take %d bytes, want at most 180 kB", n)
	}
	m = record.Memory{}
	const hosts = 60
	for i := range hosts {
		m.Add(fmt.Sprint(i), 1, encoded)
	}
	for i := range hosts {
		runs := m.Between(fmt.Sprint(i), 0, last)
		if len(runs) != 1 || len(runs[0].Samples) < 120 || len(runs[0].Samples) > 500 || runs[0].Samples[len(runs[0].Samples)-1].GetTimeMs() != last {
			t.Errorf("host %d of %d: %d runs, %d samples", i, hosts, len(runs), len(runs[0].Samples))
		}
	}
	noise := make([]byte, 60<<10)
	x := uint64(1)
	for i := range 100 {
		for k := range noise {
			x = x*6364136223846793005 + 1442695040888963407
			noise[k] = byte(x >> 56)
		}
		b, err := proto.Marshal(&sample.Sample{Seq: uint64(i + 1), TimeMs: int64(i * 1000), CoreParts: noise})
		if err != nil {
			t.Fatal(err)
		}
		m.Add("noise", 1, [][]byte{b})
	}
	if n := m.Bytes(); n > 2<<20+hosts*20<<10 {
		t.Errorf("all take %d bytes", n)
	}
	if len(m.Between("7", 0, last)) != 1 {
		t.Error("noise pushed everything of others out")
	}
}

// Of more hosts than two minutes fit of, nothing is kept; when some have left
// it is again.
func TestMemoryOfMany(t *testing.T) {
	past, encoded := simulated(t, 4, 60)
	last := past[len(past)-1].GetTimeMs()
	var m record.Memory
	for i := range 100 {
		m.Add(fmt.Sprint(i), 1, encoded[:30])
	}
	if len(m.Between("99", 0, last)) != 1 {
		t.Error("of 100 hosts nothing is kept")
	}
	m.Add("100", 1, encoded[:30])
	m.Add("1", 1, encoded[30:])
	if n := m.Bytes(); n != 0 || m.Between("1", 0, last) != nil {
		t.Errorf("of 101 hosts %d bytes are kept", n)
	}
	m.Forget("100")
	m.Add("1", 1, encoded[30:])
	if runs := m.Between("1", 0, last); len(runs) != 1 || len(runs[0].Samples) != len(encoded)-30 {
		t.Errorf("of 100 hosts again: %d runs", len(runs))
	}
}

func BenchmarkMemoryStart(b *testing.B) {
	_, encoded := simulated(b, 64, 900)
	b.ReportAllocs()
	for b.Loop() {
		var m record.Memory
		m.Add("a", 1, encoded)
	}
}

func BenchmarkMemoryBetween(b *testing.B) {
	past, encoded := simulated(b, 64, 900)
	var m record.Memory
	m.Add("a", 1, encoded)
	at := past[450].GetTimeMs()
	b.ReportAllocs()
	for b.Loop() {
		m.Between("a", at-10_000, at)
	}
}
