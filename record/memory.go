package record

import (
	"cmp"
	"encoding/binary"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/encoding/protowire"

	"capmon/sample"
)

// Memory keeps the samples of hosts whole for 15 minutes, compressed, or for as
// long as they fit into 2 MiB: that is about 15 hosts' 15 minutes. Of more than
// 100 hosts at a time, whose two minutes would not fit, it keeps nothing. Its
// methods may be called from any goroutine. The zero Memory is empty.
type Memory struct {
	mu    sync.Mutex
	hosts map[string]*track
	z     *zstd.Encoder
	un    *zstd.Decoder
	buf   []byte
	size  int // of all chunks
}

const (
	// memoryTime is how long a sample is kept at least, by the host's own labels,
	// in milliseconds.
	memoryTime = 15 * 60 * 1000
	// chunkSamples is how many samples are compressed together.
	chunkSamples = 30
	chunkBytes   = 64 << 10
	// memoryBytes bounds what is kept of all hosts, but for a chunk of each that
	// is not packed yet; sampleBytes is about what one takes.
	memoryBytes = 2 << 20
	sampleBytes = 150
	memoryHosts = 100
)

// track is one host's samples, in the order in which they came.
type track struct {
	chunks []chunk
	open   chunk
	size   int
	newest int64
}

// chunk is some samples of one run, each with its length before it.
type chunk struct {
	epoch       uint64
	first, last int64 // labels, Unix milliseconds
	n, length   int   // samples, bytes unpacked
	data        []byte
}

// Add keeps encoded samples of one run of a host, of which it makes copies. What
// is no sample is left out.
func (m *Memory) Add(host string, epoch uint64, encoded [][]byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.hosts == nil {
		m.hosts = map[string]*track{}
	}
	t := m.hosts[host]
	if t == nil {
		t = &track{}
		m.hosts[host] = t
	}
	if len(m.hosts) > memoryHosts {
		m.empty()
		return
	}
	if m.z == nil {
		m.z, m.un = newEncoder(2*chunkBytes), newDecoder()
	}
	// Of the minutes before, what will not fit is not packed first.
	if most := max(memoryBytes/sampleBytes/len(m.hosts), chunkSamples); len(encoded) > most {
		encoded = encoded[len(encoded)-most:]
	}
	for _, b := range encoded {
		at, ok := labelOf(b)
		if !ok || len(b) > sample.MaxBytes {
			continue
		}
		c := &t.open
		if c.n > 0 && (c.epoch != epoch || at < c.last || c.n >= chunkSamples || c.length > chunkBytes) {
			m.pack(t)
		}
		if c.n == 0 {
			c.epoch, c.first, c.last = epoch, at, at
		}
		c.data = append(binary.AppendUvarint(c.data, uint64(len(b))), b...)
		c.length = len(c.data)
		c.first, c.last, c.n = min(c.first, at), max(c.last, at), c.n+1
		t.newest = max(t.newest, at)
	}
	m.drop(t)
}

// labelOf is the time of an encoded sample.
func labelOf(b []byte) (int64, bool) {
	const fieldTime = 2
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return 0, false
		}
		b = b[n:]
		if number == fieldTime && kind == protowire.VarintType {
			v, n := protowire.ConsumeVarint(b)
			return int64(v), n > 0 && int64(v) >= 0
		}
		if n = protowire.ConsumeFieldValue(number, kind, b); n < 0 {
			return 0, false
		}
		b = b[n:]
	}
	return 0, false
}

// pack compresses what is open.
func (m *Memory) pack(t *track) {
	c := &t.open
	packed := *c
	m.buf = m.z.EncodeAll(c.data, m.buf[:0])
	packed.data = slices.Clone(m.buf)
	t.chunks = append(t.chunks, packed)
	t.size += len(packed.data)
	m.size += len(packed.data)
	*c = chunk{data: c.data[:0]}
}

// drop lets go of what is too old of a host, and of the oldest of those that
// take most where all take too much.
func (m *Memory) drop(t *track) {
	for i := 0; i < len(t.chunks); i++ {
		if t.chunks[i].last < t.newest-memoryTime {
			m.delete(t, i)
			i--
		}
	}
	for m.size > memoryBytes {
		var most *track
		for _, t := range m.hosts {
			if most == nil || t.size > most.size {
				most = t
			}
		}
		m.delete(most, 0)
	}
}

// empty keeps nothing but who is there.
func (m *Memory) empty() {
	if m.z == nil {
		return
	}
	for _, t := range m.hosts {
		*t = track{}
	}
	m.size, m.z, m.un, m.buf = 0, nil, nil, nil
}

func (m *Memory) delete(t *track, at int) {
	n := len(t.chunks[at].data)
	t.size, m.size = t.size-n, m.size-n
	t.chunks = slices.Delete(t.chunks, at, at+1)
}

// Forget lets go of a host.
func (m *Memory) Forget(host string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if t := m.hosts[host]; t != nil {
		m.size -= t.size
		delete(m.hosts, host)
	}
}

// Between is the samples of a host whose labels lie between two moments, both
// included, in Unix milliseconds: by run in the order in which runs came, and
// by their numbers.
func (m *Memory) Between(host string, from, to int64) []Run {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.hosts[host]
	if t == nil {
		return nil
	}
	var runs []Run
	for i := range len(t.chunks) + 1 {
		c, data := &t.open, t.open.data
		if i < len(t.chunks) {
			c = &t.chunks[i]
		}
		if c.n == 0 || c.last < from || c.first > to {
			continue
		}
		if c != &t.open {
			var err error
			if data, err = m.un.DecodeAll(c.data, make([]byte, 0, c.length)); err != nil {
				continue // it was made here
			}
		}
		at := slices.IndexFunc(runs, func(r Run) bool { return r.Epoch == c.epoch })
		if at < 0 {
			at = len(runs)
			runs = append(runs, Run{Epoch: c.epoch})
		}
		runs[at].Samples = decode(runs[at].Samples, data, from, to)
	}
	for i := range runs {
		slices.SortFunc(runs[i].Samples, func(a, b *sample.Sample) int { return cmp.Compare(a.GetSeq(), b.GetSeq()) })
		runs[i].Samples = slices.CompactFunc(runs[i].Samples, func(a, b *sample.Sample) bool { return a.GetSeq() == b.GetSeq() })
	}
	return runs
}

// Run is samples of one run of an agent.
type Run struct {
	Epoch   uint64
	Samples []*sample.Sample
}

// decode adds the samples of a chunk between two labels.
func decode(to []*sample.Sample, data []byte, from, until int64) []*sample.Sample {
	for len(data) > 0 {
		n, used := binary.Uvarint(data)
		if used <= 0 || n > uint64(len(data)-used) {
			break
		}
		s, err := sample.Receive(data[used : used+int(n)])
		data = data[used+int(n):]
		if err == nil && s.GetTimeMs() >= from && s.GetTimeMs() <= until {
			to = append(to, s)
		}
	}
	return to
}

// Bytes is how much is kept.
func (m *Memory) Bytes() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, t := range m.hosts {
		n += t.size + len(t.open.data)
	}
	return n
}
