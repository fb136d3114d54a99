package fleet

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"testing"
)

// The ring gives back what was put in, whatever the order and the number of
// cores; a copy keeps what it had when the other goes on.
func TestRowsKeepCores(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		type kept struct {
			rows rows
			want map[uint64][]byte
		}
		rings := []*kept{{want: map[uint64][]byte{}}}
		for step := range 3 * maxRows {
			if step%700 == 699 && len(rings) < 4 {
				from := rings[r.IntN(len(rings))]
				c := &kept{rows: from.rows, want: map[uint64][]byte{}}
				c.rows.buf, c.rows.cores = append([]row(nil), from.rows.buf...), from.rows.cores.share()
				maps.Copy(c.want, from.want)
				rings = append(rings, c)
			}
			k := rings[r.IntN(len(rings))]
			seq := uint64(step/len(rings) + r.IntN(50) + 1)
			b := make([]byte, r.IntN(4)*r.IntN(1+int(seed)*3))
			for i := range b {
				b[i] = byte(r.Uint32())
			}
			evicted, pushed, added := k.rows.add(row{seq: seq, ms: int64(seq)}, b)
			if pushed {
				delete(k.want, evicted.seq)
			}
			if added {
				k.want[seq] = b
			}
		}
		for n, k := range rings {
			if k.rows.n != len(k.want) {
				t.Fatalf("seed %d: ring %d has %d rows of %d", seed, n, k.rows.n, len(k.want))
			}
			for i := range k.rows.n {
				v := k.rows.at(i)
				if got := k.rows.busy(v); !bytes.Equal(got, k.want[v.seq]) {
					t.Fatalf("seed %d: row %d of ring %d is %v, and was %v", seed, v.seq, n, got, k.want[v.seq])
				}
			}
		}
	}
}
